"""`sezoo denoise` and operation_mode prediction, from files to files."""

import logging
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import soundfile

import mask_graphs
from builders import evaluation_config, mask_graph, noise, write_clips, write_model, write_yaml
from sezoo.audio.clip import read_clip
from sezoo.audio.stft import Stft
from sezoo.denoising import Board, Patches, WholeClip, denoise
from sezoo.models.mask_model import MaskModel
from sezoo.quantization.graph.static_shape import with_static_shape


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_model(tmp_path / "model.onnx")
    write_clips(tmp_path / "noisy", "b.wav a.flac c.ogg")
    (tmp_path / "noisy" / "notes.txt").write_text("no audio", encoding="utf-8")
    return tmp_path


@pytest.fixture
def fails(project, run):
    """Call the command line, which must fail in one line and leave the working directory as it was: the message."""

    def call(*words):
        before = {path: path.stat().st_mtime_ns for path in project.rglob("*")}
        code, err = run(*words)
        assert code == 2, err
        assert "Traceback" not in err
        told = [line for line in err.splitlines() if line.startswith("sezoo: error: ")]
        assert len(told) == 1, err
        assert {path: path.stat().st_mtime_ns for path in project.rglob("*")} == before
        return told[0].removeprefix("sezoo: error: ")

    return call


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def test_files_and_folders_become_files_of_the_same_names(project, run):
    write_clips(project, "single.wav", seconds=0.3)
    code, err = run("denoise", "single.wav", "noisy", "-m", "model.onnx")
    assert code == 0, err
    assert names_in(project / "denoised") == ["a.flac", "b.wav", "c.ogg", "single.wav"]
    denoised = soundfile.read(project / "denoised" / "single.wav", dtype="float32")[0]
    expected = denoise(read_clip(project / "single.wav", 16000), MaskModel(mask_graph()), Stft())
    np.testing.assert_allclose(denoised, expected, atol=1 / 32768)
    assert names_in(project) == ["denoised", "model.onnx", "noisy", "single.wav"]  # no folder of a run


@pytest.mark.parametrize(
    ("like", "play"), [("whole", WholeClip()), ("patches", Patches(30, 5)), ("board", Board(30, 5, -50.0))]
)
def test_the_ways_to_play(like, play, project, run):
    code, err = run("denoise", "noisy/b.wav", "-m", "model.onnx", "-o", "out.wav", "--play-like", like)
    assert code == 0, err
    wave = read_clip(project / "noisy" / "b.wav", 16000)
    expected = denoise(wave, MaskModel(mask_graph()), Stft(), play)
    np.testing.assert_allclose(soundfile.read("out.wav", dtype="float32")[0], expected, atol=1.5 / 32768)


def test_a_static_model_is_played_in_its_patches(project, run):
    onnx.save(with_static_shape(mask_graph(), 40), project / "static.onnx")
    code, err = run("denoise", "noisy/b.wav", "-m", "static.onnx", "-o", "out.wav", "--play-like", "board")
    assert code == 0, err
    assert "Board(frames=30, lookahead=5" not in err  # a sentence, no repr
    assert "30 new frames with 5 frames of look-ahead" in err


def test_another_container(project, run):
    code, err = run("denoise", "noisy", "-m", "model.onnx", "-o", "out", "--format", ".FLAC")
    assert code == 0, err
    assert names_in(project / "out") == ["a.flac", "b.flac", "c.flac"]
    assert soundfile.info("out/b.flac").format == "FLAC"


def test_settings_of_the_spectrum(project, run):
    write_model(project / "small.onnx", bins=129)
    code, err = run("denoise", "noisy/b.wav", "-m", "small.onnx", "-o", "out.wav",
                    "preprocessing.hop_length=64", "preprocessing.win_length=256")  # fmt: skip
    assert code == 0, err
    stft = Stft(256, 64, 256)
    wave = read_clip(project / "noisy" / "b.wav", 16000)
    expected = denoise(wave, MaskModel(mask_graph(bins=129)), stft)
    np.testing.assert_allclose(soundfile.read("out.wav", dtype="float32")[0], expected, atol=1 / 32768)


