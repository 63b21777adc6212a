"""`import sezoo` and its functions: what they give, what they refuse, and what they leave alone."""

import inspect
import logging
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import soundfile
import yaml

import sezoo
from builders import mix, noise, write_clips, write_model, write_speech_and_noise
from recurrent_graphs import recurrent
from sezoo.api import deploying, quantizing
from sezoo.audio.stft import Stft
from sezoo.base.shipped import DEMO_RECORDINGS
from sezoo.denoising import WholeClip, denoise
from sezoo.models.mask_model import MaskModel
from sezoo.models.state_loop import StateLoop
from sezoo.zoo import zoo_model

PLAIN = {"quantization": {"accuracy_recovery": ["none"]}, "mlflow": {"uri": None}}
QUIET = {"mlflow": {"uri": None}}


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A working directory with a model, and clips of noise in noisy/ and clean/."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SEZOO_TEST", raising=False)
    write_model(tmp_path / "model.onnx")
    for folder in ("noisy", "clean"):
        write_clips(tmp_path / folder, "a.wav b.wav c.wav", seconds=0.4)
    return tmp_path


@pytest.fixture(autouse=True)
def own_logging():
    """The log of the package as a program has it that has not touched it."""
    logger = logging.getLogger("sezoo")
    kept = logger.level, logger.propagate, list(logger.handlers)
    logger.setLevel(logging.NOTSET)
    logger.propagate, logger.handlers = True, []
    yield
    level, logger.propagate, logger.handlers = kept
    logger.setLevel(level)


def quantized(project, **changes):
    return sezoo.quantize("model.onnx", "noisy", settings=PLAIN, folder=project / "int8", **changes)


def outside(code, cwd):
    command = [sys.executable, "-c", code] if not isinstance(code, Path) else [sys.executable, str(code)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, encoding="utf-8", check=False, timeout=120)


# -- the module ---------------------------------------------------------------------------------------


