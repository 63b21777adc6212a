"""Errors while clips are scored name what went wrong, and not always the file of scores."""

import pytest

from sezoo.base.errors import UserError
from sezoo.evaluation.scored_clips import scored_clips


@pytest.mark.parametrize(("named", "words"), [("gone.onnx", "gone.onnx: "), (None, "while clips were scored: ")])
def test_another_files_error_is_not_blamed_on_the_scores(named, words, tmp_path):
    path = tmp_path / "scored_clips.jsonl"
    with pytest.raises(UserError) as caught, scored_clips(path, {}):
        raise FileNotFoundError(2, "No such file or directory", named)
    assert str(caught.value).startswith(words)
    assert not path.exists()


def test_a_file_that_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot write"), scored_clips(tmp_path / "file" / "scores.jsonl", {}):
        pytest.fail("it is not open")