def test_nothing_is_overwritten_unless_told(project, run, fails):
    run("denoise", "noisy", "-m", "model.onnx")
    message = fails("denoise", "noisy", "-m", "model.onnx")
    assert message.replace("\\", "/") == (
        "denoised/a.flac and 2 others already exist; use --overwrite to replace such files, or -o for another folder"
    )
    run("denoise", "noisy/b.wav", "-m", "model.onnx", "-o", "out.wav")
    message = fails("denoise", "noisy/b.wav", "-m", "model.onnx", "-o", "out.wav")
    assert message.startswith("out.wav already exists; use --overwrite")
    assert run("denoise", "noisy", "-m", "model.onnx", "--overwrite")[0] == 0


def test_a_recording_is_never_its_own_target(project, fails):
    words = ("-m", "model.onnx", "--overwrite")
    assert "would be replaced by its own denoised version" in fails("denoise", "noisy", "-o", "noisy", *words)
    assert "would be replaced by its own" in fails("denoise", "noisy/b.wav", "-o", "noisy/b.wav", *words)


def test_a_folder_of_folders(project, fails):
    for name in ("day1", "day2", ".hidden"):
        (project / "sessions" / name).mkdir(parents=True)
    message = fails("denoise", "sessions", "-m", "model.onnx")
    assert message.startswith(
        "command line: no recordings in sessions itself, but 2 folders, which can be named; files"
    )
    (project / "sessions" / "day2" / "a.wav").touch()
    named = f"which can be named, {Path('sessions', 'day2')} (1 recording); files"
    assert named in fails("denoise", "sessions", "-m", "model.onnx")


def test_a_recording_that_ends_early(project, fails):
    path = project / "cut.aiff"
    soundfile.write(path, noise(1.0), 16000)
    path.write_bytes(path.read_bytes()[:20000])
    assert "truncated: " in fails("denoise", "cut.aiff", "-m", "model.onnx", "-o", "out.wav")
    assert not (project / "out.wav").exists()


def test_two_recordings_of_one_name(project, fails):
    write_clips(project / "other", "b.wav")
    message = fails("denoise", "noisy/b.wav", "other/b.wav", "-m", "model.onnx")
    assert "would both become" in message


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("nothing.wav", "-m", "model.onnx"), "command line: there is no file or folder nothing.wav"),
        (("empty", "-m", "model.onnx"), "command line: no recordings in empty; files that end in .aif, .aiff, .au"),
        (("noisy", "-m", "model.onnx", "-o", "a.wav"), "-o: a.wav is one file, but there are 3 recordings"),
        (("noisy", "-m", "model.onnx", "--format", "wave"), "--format: found 'wave'; allowed: wav, flac"),
        (("noisy/b.wav", "-m", "model.onnx", "-o", "a.txt"), "-o: found '.txt'; allowed: wav, flac"),
        (("noisy/b.wav", "-m", "nothing.onnx"), "there is no model nothing.onnx"),
        (("noisy/b.wav", "-m", "noisy/b.wav"), "is not an ONNX model"),
        (("noisy/b.wav",), "--model is missing: sezoo denoise FILE -m MODEL -o OUT [options]; for example, "),
        (("a.b=c", "-m", "model.onnx"), "no recordings: name files or folders to denoise"),
        (("noisy/b.wav", "-m", "model.onnx", "preprocessing.hop_lenth=1"), "hop_lenth: unknown key; did you mean"),
        (("noisy/b.wav", "-m", "model.onnx", "n_fft=512"), "n_fft=512: there is no such file, and SECTION.KEY=VALUE"),
        (("noisy/b.wav", "-m", "model.onnx", "--play-like", "bord"), "prediction.play_like: found 'bord'; allowed"),
        (("noisy/b.wav", "-m", "model.onnx", "-o", "a.mp3", "--format", "ogg"), "but -o a.mp3 says .mp3"),
        (("noisy/b.wav", "-m", "model.onnx", "-o", "x" * 300 + ".wav"), "cannot be used: "),
        (("noisy/b.wav", "-m", "noisy"), "noisy is a folder; an ONNX file is needed"),
        (("noisy/b.wav", "-m", "model.onnx", "-o", "model.onnx/b"), "cannot write model.onnx/b"),
        (("noisy/notes.txt", "-m", "model.onnx"), "notes.txt: not readable as audio"),
        (("noisy/b.wav", "-m", "static.onnx", "--play-like", "whole"), "play_like: whole clips need dynamic frames"),
        (("noisy/b.wav", "-m", "static.onnx", "--play-like", "board", "evaluation.lookahead_frames=14",
          "evaluation.frames_per_patch=30"), "evaluation.lookahead_frames: found 14; 30 new frames"),
    ],
)  # fmt: skip
def test_bad_input(words, message, project, fails, monkeypatch):
    (project / "empty").mkdir()
    onnx.save(with_static_shape(mask_graph(), 40), project / "static.onnx")
    monkeypatch.setattr("sezoo.denoising.run_models.with_dynamic_axes", lambda *_, **__: None)
    assert message in fails("denoise", *words)