def test_the_import_is_light_and_leaves_logging_alone(tmp_path):
    code = (
        "import sezoo, sys, logging\n"
        "heavy = {'numpy', 'onnx', 'onnxruntime', 'pydantic', 'yaml', 'hydra', 'rich', 'torch', 'logging.config'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
        "from sezoo import quantize, evaluate, benchmark, deploy, train, denoise, UserError\n"
        "logger = logging.getLogger('sezoo')\n"
        "assert (logger.level, logger.handlers, logging.getLogger().handlers) == (0, [], [])\n"
    )
    done = outside(code, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


def test_what_is_public():
    assert sezoo.__all__ == [
        *(
            "Benchmark",
            "BoardTest",
            "Denoiser",
            "DeployedModel",
            "Evaluation",
            "QuantizedModel",
            "TrainedModel",
            "UserError",
            "__version__",
        ),
        *("benchmark", "board_test", "denoise", "deploy", "evaluate", "export", "metric", "quantize", "score", "train"),
    ]
    for name in sezoo.__all__:
        assert getattr(sezoo, name).__doc__
        assert name in dir(sezoo)
    assert (Path(sezoo.__file__).parent / "py.typed").is_file()
    with pytest.raises(AttributeError, match="no attribute 'quantise'"):
        sezoo.quantise  # noqa: B018


def test_no_module_has_the_name_of_a_function():
    modules = {path.stem for path in Path(sezoo.__file__).parent.iterdir()}
    assert not modules & set(sezoo.__all__)


@pytest.mark.parametrize(
    "name",
    ["quantize", "evaluate", "score", "benchmark", "deploy", "train", "denoise", "export", "board_test"],
)
def test_functions_are_typed_and_told(name):
    function = getattr(sezoo, name)
    assert "Raises" in function.__doc__
    for name, parameter in inspect.signature(function).parameters.items():
        assert parameter.annotation is not parameter.empty
        assert name in function.__doc__


# -- quantize -----------------------------------------------------------------------------------------


def test_quantize_a_folder(project):
    result = sezoo.quantize("model.onnx", "noisy", target="cortex-m", frames=12, num_clips=2, settings=QUIET)
    assert result.folder.parent == project / "experiment_outputs"
    axes = onnx.load(result.static).graph.input[0].type.tensor_type.shape.dim
    assert [axis.dim_value for axis in axes] == [1, 257, 12]
    assert result.dynamic.is_file()
    assert result.int8_bytes == result.dynamic.stat().st_size
    assert result.float_bytes == Path("model.onnx").stat().st_size
    assert 0 < result.closeness < 200
    assert result.evaluation is None
    resolved = yaml.safe_load((result.folder / "resolved_config.yaml").read_text(encoding="utf-8"))
    assert resolved["quantization"]["target"] == "cortex-m"
    assert resolved["quantization"]["num_quantization_samples"] == 2
    log = (result.folder / "stm32ai_main.log").read_text(encoding="utf-8")
    assert "calibrated on 2 clips" in log


def test_nothing_is_printed_and_the_log_is_the_callers(project, capfd, caplog):
    quantized(project)
    out, err = capfd.readouterr()
    assert out == ""
    assert "INFO" not in err
    assert logging.getLogger("sezoo").handlers == []
    told = [record.levelno for record in caplog.records if record.name.startswith("sezoo")]
    assert not told or min(told) >= logging.WARNING


def test_quantize_and_score_waves(project):
    noisy = [noise(0.4, seed=seed) for seed in range(3)]
    clean = [0.5 * wave for wave in noisy]
    result = sezoo.quantize(
        "model.onnx", noisy, clean=clean, metrics=["snr", "si_snr"], workers=1, settings=PLAIN, folder="out"
    )
    assert list(result.evaluation.versions) == ["float", "int8", "int8_stream"]
    scored = result.evaluation.versions["int8"]
    assert set(scored.means) == {"snr", "si_snr"}
    assert result.evaluation.noisy["snr"].value == pytest.approx(0, abs=1e-4)  # noisy is twice clean
    assert sorted(scored.clips) == ["00000.wav", "00001.wav", "00002.wav"]
    mean = np.mean([clip["snr"] for clip in scored.clips.values()])
    assert scored.means["snr"].value == pytest.approx(mean)
    assert scored.improvement["snr"].value == pytest.approx(mean - result.evaluation.noisy["snr"].value)


def test_what_comes_with_sezoo_has_names(project, monkeypatch):
    made = {}
    for module in (quantizing, deploying):
        monkeypatch.setattr(module, "run_settings", lambda settings, folder: made.update(settings) or Path("out"))
    monkeypatch.setattr(quantizing.QuantizedModel, "read", lambda folder: folder)
    monkeypatch.setattr(deploying.DeployedModel, "read", lambda folder: folder)
    sezoo.quantize("utcn_small", "demo", clean="demo")
    assert made["model"]["onnx_path"] == zoo_model("utcn_small").float_model
    assert made["quantization"]["noisy_quantization_files_path"] == DEMO_RECORDINGS / "noisy_trainset"
    assert made["dataset"]["noisy_test_files_path"] == DEMO_RECORDINGS / "noisy_testset"
    assert made["dataset"]["clean_test_files_path"] == DEMO_RECORDINGS / "clean_testset"
    sezoo.deploy("utcn_small")
    assert made["model"]["onnx_path"] == zoo_model("utcn_small").int8_static
    with pytest.raises(sezoo.UserError, match="no model utcn_smal; did you mean utcn_small, which comes with sezoo"):
        sezoo.quantize("utcn_smal", "demo")
    Path("demo").mkdir()  # what is on the disk comes first
    sezoo.quantize("utcn_small", "demo")
    assert made["quantization"]["noisy_quantization_files_path"] == Path("demo")


def test_the_number_of_bins_says_the_fourier_transform(project):
    write_model(project / "small.onnx", bins=129)
    result = sezoo.quantize("small.onnx", "noisy", win_length=256, settings=PLAIN)
    resolved = yaml.safe_load((result.folder / "resolved_config.yaml").read_text(encoding="utf-8"))
    assert resolved["preprocessing"]["n_fft"] == 256


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: sezoo.quantize("nothing.onnx", "noisy"), "there is no model nothing.onnx"),
        (lambda: sezoo.quantize("model.onnx", "nothing"), "nothing is not there; a folder of recordings is needed"),
        (lambda: sezoo.quantize("model.onnx", []), "clips: no clips"),
        (lambda: sezoo.quantize("model.onnx", ["noisy/a.wav", "x.wav"]), "clips: there is no file x.wav"),
        (lambda: sezoo.quantize("model.onnx", [np.zeros((2, 9))]), r"clips: clip 0 is float64 \(2, 9\); waveforms"),
        (lambda: sezoo.quantize("model.onnx", [np.zeros(9, np.int16)]), r"clips: clip 0 is int16 \(9,\)"),
        (lambda: sezoo.quantize("model.onnx", "noisy", noisy="noisy"), "noisy: test clips need the clean speech"),
        (lambda: sezoo.quantize("model.onnx", "noisy", metrics=["pesq"]), "metrics: scores need the clean speech"),
        (lambda: sezoo.quantize("model.onnx", "noisy", target="cortexm"), "quantization.target: found 'cortexm'"),
        (lambda: sezoo.quantize("model.onnx", "noisy", folder="clean"), "clean already exists"),
        (
            lambda: sezoo.evaluate("model.onnx", ["noisy/a.wav"], ["clean/a.wav", "clean/b.wav"]),
            "clean: 2 clips, but 1 noisy",
        ),
        (lambda: sezoo.evaluate([], "noisy"), "models: none"),
        (lambda: sezoo.evaluate("model.onnx", "noisy", settings={"evaluation": 3}), "evaluation: found 3; allowed"),
        (lambda: sezoo.benchmark("model.onnx", on="cortex-m3"), "benchmarking.targets: found"),
        (lambda: sezoo.deploy("model.onnx", emulate=False), "the static int8 model is needed"),
        (lambda: sezoo.train(speech="clean"), "give speech and noise"),
        (lambda: sezoo.train(speech="clean", noise="noisy", noisy="noisy", clean="clean"), "give speech and noise"),
        (lambda: sezoo.denoise("noisy/a.wav", "model.onnx"), "output: not given"),
        (lambda: sezoo.denoise(np.zeros(9, np.int16), "model.onnx"), "waveform: found int16"),
        (lambda: sezoo.denoise(np.zeros(900), "model.onnx", "x.wav"), "output: the denoised waveform is returned"),
        (lambda: sezoo.denoise([], "model.onnx", "x"), "no recordings"),
    ],
)  # fmt: skip
def test_bad_arguments_leave_nothing(project, call, message):
    before = set(project.rglob("*"))
    with pytest.raises(sezoo.UserError, match=message):
        call()
    new = {path for path in set(project.rglob("*")) - before if "mlruns" not in path.parts}
    assert new <= {project / "experiment_outputs"}  # where a run that had begun is tracked as failed


