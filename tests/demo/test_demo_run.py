from pathlib import Path

import pytest

from sezoo.base.errors import UserError
from sezoo.demo.run import demo_config, run_demo

ROOT = Path(__file__).parents[2]


def test_the_demo_is_among_the_commands_of_the_readme():
    """`test_docs.py` runs them, and checks what the demo leaves (`demo_checks.py`)."""
    assert "\nsezoo demo -o my_demo\n" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_a_folder_with_something_in_it_is_not_written_to(tmp_path):
    (tmp_path / "mine.txt").write_text("precious", encoding="utf-8")
    with pytest.raises(UserError, match=r"-o: .*not an empty folder"):
        run_demo(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_the_demos_model_is_where_its_configuration_says():
    assert demo_config().model.onnx_path.is_file()
