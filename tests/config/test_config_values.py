import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sezoo.base.errors import UserError
from sezoo.config.values import arithmetic, expand, literal, number


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1./255", 1 / 255),
        ("1/255", 1 / 255),
        ("2*3", 6),
        ("-(1+2)", -3),
        ("2**10", 1024),
        ("2**-1", 0.5),
        ("7 // 2", 3),
        ("-7 % 3", 2),
        ("1e-3", 0.001),
        (" 16 ", 16),
        (".5", 0.5),
        ("+3", 3),
        ("-2**2", -4),
        ("1_000", 1000),
    ],
)
def test_arithmetic_is_computed(text, value):
    assert arithmetic(text) == value
    assert type(arithmetic(text)) is type(value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "10.0.0",
        "cuda:0",
        "data/noisy",
        "1/0",
        "9**9**9",
        "10.0**400",
        "1e999",
        "(-8)**0.5",
        "(1, 2)",
        "(1, 2) * 3",
        "1 if 1 else 2",
        "007",
        "2024-01-02",
        "nan",
        "1j",
        "True",
        "1 < 2",
        "~1",
        "1 << 4",
        "'a' * 3",
        "(" * 90 + "1" + ")" * 90 + "+" * 50,
        "1+" * 5000 + "1",
        "1\0",
        "__import__('os').system('x')",
        "(__import__('os').system('x'))",
        "().__class__.__bases__[0].__subclasses__()",
        "(lambda: 1)()",
        "[x for x in (1,)]",
        "1 .__class__",
    ],
)
def test_what_is_no_number_stays_text(text):
    assert arithmetic(text) == text


_LEAVES = st.integers(0, 99).map(str) | st.sampled_from(["0.5", "2.", "1e-3", "7.25"])


def _combine(parts):
    pair = st.tuples(parts, st.sampled_from(["+", "-", "*", "/", "//", "%"]), parts)
    power = st.tuples(parts, st.integers(0, 3)).map(lambda both: f"({both[0]})**{both[1]}")
    return pair.map(" ".join) | parts.map(lambda part: f"-({part})") | parts.map(lambda part: f"({part})") | power


@given(st.recursive(_LEAVES, _combine, max_leaves=8).filter(lambda text: len(text) <= 200))
def test_arithmetic_agrees_with_python(text):
    try:
        expected = eval(text, {"__builtins__": {}})  # generated numeric text only
    except ArithmeticError:
        expected = text
    if isinstance(expected, float) and not math.isfinite(expected):
        expected = text
    assert arithmetic(text) == expected


@given(st.integers(-(10**6), 10**6), st.integers(1, 10**6))
def test_division_is_that_of_fractions(numerator, denominator):
    assert arithmetic(f"{numerator}/{denominator}") == float(Fraction(numerator, denominator))


@given(st.text(alphabet="0123456789.+-*/%()e, _'\"\\x", max_size=40))
def test_no_text_raises(text):
    assert isinstance(arithmetic(text), int | float | str)
    literal(text)


def test_numbers_are_not_booleans():
    assert number("2*3") == 6
    assert number(2.5) == 2.5
    for value in (True, False):
        with pytest.raises(ValueError, match="no numbers"):
            number(value)


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        ("(1, 2)", (1, 2)),
        ("(0.9, 1-0.001)", (0.9, 0.999)),
        ("(1, (2, 'a', True, None))", (1, (2, "a", True, None))),
        ("()", ()),
        ("True", True),
        ("False", False),
        ("None", None),
        ("1./255", 1 / 255),
        ({"a": ["2*3", "x"]}, {"a": [6, "x"]}),
        (5, 5),
    ],
)
def test_literals_of_free_type(raw, value):
    assert literal(raw) == value


@pytest.mark.parametrize(
    "text",
    [
        "2024-10-12",
        "2024-01-02",
        "0-5",
        "1/2/2024",
        "1, 2",
        "10.0.0",
        "cuda:0",
        "1-2.wav",
        "(2024) recordings",
        "true",
        "Adam",
        "__import__('os').system('x')",
        "(1, __import__('os').system('x'))",
    ],
)
def test_ordinary_text_of_free_type_stays_text(text):
    assert literal(text) == text


def test_environment_variables_are_expanded_anywhere(monkeypatch):
    monkeypatch.setenv("DATA_DIR", "/somewhere")
    raw = {"dataset": {"root_folder": "${DATA_DIR}/valentini", "list": ["x", "a${DATA_DIR}b${DATA_DIR}"]}, "n": 3}
    assert expand(raw) == {
        "dataset": {"root_folder": "/somewhere/valentini", "list": ["x", "a/somewhereb/somewhere"]},
        "n": 3,
    }


def test_an_unset_environment_variable_names_itself_and_its_key(monkeypatch):
    monkeypatch.delenv("NOT_THERE", raising=False)
    with pytest.raises(UserError) as error:
        expand({"dataset": {"list": [1, "${NOT_THERE}/x"]}})
    assert str(error.value) == (
        "dataset.list[1]: the environment variable NOT_THERE is not set (found '${NOT_THERE}/x')"
    )


def test_interpolations_of_omegaconf_are_left_alone():
    raw = {"dir": "./out/${now:%Y_%m_%d}", "copy": "${general.project_name}", "env": "${oc.env:HOME}"}
    assert expand(raw) == raw


def test_only_the_word_none_is_null():
    assert expand({"a": "None", "b": "none", "c": "Nonesuch", "d": None}) == {
        "a": None,
        "b": "none",
        "c": "Nonesuch",
        "d": None,
    }