# -- evaluate, benchmark, deploy, train ---------------------------------------------------------------


def test_evaluate_several_models_on_files(project):
    write_model(project / "other" / "model.onnx", seed=1)
    files = [f"noisy/{name}.wav" for name in "abc"]
    result = sezoo.evaluate(
        ["model.onnx", "other/model.onnx"], files, [f"clean/{name}.wav" for name in "abc"],
        metrics=("mse",), workers=1, settings=QUIET,
    )  # fmt: skip
    assert list(result.versions) == ["1_model: float", "2_model: float"]
    one, other = result.versions.values()
    assert (one.model, other.model) == (Path("model.onnx"), Path("other/model.onnx"))
    assert one.means["mse"].value != other.means["mse"].value
    assert result.noisy["mse"].value == 0
    assert one.play_like == "whole"
    assert list(one.clips) == ["00000_a.wav", "00001_b.wav", "00002_c.wav"]
    assert {path.name for path in result.folder.iterdir()} == {"1_model", "2_model", "report.html"}
    assert result.report == result.folder / "report.html"
    assert list(result.pictures()) == ["1_model: scores", "2_model: scores"]
    labels = list(result.sounds())
    assert labels[0].endswith(".wav: noisy") and labels[1:] == ["1_model: float", "2_model: float", "clean"]
    page = result.report.read_text(encoding="utf-8")
    assert all(f'<a href="{name}/report.html">{name}</a>' in page for name in ("1_model", "2_model"))
    with pytest.raises(sezoo.UserError, match="already exists and is not an empty folder"):
        sezoo.evaluate(["model.onnx", "other/model.onnx"], "noisy", "clean", folder=result.folder)


