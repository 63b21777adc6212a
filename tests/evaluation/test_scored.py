"""Clips are scored once: a run that was ended goes on, and the runs of parts are joined."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from builders import evaluation_config, write_clips, write_model
from sezoo.api.running import run_settings
from sezoo.base.errors import UserError
from sezoo.config.validation import build_config
from sezoo.evaluation import scored
from sezoo.evaluation.service import evaluate
from sezoo.results.names import SCORED_CLIPS
from sezoo.results.unfinished import is_unfinished_evaluation
from sezoo.run.executors import ConnectionLostError
from sezoo.run.run import open_run

CLIPS_IN_ALL = 6


@pytest.fixture(autouse=True)
def recordings(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_model(tmp_path / "model.onnx")
    for folder in ("noisy", "clean"):
        write_clips(tmp_path / folder, " ".join(f"{index}.wav" for index in range(CLIPS_IN_ALL)))


@pytest.fixture
def scored_now(monkeypatch):
    """The names of the clips that are really scored."""
    names = []

    def score_clips(scoring, pairs, *where):
        names.extend(pair.name for pair in pairs)
        return real(scoring, pairs, *where)

    real = scored.score_clips
    monkeypatch.setattr(scored, "score_clips", score_clips)
    return names


def config(*, skip_bad_files=False, **settings):
    raw = evaluation_config(evaluation={"metrics": ["snr", "si_snr"], "num_workers": 1, **settings})
    raw["dataset"]["skip_bad_files"] = skip_bad_files
    return build_config(raw)


def evaluated(folder, **settings):
    folder.mkdir(exist_ok=True)
    with open_run(config(**settings), folder) as run:
        return evaluate(run)


def threads():
    """An executor as users write them."""
    return ThreadPoolExecutor(2)


def lost_after(clips):
    """A scoring of clips that is ended from outside."""

    def score_clips(scoring, pairs, *where):
        for done, outcome in enumerate(real(scoring, pairs, *where)):
            if done == clips:
                raise ConnectionLostError("the scheduler is gone")
            yield outcome

    real = scored.score_clips
    return score_clips


def test_a_run_that_was_ended_goes_on_and_gives_the_same(tmp_path, monkeypatch, scored_now):
    whole = evaluated(tmp_path / "whole")
    with monkeypatch.context() as patch:
        patch.setattr(scored, "score_clips", lost_after(4))
        with pytest.raises(ConnectionLostError, match="4 of 6 clips are scored, and the same command"):
            evaluated(tmp_path / "ended")
    assert is_unfinished_evaluation(tmp_path / "ended")
    with (tmp_path / "ended" / SCORED_CLIPS).open("a", encoding="utf-8") as file:
        file.write('{"noisy": "torn')
    scored_now.clear()
    again = evaluated(tmp_path / "ended")
    assert sorted(scored_now) == ["4.wav", "5.wav"]
    assert again.clips == whole.clips and again.means == whole.means
    assert not is_unfinished_evaluation(tmp_path / "ended")


def test_a_run_that_lost_its_cluster_goes_on_elsewhere_and_not_with_other_settings(tmp_path, monkeypatch, scored_now):
    raw = evaluation_config(evaluation={"metrics": ["snr"], "num_workers": 2})
    with monkeypatch.context() as patch:
        patch.setattr(scored, "score_clips", lost_after(4))
        with pytest.raises(ConnectionLostError, match="4 of 6 clips are scored"):
            run_settings({**raw, "general": {"executor": f"{__name__}:threads"}}, tmp_path / "run")
    with pytest.raises(UserError, match="run already exists and is not an empty folder"):
        run_settings({**raw, "evaluation": {**raw["evaluation"], "metrics": ["si_snr"]}}, tmp_path / "run")
    scored_now.clear()
    run_settings({**raw, "evaluation": {**raw["evaluation"], "num_workers": 1}}, tmp_path / "run")
    assert len(scored_now) == CLIPS_IN_ALL - 4


def test_what_was_scored_otherwise_is_scored_again(tmp_path, monkeypatch, scored_now):
    with monkeypatch.context() as patch:
        patch.setattr(scored, "score_clips", lost_after(4))
        with pytest.raises(ConnectionLostError):
            evaluated(tmp_path / "run")
    scored_now.clear()
    evaluated(tmp_path / "run", metrics=["snr"])
    assert len(scored_now) == CLIPS_IN_ALL


def test_parts_are_joined_without_scoring_again(tmp_path, scored_now):
    whole = evaluated(tmp_path / "whole")
    for number in (1, 2, 3):
        evaluated(tmp_path / f"part{number}", shard=f"{number}/4")
    scored_now.clear()
    joined = evaluated(tmp_path / "joined", parts=[str(tmp_path / f"part{number}") for number in (1, 2, 3)])
    assert scored_now == ["3.wav"]  # the fourth part's
    assert joined.clips == whole.clips and joined.means == whole.means
    files = ("evaluation.json", "eval_logs/metrics_dict.json", "eval_logs/detailed_metrics.csv")
    for name in files:
        assert (tmp_path / "joined" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"metrics": ["snr"]}, "scored otherwise, with metrics"),
        ({"fixed_sequence_length": 20}, "scored otherwise, with versions"),
    ],
)
def test_a_part_that_was_scored_otherwise(tmp_path, change, words):
    evaluated(tmp_path / "part", shard="1/2", **change)
    with pytest.raises(UserError, match=words):
        evaluated(tmp_path / "joined", parts=[str(tmp_path / "part")])


def test_a_part_of_another_test_set(tmp_path):
    evaluated(tmp_path / "part", shard="2/2")
    (tmp_path / "noisy" / "1.wav").rename(tmp_path / "noisy" / "1b.wav")
    (tmp_path / "clean" / "1.wav").rename(tmp_path / "clean" / "1b.wav")
    with pytest.raises(UserError, match=r"part is of another test set: this one has no 1\.wav"):
        evaluated(tmp_path / "joined", parts=[str(tmp_path / "part")])


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "no scored clips in"), ("rubbish", "no scored clips in"), ('{"format": 99, "sezoo": "9.0"}', "no scored")],
)
def test_a_part_that_is_none(tmp_path, content, words):
    (tmp_path / "part").mkdir()
    if content is not None:
        (tmp_path / "part" / SCORED_CLIPS).write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match=words):
        evaluated(tmp_path / "joined", parts=[str(tmp_path / "part")])


def test_a_part_of_a_newer_version(tmp_path):
    evaluated(tmp_path / "part", shard="1/2")
    path = tmp_path / "part" / SCORED_CLIPS
    first, *rest = path.read_text(encoding="utf-8").splitlines()
    first = json.dumps({**json.loads(first), "format": 99, "sezoo": "9.0"})
    path.write_text("\n".join([first, *rest]), encoding="utf-8")
    with pytest.raises(UserError, match=r"written by sezoo 9\.0.*update sezoo"):
        evaluated(tmp_path / "joined", parts=[str(tmp_path / "part")])


def test_more_parts_than_clips(tmp_path):
    with pytest.raises(UserError, match="found 1/7, but the test set has only 6 clips"):
        evaluated(tmp_path / "part", shard="1/7")


@pytest.mark.parametrize("found", ["0/3", "4/3", "1", "a/b", "1/3/5", [1, 2, 3]])
def test_a_shard_that_is_none(found):
    with pytest.raises(UserError, match=r"evaluation\.shard"):
        config(shard=found)


@pytest.mark.parametrize("found", ["dask", "dask:", "ray:", "slurm", 3, "a b:c", "local:2"])
def test_an_executor_that_is_none(found):
    raw = evaluation_config()
    raw["general"] = {**raw.get("general", {}), "executor": found}
    with pytest.raises(UserError, match=r"general\.executor"):
        build_config(raw)


def test_left_out_clips_are_not_read_again(tmp_path, monkeypatch, scored_now):
    (tmp_path / "noisy" / "2.wav").write_bytes(b"")
    with monkeypatch.context() as patch:
        patch.setattr(scored, "score_clips", lost_after(5))
        with pytest.raises(ConnectionLostError):
            evaluated(tmp_path / "run", skip_bad_files=True)
    scored_now.clear()
    results = evaluated(tmp_path / "run", skip_bad_files=True)
    assert len(scored_now) == 1 and "2.wav" in results.left_out
