import multiprocessing
import os
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace

import pytest
import soundfile

from builders import Deadly, evaluation_config, noise, write_clips, write_model, write_yaml
from sezoo.audio.clip import BadClipError
from sezoo.audio.stft import Stft
from sezoo.base.errors import UserError
from sezoo.base.worker_processes import THREAD_COUNTS, preload_fork_server
from sezoo.data.pairs import Pair
from sezoo.denoising import Board, WholeClip
from sezoo.denoising.function import FunctionSource
from sezoo.evaluation.preloaded import modules_to_score
from sezoo.evaluation.scoring import Scoring
from sezoo.evaluation.versions import Version
from sezoo.evaluation.workers import score_clips
from sezoo.models.source import OnnxSource
from sezoo.run import executors as pool


@pytest.fixture
def pairs(tmp_path):
    noisy = write_clips(tmp_path / "noisy", " ".join(f"{index}.wav" for index in range(7)))
    clean = write_clips(tmp_path / "clean", " ".join(f"{index}.wav" for index in range(7, 14)))
    return [Pair(*paths) for paths in zip(noisy, clean, strict=True)]


@pytest.fixture
def scoring(tmp_path):
    source = OnnxSource(write_model(tmp_path / "m.onnx"))
    plays = {"whole": WholeClip((0, 0)), "board": Board(12, 3)}
    versions = tuple(Version(name, name, "float", name, source, play, name) for name, play in plays.items())
    return Scoring(versions, Stft(), 16000, ("snr", "si_snr", "mse"))


def all_of(scoring, pairs, workers):
    return dict(score_clips(scoring, pairs, workers))


@pytest.mark.parametrize("method", [*multiprocessing.get_all_start_methods()])
def test_scores_do_not_depend_on_the_number_of_workers_nor_on_how_they_start(method, scoring, pairs, monkeypatch):
    here = all_of(scoring, pairs, 1)
    assert sorted(here) == list(range(7))
    if method == "fork":
        return  # never used: threads of ours would be forked
    monkeypatch.setattr(multiprocessing, "get_all_start_methods", lambda: [method])
    assert all_of(scoring, pairs, 2) == here
    if method == "forkserver" or os.name == "nt":  # each of those that are spawned imports everything anew
        assert all_of(scoring, pairs, 20) == here


def test_a_clip_that_cannot_be_used_comes_back_as_such(scoring, pairs):
    soundfile.write(pairs[3].noisy, noise(0.5)[:0], 16000)
    found = all_of(scoring, pairs, 2)
    assert isinstance(found[3], BadClipError)
    assert found[3].path == pairs[3].noisy
    assert sum(isinstance(clip, BadClipError) for clip in found.values()) == 1


def test_a_killed_worker_ends_the_run_with_one_clear_error(scoring, pairs):
    started = time.monotonic()
    deadly = Scoring(**{**vars(scoring), "stft": Deadly()})
    with pytest.raises(UserError, match=r"a worker process was ended from outside .* evaluation.num_workers: 1"):
        all_of(deadly, pairs, 2)
    assert time.monotonic() - started < 60  # no hang
    assert not multiprocessing.active_children()


def test_a_models_error_in_a_worker_is_the_same_error_here(scoring, pairs, tmp_path):
    version = Version("float", "float", "float", "whole", OnnxSource(tmp_path / "no.onnx"), WholeClip(), "logs")
    broken = Scoring(**{**vars(scoring), "versions": (version,)})
    messages = set()
    for workers in (1, 2):
        with pytest.raises(UserError, match=r"no\.onnx") as caught:
            all_of(broken, pairs, workers)
        messages.add(str(caught.value))
    assert len(messages) == 1


def test_a_consumer_that_stops_early_leaves_no_process(scoring, pairs):
    clips = score_clips(scoring, pairs, 2)
    next(clips)
    clips.close()
    assert not multiprocessing.active_children()


def test_the_environment_is_as_it_was(scoring, pairs, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    before = {name: os.environ.get(name) for name in THREAD_COUNTS}
    all_of(scoring, pairs, 2)
    assert {name: os.environ.get(name) for name in THREAD_COUNTS} == before


def test_no_more_workers_than_the_system_can_wait_for(scoring, pairs, monkeypatch):
    started = []

    class Pool(ProcessPoolExecutor):
        def __init__(self, count, *arguments):
            started.append(count)
            super().__init__(count, *arguments)

    monkeypatch.setattr(pool, "ProcessPoolExecutor", Pool)
    monkeypatch.setattr(pool, "MOST_PROCESSES", 2)
    assert len(all_of(scoring, pairs, 64)) == len(pairs)
    monkeypatch.setattr(pool, "available_processors", lambda: 64)
    assert len(all_of(scoring, pairs, None)) == len(pairs)
    assert started == [2, 2]


def test_starting_early_changes_nothing(scoring, pairs):
    preload_fork_server(modules_to_score(scoring.metrics))
    assert all_of(scoring, pairs, 2) == all_of(scoring, pairs, 1)


def test_starting_early_loads_nothing_heavy():
    code = (
        "import sys; import sezoo.base.worker_processes, sezoo.evaluation.preloaded;"
        "sys.exit(', '.join({'numpy', 'onnx', 'scipy'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="process groups of POSIX")
def test_workers_end_when_the_main_process_is_killed(tmp_path):
    """All processes of the run are in one group: it must be empty soon after."""
    write_model(tmp_path / "model.onnx")
    for folder in ("noisy", "clean"):
        write_clips(tmp_path / folder, " ".join(f"{index:03d}.wav" for index in range(300)), seconds=2)
    settings = {"metrics": ["pesq", "stoi"], "num_workers": 2}
    write_yaml(tmp_path / "user_config.yaml", evaluation_config(evaluation=settings))
    command = [sys.executable, "-m", "sezoo", "hydra.run.dir=out"]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, start_new_session=True) as main:
        while b"scoring" not in main.stderr.readline():
            pass
        time.sleep(3)
        main.kill()
        main.wait()
        for _ in range(200):
            try:
                os.killpg(main.pid, 0)
            except ProcessLookupError:
                return
            time.sleep(0.1)
        os.killpg(main.pid, 9)
        pytest.fail("processes of the run are left")


def test_an_executor_that_a_function_of_a_script_cannot_use_is_named(scoring, pairs, caplog):
    source = FunctionSource("script.py:denoised", lambda wave: wave)
    version = Version("function", "denoised", "function", "denoised", source, WholeClip((0, 0)), "function")
    found = score_clips(replace(scoring, versions=(version,)), pairs[:1], None, "dask:tcp://10.0.0.1:8786")
    assert next(found)[0] == 0
    assert "general.executor: dask:tcp://10.0.0.1:8786 is not used; denoised is in no module" in caplog.text