def test_several_models_go_on_where_they_were_killed(project, caplog):
    models = [write_model(project / f"{name}.onnx", seed=seed) for seed, name in enumerate(("one", "two"))]
    settings = {"metrics": ("mse",), "workers": 1, "settings": {**QUIET, "general": {"report": False}}}

    def evaluated(**changes):
        return sezoo.evaluate(models, "noisy", "clean", folder=project / "both", **{**settings, **changes})

    expected, first = evaluated(), project / "both" / "one" / "evaluation.json"
    second = first.parents[1] / "two"
    written = first.stat().st_mtime_ns
    (second / "evaluation.json").unlink()
    (second / ".hydra" / "running").write_text(f"00000000-{2**22 + 1}-00000000\n", encoding="utf-8")
    for path in second.rglob("*"):  # by a process of another boot, a week ago
        os.utime(path, (0, 0))
    os.utime(second, (0, 0))
    again = evaluated()
    assert again.versions.keys() == expected.versions.keys()
    assert first.stat().st_mtime_ns == written and (second / "evaluation.json").is_file()
    with pytest.raises(sezoo.UserError, match="already exists and is not an empty folder"):
        evaluated(metrics=("snr",))


def test_a_script_without_the_idiom_is_not_run_again_by_workers(project):
    script = project / "script.py"
    script.write_text(
        "import sezoo\n"
        "print('begun')\n"
        "result = sezoo.evaluate('model.onnx', 'noisy', 'clean', metrics=['mse'], workers=2,\n"
        "                        settings={'mlflow': {'uri': None}})\n"
        "print(len(result.versions['float'].clips))\n"
        "assert __file__.endswith('script.py')\n",
        encoding="utf-8",
    )
    done = outside(script, project)
    assert (done.returncode, done.stdout.split()) == (0, ["begun", "3"]), done.stderr


def test_benchmark_and_deploy_the_static_model(project):
    static = quantized(project, target="cortex-m", frames=44).static
    result = sezoo.benchmark(static, runs=2, settings=QUIET)
    assert isinstance(result, sezoo.Benchmark)
    patch = result.measurements[0]
    assert (patch.target, patch.model, patch.what) == ("host", "int8", "patch")
    assert patch.milliseconds > 0
    assert sum(layer.macs for layer in patch.layers) == patch.macs == 2 * 257 * 8 * 44
    deployed = sezoo.deploy(static, emulate=False, settings=QUIET)
    assert (deployed.c_package / "README.md").is_file()
    assert (deployed.facts["engine"], deployed.facts["frames_per_call"]) == ("stream", 1)
    deployed = sezoo.deploy(static, engine="patch", emulate=False, settings=QUIET)
    assert deployed.facts["frames_per_call"] == 30  # and 7 of look-ahead on either side, from the length of 44
    assert deployed.facts["arena_bytes"] > 0


def test_train(project, no_curves):
    pytest.importorskip("torch")
    write_speech_and_noise(project)
    shape = {"n_blocks": 1, "num_layers": 1, "tcn_latent_dim": 4}
    data = {key: value for key, value in mix(project).items() if key in ("clip_seconds", "num_validation_samples")}
    settings = {
        "model_specific": shape, "dataset": {**data, "num_training_samples": 4}, "mlflow": {"uri": None},
        "training": {"num_dataloader_workers": 0, "reference_metric": "snr"},
    }  # fmt: skip
    result = sezoo.train(speech="speech", noise="noise", epochs=1, batch_size=4, device="cpu", settings=settings)
    assert result.best.is_file()
    assert result.last.is_file()
    assert [row["epoch"] for row in result.history] == [1]
    assert set(result.history[0]) >= {"train_loss", "snr"}


def test_training_starts_with_a_shipped_model_and_its_network():
    from sezoo.api.sections import Spectrum
    from sezoo.api.settings import training_settings
    from sezoo.zoo import zoo_model

    weights = zoo_model("utcn_live_small").float_model
    made = training_settings(Spectrum(16000, None, 160, 400), speech=Path("s"), noise=Path("n"), weights=weights)
    assert made["model"] == {"model_type": "UTCN", "state_dict_path": weights}
    assert made["model_specific"].items() >= {"causal": True, "level_frames": 64, "tcn_latent_dim": 64}.items()


# -- denoise ------------------------------------------------------------------------------------------


def test_denoise_a_wave(project):
    wave = noise(0.5)
    denoised = sezoo.denoise(wave, "model.onnx")
    np.testing.assert_allclose(denoised, denoise(wave, MaskModel(Path("model.onnx")), Stft(), WholeClip()), atol=1e-6)
    assert denoised.dtype == np.float32
    stereo = sezoo.denoise(np.stack([wave, 0 * wave], axis=1), "model.onnx", settings={"mlflow": {"uri": None}})
    assert stereo.shape == (len(wave), 2)
    np.testing.assert_allclose(stereo[:, 0], denoised, atol=1e-6)
    assert np.abs(stereo[:, 1]).max() < 1e-6
    assert not Path("experiment_outputs").exists()


