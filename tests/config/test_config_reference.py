import re
from pathlib import Path

from sezoo.config.modes import OPERATION_MODES
from sezoo.config.reference import markdown, renamed_keys
from sezoo.config.sections import SECTIONS

PAGE = Path(__file__).parents[2] / "docs" / "configuration.md"


def test_the_page_is_what_the_sections_say():
    assert PAGE.read_text(encoding="utf-8") == markdown(), (
        "regenerate docs/configuration.md from sezoo.config.reference.markdown()"
    )


def test_the_page_for_the_model_zoos_users_has_the_table_of_names():
    assert renamed_keys() in (PAGE.parent / "model_zoo.md").read_text(encoding="utf-8"), (
        "put the text of sezoo.config.reference.renamed_keys() into docs/model_zoo.md"
    )


def test_every_section_and_key_is_on_the_page():
    text = markdown()
    for name, cls in SECTIONS.items():
        assert f"\n## {name}\n" in text
        assert all(re.search(rf"^\| `{key}`(, version 4: .*)? \|", text, re.MULTILINE) for key in cls.model_fields)
    assert "\n### training.regularization\n" in text


def test_no_cell_breaks_its_table():
    rows = [line for line in markdown().splitlines() if line.startswith("| `")]
    modes = rows[: len(OPERATION_MODES)]
    assert all(line.count("|") == 3 for line in modes)
    assert all(line.count("|") == 5 for line in rows[len(modes) :])
