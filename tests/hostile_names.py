"""Names that try to be more than names: for tests of everything that shows them or writes them into a file."""

from __future__ import annotations

from collections.abc import Sequence

import onnx
from hypothesis import strategies as st

__all__ = ["HOSTILE", "SECRET_CODE", "hostile_names", "renamed"]

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


def renamed(model: onnx.ModelProto, names: Sequence[str]) -> onnx.ModelProto:
    """The model with these names, in turn, for its nodes and for all of its tensors; a number keeps them apart.

    Names in an ONNX file are UTF-8: a surrogate becomes `\\udce9`.
    """
    found: dict[str, str] = {}

    def new(name: str) -> str:
        if name and name not in found:
            foreign = names[len(found) % len(names)].encode("utf-8", "backslashreplace").decode()
            found[name] = f"{len(found)}{foreign}"
        return found.get(name, "")

    made = onnx.ModelProto()
    made.CopyFrom(model)
    graph = made.graph
    for node in graph.node:
        node.name = new(f"node {node.name}")
        node.input[:], node.output[:] = [new(name) for name in node.input], [new(name) for name in node.output]
    for value in (*graph.input, *graph.output, *graph.value_info, *graph.initializer):
        value.name = new(value.name)
    return made
