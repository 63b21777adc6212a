"""Hostile names in messages, logs, tables and generated files."""

from __future__ import annotations

import html
import io
import json
import logging
import pickle
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hostile_names import HOSTILE, SECRET_CODE, hostile_names
from sezoo.audio.clip import read_clip, write_clip
from sezoo.base.errors import UserError
from sezoo.base.files import display_path, read_text, write_json, write_text
from sezoo.base.foreign_text import escape, short_list, shorten, to_encodable, to_one_line, to_printable
from sezoo.base.terminal import OneLine, escape_unencodable, stdout_console, styled_text
from sezoo.cli.output import print_json, print_results
from sezoo.targets.programs import run_program

CC = shutil.which("cc") or shutil.which("gcc")

UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\u2028\u2029\ud800-\udfff]")
"""What must not reach a terminal."""


# -- shown to a person -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain größe 名前 🔊", "plain größe 名前 🔊"),
        ("C:\\noisy\\a.wav", "C:\\noisy\\a.wav"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("a\r\nb\tc\0", "a\\r\\nb\\tc\\x00"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("half \udce9", "half \\udce9"),
        ("a\x85b\u2028c", "a\\x85b\\u2028c"),
        ("\U000e0041", "\\U000e0041"),
    ],
)
def test_what_cannot_be_seen_is_written_out(text, shown):
    assert to_printable(text) == shown
    assert to_printable(shown) == shown


def test_lines_stay_lines_where_they_are_meant():
    assert to_printable("a\n\tb\x1b", lines=True) == "a\n\tb\\x1b"


@given(hostile_names())
def test_a_message_is_one_short_line(name):
    message = to_one_line(f"{name}: found {name!r}")
    assert not UNSEEN.search(message)
    assert len(message) <= 2000
    assert to_one_line(message) == message


def test_long_names_lose_their_middle():
    name = "conv_" + "x" * 10_000 + "_17"
    assert len(shorten(name, 100)) == 100
    assert shorten(name, 100).startswith("conv_xx")
    assert shorten(name, 100).endswith("xx_17")
    assert to_one_line(f"model.onnx: {name} is no input").endswith("_17 is no input")
    assert len(to_one_line(f"model.onnx: {name} is no input")) < 300
    path = "/".join(["folder"] * 40)  # 279 characters: a path somebody may want to copy
    assert path in to_one_line(f"there is no {path}")


def test_long_lists_are_counted():
    assert short_list(["a", "b"]) == "a, b"
    assert short_list(range(1001)) == "0, 1, 2, 3, 4, 5 and 995 more"
    assert len(short_list(["x" * 10_000] * 1001)) < 900


def test_an_error_is_printable_and_can_be_sent_to_another_process():
    error = UserError("found \x1b[31m\nnext", ["said \x07this", "and that"])
    assert str(error) == "found \\x1b[31m\\nnext | said \\x07this | and that"
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.lines) == (str(error), error.lines)
    assert error.with_message("other").lines == error.lines


def test_a_log_record_is_one_line(tmp_path):
    path = tmp_path / "log"
    handler = logging.FileHandler(path, encoding="utf-8", errors="backslashreplace")
    handler.addFilter(OneLine())
    logger = logging.Logger("test")
    logger.addHandler(handler)
    logger.warning("%s: replaced", "a\n2026-01-01 00:00:00 ERROR forged\x1b[2J")
    handler.close()
    assert path.read_text(encoding="utf-8") == "a\\n2026-01-01 00:00:00 ERROR forged\\x1b[2J: replaced\n"


@pytest.mark.parametrize("name", [name for name in HOSTILE if len(name) < 100 and "\t" not in name])
def test_a_table_shows_names_as_they_are(monkeypatch, name):
    from rich.table import Table

    out = io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    table = Table(box=None, show_header=False)
    table.add_row(name, styled_text((name, "red")))
    console = stdout_console(400)
    console.print(table)
    console.print(name, style="bold")
    shown = out.getvalue()
    assert not UNSEEN.search(shown.replace("\n", ""))
    for line in to_printable(name, lines=True).splitlines():
        assert shown.count(line.strip()) >= 3


# -- the encoding of the terminal ------------------------------------------------------------------------------


CODE_PAGES = pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "ascii"])


def printed(monkeypatch, encoding: str, show) -> str:
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding, newline="\n")
    with monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", stream)
        escape_unencodable()
        show()
    stream.flush()
    return stream.buffer.getvalue().decode(encoding)


@CODE_PAGES
def test_json_comes_back_from_any_code_page(monkeypatch, encoding):
    names = {"wide": "名前 🔊", "half": "a\udce9", "latin": "größe"}
    assert json.loads(printed(monkeypatch, encoding, lambda: print_json(names))) == names


