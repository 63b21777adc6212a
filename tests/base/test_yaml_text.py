"""YAML that is read in one line of error, and that gives every text back as it was written."""

from __future__ import annotations

import codecs
import io
from argparse import Namespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from builders import quantization_config
from hostile_names import HOSTILE, hostile_names
from sezoo.api.running import yaml_of
from sezoo.base.errors import UserError
from sezoo.base.files import write_text
from sezoo.base.yaml_text import dump_yaml, load_yaml
from sezoo.cli.hydra_run import compose_file
from sezoo.cli.output import STANDARD_OUTPUT, save_config
from sezoo.cli.overrides import settings_of
from sezoo.cli.yaml_file import read_checked
from sezoo.config.validation import build_config

WORDS = (
    *("null", "Null", "~", "true", "yes", "no", "on", "off", "n", "nan", ".inf", "-.INF", "1e5", "1_000", "1:30"),
    *("0o7", "0x1F", "2024-10-12", "2026-13-45", "10.0", "-1", "+1", "1.", ".5", "=", "<<", "*a", "&a", "!x", "%x"),
    *("$", "$$", "a$b", "${", "${}", "a${b.c}", "\\${b.c}", "\\\\${b.c}", "${now:%Y}", "${oc.env:HOME}", "x\\"),
    *("C:\\noisy\\test", "a\\nb", "a\nb", "a\r\nb", "a\tb", " a", "a ", "a: b", "a #b", "- a", "[a", "{a: b}"),
    *("\x1b[31m", "a\x85b", "a\u2028b", "\ufeffa", "\xa0", "\udce9", "\U0001f50a", "\0", "---", "...", "? a", "@a"),
    *("'", '"', "`a", "\\$"),
)


def texts() -> st.SearchStrategy[str]:
    return st.one_of(st.sampled_from((*WORDS, *HOSTILE)), hostile_names(), st.text(max_size=20))


def as_a_setting(text: str) -> str:
    """Without what the configuration itself gives a meaning: variables, None, arithmetic and tuples, emptiness."""
    return "x" + text.replace("${", "$ {") if "${" in text and "}" in text and "." not in text else f"x{text}"


@settings(deadline=None)
@given(st.lists(texts(), max_size=30))
def test_texts_come_back(values):
    assert load_yaml(dump_yaml({"values": values}), "x") == {"values": values}
    assert load_yaml(dump_yaml({"values": values}, ascii_only=True), "x") == {"values": values}


@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(texts().map(as_a_setting), min_size=60, max_size=60))
def test_a_saved_configuration_is_that_of_the_run(tmp_path_factory, values):
    """As --save-config writes it, and as Hydra reads it again."""
    made = quantization_config(
        general={"project_name": values[0]},
        quantization={"op_types_to_quantize": values, "states": {value: value for value in values}},
    )
    path = tmp_path_factory.getbasetemp() / "saved.yaml"
    write_text(path, yaml_of(made))
    assert compose_file(path) == build_config(made)


@pytest.mark.parametrize("text", [word for word in WORDS if word.strip() and "${" not in word])
def test_words_are_texts_in_a_saved_configuration(tmp_path, text):
    """Also those that are null, numbers or dates to some reader of YAML."""
    made = quantization_config(quantization={"states": {text: text}})
    write_text(tmp_path / "saved.yaml", yaml_of(made))
    assert compose_file(tmp_path / "saved.yaml").quantization.states == {text: text}


def test_nothing_of_a_command_line_becomes_yaml(tmp_path):
    words = ["sezoo", "quantize", "d\u2028x: 1\x85y: 2\rz: 3\n\udce9"]
    options = Namespace(words=words, save_config=tmp_path / "a\nb: 1.yaml", json=False, output=None)
    made = quantization_config()
    save_config(options, made)
    text = options.save_config.read_text(encoding="utf-8")
    assert load_yaml(text, "x") == load_yaml(yaml_of(made), "x")


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252"])
def test_a_configuration_on_standard_output(encoding):
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="backslashreplace", newline="\n")
    options = Namespace(words=["sezoo", "名"], save_config=STANDARD_OUTPUT, output=None, standard_output=stream)
    made = quantization_config(general={"project_name": "名前 \udce9 é"})
    save_config(options, made)
    stream.flush()
    text = stream.buffer.getvalue().decode(encoding)
    assert load_yaml(text, "x")["general"] == {"project_name": "名前 \udce9 é"}


# -- what is refused, in one line ------------------------------------------------------------------------------

REFUSED = [
    ("a: 2026-13-45", r"line 1, column \d: .*'2026-13-45' is no timestamp; put it in quotes if it is text"),
    ("a: 2026-01-01 25:61:61", "is no timestamp"),
    (f"a: {'1' * 5000}", r"'1+\.\.\.1+' is no int"),
    ("[" * 1000 + "]" * 1000, "nested"),
    ("".join(f"{' ' * level}a:\n" for level in range(1000)), "nested"),
    ("a: " + "[" * 5_000, "nested"),
    ("a: &x [*x]", "nested too deeply, or an alias that contains itself"),
    ('a: "D:\\data"', "in double quotes a backslash begins an escape: write a path in single quotes, or with /"),
    ('a: "D:\\users"', "in double quotes a backslash begins an escape"),
    ("a: \0", "invalid YAML"),
    ("a: !!python/object/apply:os.system [ls]", "could not determine a constructor"),
    ("{[a]: b}", "unhashable"),
    ("a: !!binary x", "invalid YAML"),
]


@pytest.mark.parametrize(("text", "message"), REFUSED, ids=range(len(REFUSED)))
def test_a_file_that_is_refused(tmp_path, text, message):
    path = tmp_path / "user_config.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=message) as error:
        read_checked(path)
    assert len(str(error.value)) < 500
    assert str(error.value).startswith(str(path))


@pytest.mark.parametrize(("text", "message"), REFUSED[:3], ids=range(3))
def test_a_setting_that_is_refused(text, message):
    with pytest.raises(UserError, match=message):
        settings_of([text.replace("a: ", "general.project_name=")])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (codecs.BOM_UTF16_LE + "a: ä".encode("utf-16-le"), "its encoding is UTF-16; save it in UTF-8"),
        (codecs.BOM_UTF16_BE + "a: ä".encode("utf-16-be"), "its encoding is UTF-16; save it in UTF-8"),
        ("a: b".encode("utf-16-le"), "invalid YAML"),
        ("a: ä".encode("latin-1"), r"its encoding is not UTF-8 \("),
    ],
)
def test_other_encodings(tmp_path, content, message):
    (tmp_path / "user_config.yaml").write_bytes(content)
    with pytest.raises(UserError, match=message):
        read_checked(tmp_path / "user_config.yaml")


def test_a_mark_of_utf_8_is_no_part_of_it(tmp_path):
    (tmp_path / "user_config.yaml").write_bytes(codecs.BOM_UTF8 + b"a: {b: 1}")
    assert read_checked(tmp_path / "user_config.yaml") == {"a": {"b": 1}}


def test_a_key_that_stands_twice_is_refused_wherever_it_is():
    for text in ("a: 1\nb: 2\na: 3\n", "x: [{a: 1, a: 1}]\n"):
        with pytest.raises(UserError, match=r"f\.yaml, line \d, column \d+: invalid YAML: found duplicate key a"):
            load_yaml(text, "f.yaml")
    merged = "base: &b {a: 1}\nother: {<<: *b, a: 2}\n'1': x\n1: y\n"
    assert load_yaml(merged, "f.yaml") == {"base": {"a": 1}, "other": {"a": 2}, "1": "x", 1: "y"}