def test_denoise_a_wave_of_another_rate(project):
    assert sezoo.denoise(noise(0.5, rate=48000), "model.onnx", sample_rate=48000).shape == (24000,)


def test_denoise_files(project):
    written = sezoo.denoise("noisy", "model.onnx", "out")
    assert written == [Path("out", f"{name}.wav") for name in "abc"]
    assert soundfile.info(written[0]).frames == soundfile.info("noisy/a.wav").frames
    with pytest.raises(sezoo.UserError, match="already exist"):
        sezoo.denoise("noisy", "model.onnx", "out")
    assert sezoo.denoise(["noisy/a.wav"], "model.onnx", "one.wav") == [Path("one.wav")]


# -- a denoiser that is kept, and one that is a function -------------------------------------------------


@pytest.mark.parametrize("mode", ["whole", "board"])
def test_a_stream_is_what_the_whole_waveform_gives(mode, project):
    denoiser = sezoo.Denoiser("model.onnx", play_like=mode)
    wave = noise(0.7)
    whole = denoiser(wave)
    assert whole.shape == wave.shape and whole.dtype == np.float32
    np.testing.assert_array_equal(whole, sezoo.denoise(wave, "model.onnx", play_like=mode))
    for _ in range(2):  # finish() begins anew
        pieces = [denoiser.push(wave[start : start + 333]) for start in range(0, len(wave), 333)]
        np.testing.assert_allclose(np.concatenate([*pieces, denoiser.finish()]), whole, atol=1e-6)


@pytest.mark.parametrize("mode", ["whole", "stream"])
def test_a_recurrent_network_in_pieces_computes_each_frame_once(mode, project, monkeypatch):
    given, call = [], StateLoop.__call__
    onnx.save(recurrent("GRU", bins=257), "recurrent.onnx")
    denoiser, wave = sezoo.Denoiser("recurrent.onnx", play_like=mode), noise(0.7)
    whole = denoiser(wave)
    denoiser.push(wave[:1])  # the form for pieces is made, and tried
    denoiser.finish()
    monkeypatch.setattr(StateLoop, "__call__", lambda self, frames: given.append(frames.shape[2]) or call(self, frames))
    pieces = [denoiser.push(wave[start : start + 333]) for start in range(0, len(wave), 333)]
    reached = 160 * (sum(given) - 1)  # frames whose masks are known are synthesised at once
    assert sum(map(len, pieces)) > reached - 400 and reached > len(wave) - 800
    pieces.append(denoiser.finish())
    assert sum(given) <= len(wave) // 160 + 6 and max(given) <= 6
    step = 1 / 32768 if mode == "stream" else 0  # of samples in 16 bits
    np.testing.assert_allclose(np.concatenate(pieces), whole, atol=1e-6 + 1.01 * step)


def test_channels_and_other_rates(project):
    denoiser = sezoo.Denoiser("model.onnx")
    stereo = np.stack([noise(0.4, seed=1), noise(0.4, seed=2)], axis=1)
    np.testing.assert_allclose(denoiser(stereo)[:, 1], denoiser(stereo[:, 1]), atol=1e-6)
    whole = denoiser(stereo, 44100)
    pieces = [denoiser.push(part, 44100) for part in np.array_split(stereo, 5)]
    np.testing.assert_allclose(np.concatenate([*pieces, denoiser.finish()]), whole, atol=1e-5)


def test_what_a_denoiser_refuses(project):
    denoiser = sezoo.Denoiser("model.onnx")
    for bad in (np.zeros(9, np.int16), np.zeros((3, 3, 3)), np.zeros((9, 0)), np.full(9, np.nan), np.zeros(0)):
        with pytest.raises(sezoo.UserError, match="waveform"):
            denoiser(bad)
    with pytest.raises(sezoo.UserError, match="nothing was pushed"):
        denoiser.finish()
    denoiser.push(noise(0.1))
    with pytest.raises(sezoo.UserError, match="those of the stream's first"):
        denoiser.push(noise(0.1), 44100)
    with pytest.raises(sezoo.UserError, match="a stream's peak is not known"):
        sezoo.Denoiser("model.onnx", settings={"preprocessing": {"peak_normalize": True}}).push(noise(0.1))


