"""The service from a configuration to its files, on small models, the demo's recordings, and the real test set."""

import csv
import json
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import soundfile

from builders import evaluation_config, mask_graph, noise, write_clips, write_model
from sezoo.audio.clip import read_clip
from sezoo.base.errors import UserError
from sezoo.base.shipped import DEMO_RECORDINGS
from sezoo.config.metric_facts import facts_of_metric
from sezoo.config.validation import build_config
from sezoo.data.dataset import test_pairs
from sezoo.evaluation.service import check_evaluation, evaluate
from sezoo.metrics import METRICS
from sezoo.models.mask_model import MaskModel
from sezoo.quantization.graph.static_shape import with_static_shape
from sezoo.results.evaluation import Evaluation
from sezoo.run.run import Run
from sezoo.run.tracking import Trackers

P232 = Path(__file__).parents[2].parent / "shared" / "data" / "voicebank_demand_p232"
REFERENCE_KEYS = ["pesq", "stoi", "snr", "sisnr", "mse"]


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A working directory with a model and five pairs, and `run(**changes)` for the run of an evaluation in out/."""
    monkeypatch.chdir(tmp_path)
    write_model(tmp_path / "model.onnx")
    write_clips(tmp_path / "clean", "a.wav b.wav c.wav d.wav e.wav")
    (tmp_path / "noisy").mkdir()
    for index, path in enumerate(sorted((tmp_path / "clean").iterdir())):
        wave = soundfile.read(path, dtype="float32")[0] + 0.2 * noise(0.5, seed=100 + index)
        soundfile.write(tmp_path / "noisy" / path.name, wave, 16000, subtype="FLOAT")

    def make(**changes):
        return Run(build_config(evaluation_config(**changes)), tmp_path / "out", Trackers())

    return make


def test_the_files_have_the_references_names_and_keys(run, tmp_path):
    evaluate(run(evaluation={"metrics": ["stoi", "snr", "sisnr", "mse"]}))
    means = json.loads((tmp_path / "out" / "eval_logs" / "metrics_dict.json").read_text(encoding="utf-8"))
    assert list(means) == REFERENCE_KEYS[1:]
    with (tmp_path / "out" / "eval_logs" / "detailed_metrics.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["file_name"] for row in rows] == ["a.wav", "b.wav", "c.wav", "d.wav", "e.wav"]
    for key, mean in means.items():
        values = [float(row[key]) for row in rows]
        assert mean == pytest.approx(np.mean(values))
    noisy, clean = (read_clip(tmp_path / kind / "b.wav", 16000) for kind in ("noisy", "clean"))
    assert float(rows[1]["noisy_sisnr"]) == pytest.approx(METRICS["si_snr"](clean, noisy, 16000))


def test_what_goes_in_and_comes_out_of_a_model_can_be_kept(run, tmp_path):
    onnx.save(with_static_shape(mask_graph(), 40), tmp_path / "model.onnx")
    settings = {"metrics": ["snr"], "gen_npy_input": True, "gen_npy_output": True, "num_workers": 1}
    settings["play_like"] = ["whole", "patches", "board"]
    evaluate(run(evaluation=settings, dataset={"num_test_samples": 2}))
    model = MaskModel(tmp_path / "model.onnx")
    for name, length in (("eval_logs", None), ("eval_logs_patches", 40), ("eval_logs_board", 40)):
        files = sorted((tmp_path / "out" / name / "npy").iterdir())
        assert len(files) == 4
        for given, made in zip(files[::2], files[1::2], strict=True):
            magnitudes, masks = np.load(given), np.load(made)
            assert (given.stem.split("_")[1], made.stem.split("_")[1]) == ("input", "output")
            assert magnitudes.shape == masks.shape
            assert magnitudes.shape[1] == 257
            if length is not None:
                assert magnitudes.shape[2] == length
                np.testing.assert_allclose(model(magnitudes[:1]), masks[:1], atol=1e-6)
    assert not (tmp_path / "out" / "listen" / "npy").exists()


def test_everything_is_in_one_file(run, tmp_path, caplog):
    onnx.save(with_static_shape(mask_graph(), 40), tmp_path / "model.onnx")
    with caplog.at_level("INFO"):
        evaluate(run(evaluation={"play_like": ["patches", "board", "stream", "whole"]}))
    assert caplog.text.count("its masks are float ones, a device has an int8 model's") == 2  # the board and the stream
    found = json.loads((tmp_path / "out" / "evaluation.json").read_text(encoding="utf-8"))
    assert (found["clips"], found["seconds"]) == (5, 2.5)
    assert list(found["versions"]) == ["float", "float_patches", "float_stream", "float_board"]
    board = found["versions"]["float_board"]
    assert board["play"]["like"] == "board"
    assert board["folder"] == "eval_logs_board"
    assert found["silence_gate"] == []
    mean = board["means"]["sisnr"]
    assert mean["low"] <= mean["mean"] <= mean["high"]
    gain = board["improvement"]["sisnr"]["mean"]
    assert gain == pytest.approx(mean["mean"] - found["noisy"]["sisnr"]["mean"])
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "evaluation.json", "scored_clips.jsonl", "listen",
        "eval_logs", "eval_logs_board", "eval_logs_stream", "eval_logs_whole",
    }  # fmt: skip


def test_the_configured_folder_is_used(run, tmp_path):
    evaluate(run(evaluation={"logs_path": "scores/int8"}))
    assert (tmp_path / "out" / "scores" / "int8" / "metrics_dict.json").is_file()


def test_a_clip_that_a_metric_cannot_score_is_listed_and_left_out_of_its_mean(run, tmp_path, caplog):
    for kind in ("clean", "noisy"):
        wave = np.zeros(8000, np.float32)
        wave[:500] = noise(0.1)[:500]
        soundfile.write(tmp_path / kind / "c.wav", wave, 16000)
    results = evaluate(run(evaluation={"metrics": ["stoi", "mse"]}))
    assert results.means["float"]["stoi"].clips == 4
    assert results.means["float"]["mse"].clips == 5
    listed = json.loads((tmp_path / "out" / "evaluation.json").read_text(encoding="utf-8"))["not_scored"]
    assert {(entry["clip"], entry["version"], entry["metric"]) for entry in listed} == {
        ("c.wav", "noisy", "stoi"), ("c.wav", "float", "stoi"),
    }  # fmt: skip
    assert "too short for STOI" in listed[0]["reason"]
    assert "STOI of float: 1 of 5 clips could not be scored and are left out of its means, c.wav" in caplog.text
    text = (tmp_path / "out" / "eval_logs" / "detailed_metrics.csv").read_text(encoding="utf-8")
    row = next(line for line in text.splitlines() if line.startswith("c.wav"))
    assert row.startswith("c.wav,,")
    assert "stoi: the clip is too short" in row


def test_a_metric_that_scored_nothing_is_null_and_the_file_still_json(run, tmp_path):
    config = run(evaluation={"metrics": ["pesq", "snr"]}, preprocessing={"sample_rate": 22050})
    evaluate(config)
    means = json.loads((tmp_path / "out" / "eval_logs" / "metrics_dict.json").read_text(encoding="utf-8"))
    assert means["pesq"] is None
    assert means["snr"] > 0


@pytest.mark.parametrize("workers", [1, 2])
def test_one_bad_clip_among_many_ends_the_run_and_leaves_nothing(workers, run, tmp_path):
    wave = noise(0.5)
    wave[100] = np.nan
    soundfile.write(tmp_path / "noisy" / "d.wav", wave, 16000, subtype="FLOAT")
    bad = run(evaluation={"num_workers": workers})
    with pytest.raises(UserError, match=r"d\.wav: 1 of its samples are NaN or infinite; set dataset.skip_bad_files"):
        evaluate(bad)
    assert not (tmp_path / "out" / "scored_clips.jsonl").exists()


def test_bad_clips_are_left_out_if_that_is_wanted(run, tmp_path, caplog):
    soundfile.write(tmp_path / "clean" / "d.wav", np.zeros(8000), 16000)
    results = evaluate(run(dataset={"skip_bad_files": True}))
    assert [clip.name for clip in results.scores] == ["a.wav", "b.wav", "c.wav", "e.wav"]
    assert results.left_out == {"d.wav": "it is silent (every sample is zero)"}
    assert "1 of 5 clips left out: d.wav" in caplog.text
    everything = json.loads((tmp_path / "out" / "evaluation.json").read_text(encoding="utf-8"))
    assert everything["left_out"] == results.left_out


def test_all_clips_bad_is_an_error(run, tmp_path):
    for path in (tmp_path / "clean").iterdir():
        soundfile.write(path, np.zeros(8000), 16000)
    with pytest.raises(UserError, match="none of the 5 clips can be used"):
        evaluate(run(dataset={"skip_bad_files": True}))


def test_a_model_in_too_short_patches_is_told_of(run, tmp_path, caplog):
    from mask_graphs import tcnn

    onnx.save(tcnn(), tmp_path / "model.onnx")
    shape = {"n_fft": 64, "win_length": 64, "hop_length": 16}
    asked = {"play_like": ["whole", "patches"], "frames_per_patch": 20, "lookahead_frames": 1}
    with caplog.at_level("INFO"):
        results = evaluate(run(preprocessing=shape, evaluation=asked))
    (advice,) = results.look_ahead
    assert (advice.lookahead, advice.needed, advice.static_length) == (1, 3, 26)
    cost = results.means["float"]["snr"].value - results.means["float_patches"]["snr"].value
    assert advice.cost.value == pytest.approx(cost)
    assert abs(cost) < 0.3  # SNR: a loss that is no reason to warn
    assert [each.levelname for each in caplog.records if each.getMessage() == advice.told] == ["INFO"]
    assert "float: a look-ahead of 1 frame is less than the 3 that the model's receptive field needs" in caplog.text
    assert (
        "lookahead_frames: 3 with static_sequence_length: 26 is the shortest setting that covers it, for the same 20"
        in caplog.text
    )


def test_the_costs_of_the_boards_settings(run, tmp_path):
    quiet = {"play_like": "board", "explain_deployment": True}
    results = evaluate(run(evaluation=quiet, deployment={"output_silence_threshold": -10}))
    costs = {cost.setting: cost.costs for cost in results.cost_of_board_settings}
    assert set(costs) == {"silence gate", "input gain", "rounding"}  # this model needs no look-ahead
    assert costs["rounding"]["snr"].value == 0  # a float model
    gated = results.means["float_board"]["snr"].value
    open_ = np.mean([clip.scores["float_board.silence gate"]["snr"] for clip in results.scores])
    assert costs["silence gate"]["snr"].value == pytest.approx(open_ - gated)
    assert open_ > gated == pytest.approx(0)  # silence has an SNR of 0 dB
    assert "float_board.silence gate" not in {version.name for version in results.versions}
    everything = json.loads((tmp_path / "out" / "evaluation.json").read_text(encoding="utf-8"))
    assert {entry["setting"] for entry in everything["cost_of_board_settings"]} == set(costs)


def test_explaining_a_dynamic_model_plays_it_as_on_the_board(run):
    results = evaluate(run(evaluation={"explain_deployment": True}))
    assert [version.name for version in results.versions] == ["float", "float_board"]
    assert results.cost_of_board_settings


def test_torch_weights_that_cannot_be_loaded_are_an_error_before_anything_is_scored(run, tmp_path):
    pytest.importorskip("torch")
    (tmp_path / "weights.pt").write_text("none", encoding="utf-8")
    with pytest.raises(UserError, match=r"weights\.pt"):
        evaluate(run(model={"onnx_path": None, "state_dict_path": "weights.pt"}))
    assert not (tmp_path / "out").exists()


def test_explaining_without_a_board_says_so(run, caplog):
    evaluate(run(evaluation={"explain_deployment": True, "play_like": "whole"}))
    assert "no setting of a board is in use here" in caplog.text


def test_without_clean_clips_dnsmos_alone_scores(run, monkeypatch):
    noisy_only = {"clean_test_files_path": None}
    with pytest.raises(UserError, match="snr needs clean speech, but the test set has none; dnsmos needs none"):
        evaluate(run(dataset=noisy_only))
    monkeypatch.setitem(sys.modules, "speechmos", None)
    with pytest.raises(
        UserError, match=r"^dataset\.clean_test_files_path: no clean speech .* DNSMOS.*: pip install .sezoo\[dnsmos\]"
    ):
        check_evaluation(run(dataset=noisy_only, evaluation={"metrics": None}).config)
    with pytest.raises(UserError, match=r"evaluation\.metrics: dnsmos_ovrl needs the package speechmos"):
        check_evaluation(run(evaluation={"metrics": ["dnsmos_ovrl"]}).config)


def test_dnsmos_of_recordings_without_clean_ones(run, tmp_path, caplog):
    pytest.importorskip("speechmos")
    caplog.set_level("INFO")
    for path in list((tmp_path / "noisy").iterdir())[1:]:
        path.unlink()
    results = evaluate(run(dataset={"clean_test_files_path": None}, evaluation={"metrics": None}))
    assert "the test set has no clean clips: only DNSMOS can score it" in caplog.text
    assert list(results.metrics) == ["dnsmos_sig", "dnsmos_bak", "dnsmos_ovrl", "dnsmos_p808"]
    assert all(1 <= mean.value <= 5 for means in results.means.values() for mean in means.values())


def test_a_torch_model_is_evaluated_as_its_onnx_file_is(run, tmp_path):
    torch = pytest.importorskip("torch")
    from sezoo.models.torch.networks.stft_tcnn import StftTcnn

    torch.manual_seed(0)
    shape = {"n_blocks": 1, "num_layers": 2, "in_channels": 257, "tcn_latent_dim": 16}
    network = StftTcnn(**shape).eval()
    torch.save(network.state_dict(), tmp_path / "weights.pt")
    torch_model = {"model": {"onnx_path": None, "state_dict_path": "weights.pt"}, "model_specific": shape}
    found = evaluate(run(**torch_model, evaluation={"play_like": ["whole", "patches"], "device": "cpu"}))
    assert found.versions[0].play["context"] == (3, 3)
    pair = test_pairs(run().config.dataset)[0]
    noisy = read_clip(pair.noisy, 16000)
    from sezoo.audio.stft import Stft
    from sezoo.denoising import denoise

    def model(magnitude):
        with torch.no_grad():
            return network(torch.from_numpy(magnitude)).numpy()

    expected = METRICS["snr"](read_clip(pair.clean, 16000), denoise(noisy, model, Stft()), 16000)
    assert found.scores[0].scores["float"]["snr"] == pytest.approx(expected, abs=1e-3)


def test_the_demo_is_scored_with_every_metric(tmp_path):
    raw = evaluation_config(dataset={"name": "demo", "num_test_samples": 2}, evaluation={"metrics": None})
    raw["model"]["onnx_path"] = str(DEMO_RECORDINGS.parents[1] / "zoo" / "stft_tcnn_medium" / "stft_tcnn_medium.onnx")
    results = evaluate(Run(build_config(raw), tmp_path / "out", Trackers()))
    assert [metric for metric in results.metrics if metric in results.means["float"]] == list(results.metrics)
    assert results.means["float"]["pesq"].value > results.means["noisy"]["pesq"].value


@pytest.mark.skipif(not P232.is_dir(), reason="needs the test pairs of ../shared")
def test_the_noisy_input_of_the_standard_test_set_has_the_scores_that_are_known(tmp_path):
    """All 393 pairs of p232 by SNR and SI-SNR; PESQ and STOI on 12 of them, against the packages themselves."""
    pesq, pystoi = pytest.importorskip("pesq"), pytest.importorskip("pystoi")
    raw = evaluation_config(
        dataset={
            "file_extension": ".flac",
            "noisy_test_files_path": str(P232 / "noisy_testset"),
            "clean_test_files_path": str(P232 / "clean_testset"),
        },
        evaluation={"metrics": ["snr", "si_snr"]},
    )
    write_model(tmp_path / "model.onnx")
    raw["model"]["onnx_path"] = str(tmp_path / "model.onnx")
    results = evaluate(Run(build_config(raw), tmp_path / "out", Trackers()))
    assert results.means["noisy"]["snr"].clips == 393
    assert results.means["noisy"]["snr"].value == pytest.approx(8.453, abs=0.001)
    assert results.means["noisy"]["si_snr"].value == pytest.approx(8.451, abs=0.001)

    raw["dataset"]["num_test_samples"] = 12
    raw["evaluation"]["metrics"] = ["pesq", "stoi"]
    config = build_config(raw)
    results = evaluate(Run(config, tmp_path / "some", Trackers()))
    for pair, clip in zip(test_pairs(config.dataset), results.scores, strict=True):
        clean, noisy = (soundfile.read(path)[0] for path in (pair.clean, pair.noisy))
        assert clip.scores["noisy"]["pesq"] == pytest.approx(pesq.pesq(16000, clean, noisy, "wb"), abs=2e-3)
        assert clip.scores["noisy"]["stoi"] == pytest.approx(pystoi.stoi(clean, noisy, 16000), abs=1e-5)


OWN_METRICS = """
from sezoo.metrics import metric

