"""What is shown while one waits: on a terminal, in a notebook, and in a log."""

import io
import logging
import sys
import time
from types import SimpleNamespace

import pytest
from rich.console import Console

from sezoo.base import progress, terminal
from sezoo.base.progress import counted, working


class Screen(io.StringIO):
    """A terminal that keeps all that was written to it."""

    def isatty(self):
        return True


@pytest.fixture
def screen(monkeypatch):
    """A terminal in place of both standard streams, and what shows on it at a moment."""
    stream = Screen()
    shown = Console(file=stream, force_terminal=True, width=100, color_system=None)
    for module in (progress, terminal):  # pytest puts its own streams into sys once this fixture is made
        streams = SimpleNamespace(stderr=stream, stdout=stream, modules=sys.modules)
        monkeypatch.setattr(module, "sys", streams)
    monkeypatch.setattr(progress, "console", lambda: shown)

    def line():
        """The moving line, as it would be drawn now; empty where there is none."""
        if progress._DISPLAY._progress is None:
            return ""
        picture = Console(file=io.StringIO(), width=100, color_system=None)
        picture.print(progress._DISPLAY._progress.get_renderable())
        return picture.file.getvalue().strip()

    return line


def test_the_innermost_work_is_shown(screen):
    assert screen() == ""
    with working("quantizing"):
        assert "quantizing" in screen()
        assert "0:00" in screen()  # how long it has taken
        for item in counted(["a", "b"], 2, "calibrating"):
            assert "calibrating" in screen()
            assert "quantizing" not in screen()
            assert f"{'ab'.index(item)}/2" in screen()
        with working("writing"):
            assert "writing" in screen()
        assert "quantizing" in screen()
    assert screen() == ""


def test_results_take_the_line_away_and_the_next_step_brings_it_back(screen):
    with working("scoring"):
        terminal.write("a table")
        assert screen() == ""
        with working("writing the report"):
            assert "writing the report" in screen()
    with working("scoring"):
        for item in counted(range(3), 3, "clips"):
            if item == 1:
                progress.rest()
                assert screen() == ""
            elif item == 2:
                assert "2/3" in screen()


def test_names_are_no_markup(screen):
    with working("denoising [/red]\x1b[2J"):
        assert "denoising [/red]\\x1b[2J" in screen()


def test_work_that_is_given_up_or_fails_is_shown_no_more(screen):
    steps = counted(range(9), 9, "clips")
    next(steps)
    assert "clips" in screen()
    steps.close()
    assert screen() == ""
    with pytest.raises(ValueError, match="no"), working("quantizing"):
        raise ValueError("no")
    assert screen() == ""


def test_where_only_warnings_are_wanted_nothing_moves(screen, monkeypatch):
    monkeypatch.setattr(progress, "console", lambda: Console(file=io.StringIO(), force_terminal=False))
    with working("quantizing"):
        assert list(counted([1, 2], 2, "clips")) == [1, 2]
        assert screen() == ""


def test_what_the_first_one_waits_for_is_not_expected_of_the_others(monkeypatch, caplog):
    clock = iter([0, 100, 104, 110, 111])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    with caplog.at_level(logging.INFO, "sezoo"):
        list(counted("abcd", 4, "clips"))
    assert [record.getMessage() for record in caplog.records] == ["clips: 1 of 4", "clips: 3 of 4, 5 s to go"]


def test_the_log_has_lines_where_there_is_no_terminal(monkeypatch, caplog):
    clock = iter(range(0, 600, 2))
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    with caplog.at_level(logging.INFO, "sezoo"):
        assert list(counted("abcdefg", 7, "clips")) == list("abcdefg")
    assert [record.getMessage() for record in caplog.records] == [
        "clips: 3 of 7, 8 s to go",
        "clips: 6 of 7, 2 s to go",
    ]


def test_the_log_says_again_what_is_being_done_where_nothing_is_counted(monkeypatch, caplog):
    """Only the innermost, and nothing once it is done."""
    monkeypatch.setattr(progress, "SECONDS_OF_SILENCE", 0.01)

    def wait_for(count):
        while len(caplog.messages) < count:
            time.sleep(0.01)

    with caplog.at_level(logging.INFO, "sezoo"):
        with working("deploying"), working("building", in_log=True):
            wait_for(2)
            with working("linking", in_log=True):
                before = len(caplog.messages)
                wait_for(before + 2)
        said = list(caplog.messages)
        time.sleep(0.05)
        assert caplog.messages == said
    assert said[:2] == ["building, for 0 s now"] * 2
    assert said[before + 1] == "linking, for 0 s now"


def test_a_notebook_has_a_bar_of_html(monkeypatch):
    shown = []
    handle = SimpleNamespace(update=lambda html: shown.append(html.data))
    display = SimpleNamespace(
        HTML=lambda data: SimpleNamespace(data=data),
        display=lambda html, display_id: shown.append(html.data) or handle,
    )
    kernel = SimpleNamespace(get_ipython=lambda: SimpleNamespace(kernel=object()))
    monkeypatch.setitem(sys.modules, "IPython", kernel)
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    monkeypatch.setattr(progress, "SECONDS_A_CELL", 0)
    assert list(counted("ab", 2, "clips <1>")) == ["a", "b"]
    assert [text.partition(" aria")[0] for text in shown] == [
        '<progress value="0" max="2"',
        '<progress value="1" max="2"',
        '<progress value="2" max="2"',
        "",
    ]
    assert "clips &lt;1&gt;: 2 of 2" in shown[2]