def halved(noisy):
    assert noisy.dtype == np.float32
    noisy *= 0.5  # a copy of its own
    return noisy.astype(np.float64)


def test_any_function_is_scored(project, capsys):
    result = sezoo.evaluate(
        denoise=halved, noisy="noisy", clean="clean", metrics=["snr", "mse"], workers=1, settings=QUIET, folder="out"
    )
    assert list(result.versions) == ["function"]
    version = result.versions["function"]
    assert (version.label, version.model.as_posix()) == ("halved", f"{__name__}:halved")
    noisy, clean = (soundfile.read(f"{kind}/a.wav", dtype="float32")[0] for kind in ("noisy", "clean"))
    assert version.clips["a.wav"]["mse"] == pytest.approx(np.mean((clean - 0.5 * noisy) ** 2))
    assert result.report is not None and "halved" in result.report.read_text(encoding="utf-8")
    assert capsys.readouterr().out == ""


def test_a_function_of_a_file_is_scored_by_several_processes(project):
    Path("mine.py").write_text("def halved(noisy):\n    return 0.5 * noisy\n", encoding="utf-8")
    known = {"noisy": "noisy", "clean": "clean", "metrics": ["mse"], "settings": QUIET}
    here = sezoo.evaluate(denoise=halved, workers=1, folder="here", **known)
    there = sezoo.evaluate(denoise="mine.py:halved", workers=2, folder="there", **known)
    assert there.versions["function"].clips == here.versions["function"].clips
    resolved = yaml.safe_load(Path("there/resolved_config.yaml").read_text(encoding="utf-8"))
    assert resolved["model"]["function"] == "mine.py:halved"


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda noisy: noisy[:-1], r"gives float32 \(6399,\) for .*a\.wav; 6400 samples of floats"),
        (lambda noisy: noisy[None], r"gives float32 \(1, 6400\) for .*a\.wav"),
        (lambda noisy: (100 * noisy).astype(np.int16), "gives int16"),
        (lambda noisy: None, r"gives None for .*a\.wav; 6400 samples of floats"),
        (lambda noisy: noisy * np.nan, "gives samples that are not finite for"),
        (lambda noisy: 1 / 0, r"ZeroDivisionError: division by zero \(test_api\.py, line \d+\) \(on .*a\.wav\)"),
        ("gone.py:denoise", r"model\.function: there is no file gone\.py"),
    ],
)
def test_functions_that_fail(function, message, project):
    with pytest.raises(sezoo.UserError, match=message):
        sezoo.evaluate(denoise=function, noisy="noisy", clean="clean", metrics=["mse"], workers=1, settings=QUIET)


def test_models_or_a_function(project):
    for given in ({}, {"models": "model.onnx", "denoise": halved}):
        with pytest.raises(sezoo.UserError, match="models, denoise: give one of them"):
            sezoo.evaluate(noisy="noisy", **given)
    with pytest.raises(sezoo.UserError, match="noisy: not given"):
        sezoo.evaluate("model.onnx")
    with pytest.raises(sezoo.UserError, match="models: found a function; give it as denoise"):
        sezoo.evaluate(halved, "noisy", "clean")


def test_clips_as_arrays_are_written_once(project, monkeypatch):
    written = []
    write = soundfile.write
    monkeypatch.setattr(
        soundfile, "write", lambda file, *rest, **how: written.append(file) or write(file, *rest, **how)
    )
    waves = [noise(0.4, seed=seed) for seed in range(3)]
    sezoo.quantize("model.onnx", waves, clean=waves, metrics=["mse"], workers=1, settings=PLAIN)
    assert len([path for path in written if "sezoo_" in str(path)]) == 6


def test_the_names_for_editors_are_those_that_there_are():
    from typing import get_args

    from sezoo.api import names
    from sezoo.config.section import choices_of
    from sezoo.config.sections import SECTIONS

    for alias, section, key in (
        (names.InferenceMode, "prediction", "play_like"),
        (names.BenchmarkTarget, "benchmarking", "targets"),
        (get_args(names.TargetName)[0], "quantization", "target"),
        (get_args(names.MetricName)[0], "evaluation", "metrics"),
    ):
        assert set(get_args(alias)) - {"dnsmos"} <= set(choices_of(SECTIONS[section].model_fields[key]))
