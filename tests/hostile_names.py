"""Names that try to be more than names: for tests of everything that shows them or writes them into a file."""

from __future__ import annotations

from hypothesis import strategies as st

__all__ = ["HOSTILE", "SECRET_CODE", "file_names", "hostile_names"]

SECRET_CODE = "int evil(void) { return 1; }"
"""What must never be compiled."""

HOSTILE = (
    f"/x \\\n{SECRET_CODE}",
    f"/x \\\r\n{SECRET_CODE}",
    f"/x \\ \t\n{SECRET_CODE}",
    f"/x \\\n\\\n{SECRET_CODE}",
    f"/x ??/\n{SECRET_CODE}",
    f"/x ??/\r\n??/\n{SECRET_CODE}",
    f"/x */ {SECRET_CODE} /*",
    "a /* b",
    "a // b",
    "*/",
    "a\\",
    "a??/",
    '"; system("x"); "',
    "nul\0nul",
    "größe 名前 \U0001f50a",
    "n" * 10_000,
    "[/red] [bold]x",
    ":smile:",
    "\x1b[31mred\x1b]0;title\x07",
    "\x9b31m",
    "row\rsplit",
    "next\x85line\u2028separator",
    "\u202egnp.exe",
    "half \udce9",
    "<script>window.hit = 1</script>",
    "\" onerror='window.hit = 1' x=\"",
    "`a` | **b** [c](javascript:d)",
    "``` \n# heading",
    "${ENV{HOME}} $<1:x> @PWD@ ;",
    "=1+1",
    "@SUM(A1)",
    "-1+1",
    "+cmd",
    "\t=x",
    "$\\frac{",
    "../../outside",
    "",
)

PIECES = st.one_of(
    st.sampled_from([*"\\?/*\"'`<>&|#${};@=-+\n\r\t\0\x1b\x85\u2028\u202e\udce9ä名 ", "??/", "*/", "/*", "//", "\\\n"]),
    st.text(max_size=3),
)


def hostile_names() -> st.SearchStrategy[str]:
    """Names made of what means something somewhere, surrogates among them, and the ones above."""
    return st.one_of(st.sampled_from(HOSTILE), st.lists(PIECES, max_size=12).map("".join))


def file_names() -> st.SearchStrategy[str]:
    """The ones of them that a file on Linux can have, without an ending."""
    return hostile_names().map(lambda name: name.replace("/", "_").replace("\0", "_")[:40] or "x")
