import logging

import pytest

from builders import evaluation_config, mix, write_clips, write_model, write_speech_and_noise
from sezoo import services
from sezoo.base.errors import UserError
from sezoo.config.validation import build_config
from sezoo.services import Service, plan, run_services


@pytest.fixture
def stand_ins(monkeypatch):
    """Services that note what is called, for all letters."""
    calls = []

    def stand_in(letter):
        return Service(
            lambda run: calls.append(f"do {letter}"), lambda config, made: calls.append(f"check {letter} {made}")
        )

    monkeypatch.setattr(services, "SERVICES", {letter: stand_in(letter) for letter in "teqbdp"})
    return calls


@pytest.mark.parametrize(
    ("mode", "letters"),
    [
        ("quantization", "q"),
        ("chain_qd", "qd"),
        ("chain_qb", "qb"),
        ("chain_eqe", "qe"),
        ("chain_eqeb", "qeb"),
        ("chain_tqe", "tqe"),
        ("chain_tqeb", "tqeb"),
        ("prediction", "p"),
    ],
)
def test_evaluation_waits_until_there_are_most_models(mode, letters):
    assert plan(mode) == letters


def test_what_later_services_need_is_checked_first(stand_ins, tmp_path):
    sections = {"training": {"device": "cpu"}, "quantization": {}, "benchmarking": {}, "deployment": {}}
    config = build_config(evaluation_config(operation_mode="chain_tqeb", **sections))
    run_services(config, tmp_path / "out")
    assert stand_ins == ["check q True", "check e True", "check b True", "do t", "do q", "do e", "do b"]


def test_a_single_service_checks_itself(stand_ins, tmp_path):
    run_services(build_config(evaluation_config()), tmp_path / "out")
    assert stand_ins == ["do e"]


@pytest.mark.parametrize(("processors", "workers", "starts"), [(1, None, 0), (4, None, 1), (4, 1, 0), (1, 2, 1)])
def test_scoring_in_this_process_starts_no_fork_server(processors, workers, starts, stand_ins, tmp_path, monkeypatch):
    started = []
    monkeypatch.setattr(services, "available_processors", lambda: processors)
    monkeypatch.setattr("sezoo.base.worker_processes.preload_fork_server", started.append)
    raw = evaluation_config(evaluation={"num_workers": workers})
    run_services(build_config(raw), tmp_path / "out")
    assert len(started) == starts and stand_ins == ["do e"]


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_model(tmp_path / "model.onnx")
    for folder in ("noisy", "clean"):
        write_clips(tmp_path / folder, "a.wav b.wav")
    return tmp_path


def test_each_service_has_what_the_one_before_it_made(project, caplog, capsys, drawn_scores):
    caplog.set_level(logging.INFO)
    asked = {"num_quantization_samples": 2, "static_sequence_length": 40}
    config = build_config(
        evaluation_config(operation_mode="chain_qep", quantization=asked, prediction={"format": "flac"})
    )
    run_services(config, project / "out")
    assert "scoring float, int8, int8 (C package) on 2 clips" in caplog.text
    assert "denoising 2 recordings with the int8 model" in caplog.text
    assert sorted(path.name for path in (project / "out" / "predictions").iterdir()) == ["a.flac", "b.flac"]
    assert (project / "out" / "evaluation.png").read_bytes().startswith(b"\x89PNG")
    printed = capsys.readouterr().out
    assert "int8 (C package) - float" in printed
    assert (project / "out" / "eval_logs_quantized" / "metrics_dict.json").is_file()


def test_a_chain_that_cannot_end_does_not_begin(project):
    raw = evaluation_config(operation_mode="chain_qe", quantization={"static_sequence_length": 40})
    raw["dataset"]["noisy_test_files_path"] = "nowhere"
    with pytest.raises(UserError, match=r"dataset\.noisy_test_files_path: there is no folder nowhere"):
        run_services(build_config(raw), project / "out")
    assert not (project / "out").exists()

    lengths = {"frames_per_patch": 30, "lookahead_frames": 14}
    raw = evaluation_config(operation_mode="chain_qe", quantization={"static_sequence_length": 40}, evaluation=lengths)
    with pytest.raises(UserError, match=r"evaluation\.lookahead_frames: found 14"):
        run_services(build_config(raw), project / "out")
    assert not (project / "out").exists()


def test_a_mix_calibrates_and_its_test_folders_are_scored(project, caplog, capsys):
    caplog.set_level(logging.INFO)
    write_speech_and_noise(project)
    asked = {"num_quantization_samples": 3, "static_sequence_length": 40}
    raw = evaluation_config(operation_mode="chain_qep", quantization=asked, dataset=mix(project))
    run_services(build_config(raw), project / "out")
    assert "calibrated on 3 clips, 3 s of audio" in caplog.text
    assert "scoring float, int8, int8 (C package) on 2 clips" in caplog.text
    assert sorted(path.name for path in (project / "out" / "predictions").iterdir()) == ["a.wav", "b.wav"]
    assert "int8 (C package) - float" in capsys.readouterr().out

    raw["dataset"]["noise_path"] = project / "nowhere"
    with pytest.raises(UserError, match=r"^dataset\.noise_path: there is no folder .*nowhere$"):
        run_services(build_config({**raw, "operation_mode": "chain_qe"}), project / "again")
