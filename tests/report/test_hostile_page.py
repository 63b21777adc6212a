"""Hostile names on the page: no element and no attribute of it is theirs."""

from __future__ import annotations

from collections import Counter
from html.parser import HTMLParser

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hostile_names import HOSTILE, hostile_names
from hostile_runs import make_hostile
from sezoo.report.blocks import Cell, Code, Heading, Notes, Section, Table, Text
from sezoo.report.page import page_of
from sezoo.report.rendering import render


class Elements(HTMLParser):
    """How many elements of each kind a page has, and the names of their attributes; places to break a name are none."""

    def __init__(self, page: str):
        super().__init__()
        self.found: Counter[tuple[str, tuple[str, ...]]] = Counter()
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        if tag != "wbr" or attributes:
            self.found[tag, tuple(name for name, _ in attributes)] += 1


def page_with(name: str) -> str:
    """The template with this name everywhere."""
    blocks = [Text(name), Heading(name), Notes([name, name]), Code(name, name), Code(name, name, folded=True)]
    blocks.append(Table([name], "c", [[Cell(name, detail=name, href="a.html")], [Cell(name, tone="bad")]], name))
    blocks.append(Table([name], "b", [[Cell(name, bar=0.5)]], name, folded=True))
    return render(title=name, about=name, when=None, verdict=name, numbers=[], sections=[Section("a", name, blocks)])


PLAIN = Elements(page_with("plain")).found


@pytest.mark.parametrize("name", [name for name in HOSTILE if name])
def test_a_name_is_text(name):
    page = page_with(name)
    assert Elements(page).found == PLAIN
    page.encode()  # no half of a character
    assert not any(character in page for character in "\0\x1b\x85\u202e\u2028")


def test_long_names_are_short_and_long_files_whole():
    page = page_with("n" * 10_000)
    assert len(page) < len(page_with("n")) + 5_000
    text = "\n".join(["a: b"] * 5_000)
    assert text in render(
        title="", about="", when=None, verdict="", numbers=[], sections=[Section("a", "", [Code(text)])]
    )


@settings(max_examples=10, deadline=None)
@given(hostile_names().filter(bool))
def test_drawn_names_are_text(name):
    assert Elements(page_with(name)).found == PLAIN


@pytest.mark.long
@settings(max_examples=40, deadline=None)
@given(st.lists(hostile_names().filter(bool), min_size=1, max_size=10))
@example(["\udce9", "$\\frac{"])
def test_a_run_with_drawn_names(tmp_path_factory, make_full_run, names):
    folder = make_full_run(tmp_path_factory.mktemp("hostile") / "run")
    make_hostile(folder, names)
    page_of(folder).encode()