@metric("Peak error", unit="FS", form="{:.2f}", higher_is_better=False)
def peak(clean, denoised):
    if abs(clean).max() == abs(denoised).max():
        raise ValueError("nothing changed")
    return abs(clean - denoised).max()

def unsure(denoised):
    return float("nan")
"""


@pytest.mark.parametrize("workers", [1, 2])
def test_a_users_metrics_are_in_all_files(workers, run, tmp_path, caplog):
    (tmp_path / "mine.py").write_text(OWN_METRICS, encoding="utf-8")
    soundfile.write(tmp_path / "noisy" / "b.wav", read_clip(tmp_path / "clean" / "b.wav", 16000), 16000, "FLOAT")
    metrics = ["mine.py:peak", "mse", "mine.py:unsure"]
    results = evaluate(run(evaluation={"metrics": metrics, "num_workers": workers}))
    assert results.metrics == ("peak", "mse", "unsure")
    with (tmp_path / "out" / "eval_logs" / "detailed_metrics.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    noisy, clean = (read_clip(tmp_path / kind / "a.wav", 16000) for kind in ("noisy", "clean"))
    assert float(rows[0]["noisy_peak"]) == pytest.approx(np.abs(noisy - clean).max())
    assert all(row["peak"] and row["mse"] and not row["unsure"] for row in rows)
    content = json.loads((tmp_path / "out" / "evaluation.json").read_text(encoding="utf-8"))
    assert content["metric_facts"]["peak"] == {
        "label": "Peak error", "unit": "FS", "form": "{:.2f}", "higher_is_better": False,
    }  # fmt: skip
    assert content["noisy"]["peak"]["clips"] == 4
    reasons = {(each["clip"], each["version"], each["metric"]): each["reason"] for each in content["not_scored"]}
    assert reasons["b.wav", "noisy", "peak"] == "ValueError: nothing changed (mine.py, line 7)"
    assert reasons["a.wav", "float", "unsure"] == "the value is nan"
    assert "Peak error of noisy: 1 of 5 clips could not be scored" in caplog.text
    assert Evaluation.read(tmp_path / "out").metrics == ["peak", "mse", "unsure"]
    assert facts_of_metric("peak").unit == "FS"


def test_bad_metrics_are_told_before_anything_is_scored(run, tmp_path):
    (tmp_path / "mine.py").write_text(OWN_METRICS, encoding="utf-8")
    for name, message in (
        ("mine.py:peek", "mine.py has no metric peek; did you mean peak?"),
        ("gone.py:peak", "there is no file gone.py"),
        ("peek", "found ['peek']; allowed: pesq, "),
    ):
        with pytest.raises(UserError) as error:
            check_evaluation(run(evaluation={"metrics": [name]}).config)
        assert str(error.value).startswith("evaluation.metrics: ")
        assert message in str(error.value)