@CODE_PAGES
def test_results_are_shown_in_any_code_page(monkeypatch, encoding):
    rows = [(Path("名前") / "größe 🔊\x1b.onnx", "int8")]
    text = printed(monkeypatch, encoding, lambda: print_results(Path("名前"), rows, ["next: 名前"]))
    assert "\\x1b.onnx  int8\n" in text
    assert ("名前" if encoding == "utf-8" else "\\u540d\\u524d") in text


def test_files_hold_half_characters(tmp_path):
    write_json(tmp_path / "a.json", {"path": "a\udce9 名前"})
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == {"path": "a\udce9 名前"}
    write_text(tmp_path / "a.txt", "a\udce9")
    assert (tmp_path / "a.txt").read_bytes() == b"a\\udce9"
    assert to_encodable("a\udce9 名", "cp1252") == "a\\udce9 \\u540d"


# -- written into a file that something else reads -------------------------------------------------------------


@given(hostile_names())
def test_nothing_of_a_name_means_anything_in_c(name):
    text = escape(name, "c")
    assert text.isascii() and text.isprintable()
    assert not set('\\"*?') & set(text)
    assert len(text) < 1200


@given(hostile_names())
def test_nothing_of_a_name_means_anything_in_cmake(name):
    text = escape(name, "cmake")
    assert text.isascii() and text.isprintable()
    assert not set("\\\"$@;#[]{}'") & set(text)


@given(hostile_names())
def test_a_name_is_one_code_span_in_markdown(name):
    text = escape(name, "markdown")
    assert text.isascii() and text.isprintable()
    fence = re.match("`+", text)[0]
    inner = text[len(fence) : -len(fence)]
    assert text == fence + inner + fence
    assert fence not in re.findall("`+", inner)
    assert inner.strip("`") == inner
    assert inner
    assert "|" not in inner


@given(hostile_names())
def test_a_name_is_text_in_html(name):
    text = str(escape(name, "html"))
    assert not set("<>\"'") & set(text)
    assert html.unescape(text) == to_printable(name, lines=True)


def test_ordinary_names_stay_readable():
    assert escape("/block.0/Conv_output_0", "c") == "/block.0/Conv_output_0"
    assert escape("model v2 (int8).onnx", "markdown") == "`model v2 (int8).onnx`"
    assert escape("a?b", "c") == "a<U+003F>b"


def compiled(source: str, folder: Path, *flags: str) -> None:
    path = folder / "names.c"
    path.write_text(source, encoding="utf-8", newline="\n")
    flags = ("-std=c99", "-Wall", "-Wextra", "-Werror", "-Wpedantic", *flags)
    found = subprocess.run([CC, *flags, "-c", path, "-o", folder / "names.o"], capture_output=True, text=True)
    assert found.returncode == 0, found.stderr


def c_source(names) -> str:
    lines = [f"/* {escape(name, 'c')} */\n// {escape(name, 'c')}\n" for name in names]
    lines += [f'const char *const name_{i} = "{escape(name, "c")}";\n' for i, name in enumerate(names)]
    return "".join([*lines, SECRET_CODE.replace("int", "int evil(void);\nint", 1), "\n"])


@pytest.mark.skipif(CC is None, reason="no C compiler")
@pytest.mark.parametrize("flags", [(), ("-trigraphs",)])
def test_no_name_is_compiled(tmp_path, flags):
    """The names' code is defined once, behind them: had one of them been compiled, it would be there twice."""
    compiled(c_source(HOSTILE), tmp_path, *flags)


@pytest.mark.skipif(CC is None, reason="no C compiler")
@settings(max_examples=2, deadline=None)
@given(st.lists(hostile_names(), min_size=300, max_size=300))
def test_no_drawn_name_is_compiled(tmp_path_factory, names):
    compiled(c_source(names), tmp_path_factory.mktemp("c"), "-trigraphs")


# -- names that are no UTF-8 -----------------------------------------------------------------------------------


@pytest.fixture
def half(tmp_path):
    """A folder whose name is no UTF-8."""
    folder = tmp_path / "caf\udce9"
    try:
        folder.mkdir()
    except (OSError, UnicodeEncodeError):
        pytest.skip("the file system has names in UTF-8 only")
    return folder


def test_recordings_in_such_a_folder_are_read_and_written(half):
    write_clip(half / "a\udce9.wav", np.full(1600, 0.25, np.float32), 16000)
    assert read_clip(half / "a\udce9.wav", 16000) == pytest.approx(np.full(1600, 0.25), abs=1e-4)


def test_programs_get_such_names(half):
    code = "import sys, os; sys.exit(not os.path.isdir(sys.argv[1]))"
    run_program([sys.executable, "-c", code, half], half / "log.txt", timeout=60)
    assert "caf\\udce9" in (half / "log.txt").read_text(encoding="utf-8")


def test_paths_are_shown_and_refused_in_one_line(half, monkeypatch):
    monkeypatch.chdir(half.parent)
    assert display_path(half) == "caf\\udce9"
    with pytest.raises(UserError, match=r"caf\\udce9"):
        read_text(half / "gone.yaml")