def test_a_damaged_recording_among_others(project, run):
    wave = noise(1.0)
    wave[-1] = np.nan
    soundfile.write(project / "noisy" / "b2.wav", wave, 16000, subtype="FLOAT")
    code, err = run("denoise", "noisy", "-m", "model.onnx")
    assert code == 2
    assert "b2.wav: 1 of its samples are NaN or infinite" in err
    assert names_in(project / "denoised") == ["a.flac", "b.wav"]  # whole ones, and no half
    assert run("denoise", "noisy/b2.wav", "-m", "model.onnx", "-o", "new/folder")[0] == 2
    assert not (project / "new").exists()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="limits of POSIX")
def test_a_disk_that_is_full_is_not_the_recordings_fault(project):
    """Not even where bad recordings may be left out."""
    soundfile.write(project / "noisy" / "b.wav", noise(60.0), 16000)
    code = (
        "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000));"
        "from sezoo.cli.main import main;"
        "main(['denoise', 'noisy/b.wav', '-m', 'model.onnx', 'dataset.skip_bad_files=true', 'dataset.name=demo'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, encoding="utf-8", check=False)
    assert done.returncode == 2, done.stderr
    assert "error: cannot write" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(project.rglob("*.part*"))


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_being_terminated_is_being_interrupted(project):
    soundfile.write(project / "noisy" / "b.wav", noise(1200.0), 16000)
    command = [sys.executable, "-m", "sezoo", "denoise", "noisy/b.wav", "-m", "model.onnx"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, encoding="utf-8") as process:
        assert "denoising 1 recording" in process.stderr.readline()
        process.terminate()
        told = process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert "interrupted; no incomplete files are left" in told
    assert not list(project.rglob("*.part*"))


def test_prediction_by_the_yaml_file(project, run):
    raw = evaluation_config(operation_mode="prediction", dataset=None)
    raw["prediction"] = {"input_path": "noisy", "format": "wav", "play_like": "patches"}
    write_yaml(project / "user_config.yaml", raw)
    code, err = run("hydra.run.dir=out")
    assert code == 0, err
    assert names_in(project / "out" / "predictions") == ["a.wav", "b.wav", "c.wav"]
    assert run("hydra.run.dir=out")[0] == 2
    assert run("hydra.run.dir=out", "prediction.overwrite=true")[0] == 0


def test_prediction_of_the_test_set(project, run, caplog):
    caplog.set_level(logging.INFO)
    write_clips(project / "tests", "a.wav b.wav")
    raw = evaluation_config(operation_mode="prediction")
    raw["dataset"] = {"name": "custom", "noisy_test_files_path": "tests"}
    write_yaml(project / "user_config.yaml", raw)
    code, err = run("hydra.run.dir=out")
    assert code == 0, err
    assert names_in(project / "out" / "predictions") == ["a.wav", "b.wav"]
    assert "2 denoised recordings: " in err


def test_bad_recordings_are_left_out_if_that_is_wanted(project, run):
    (project / "noisy" / "bad.wav").write_bytes(b"RIFF")
    raw = evaluation_config(operation_mode="prediction", dataset={"skip_bad_files": True})
    raw["prediction"] = {"input_path": "noisy"}
    write_yaml(project / "user_config.yaml", raw)
    code, err = run("hydra.run.dir=out")
    assert code == 0, err
    assert "1 of 4 clips left out: bad.wav" in err
    assert names_in(project / "out" / "predictions") == ["a.flac", "b.wav", "c.ogg"]


def test_a_model_of_magnitudes_is_told(project, run):
    graph = mask_graphs.Graph()
    graph.node("Relu", [graph.conv("input", "c", mask_graphs.BINS, mask_graphs.BINS, bias=False)], "mask")
    onnx.save(graph.model(), project / "magnitudes.onnx")
    small = ("preprocessing.win_length=64", "preprocessing.hop_length=16")
    for model, words, told in (("magnitudes.onnx", small, True), ("model.onnx", (), False)):
        code, err = run("denoise", "noisy/b.wav", "-m", model, "-o", f"{model}.wav", *words)
        assert code == 0, err
        assert ("does it make magnitudes instead of a mask?" in err) == told
