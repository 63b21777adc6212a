"""The commands that stand for a YAML file: the same configuration, its file, JSON, and errors that name the option."""

import json
import re
import sys
from pathlib import Path

import pytest
import soundfile
import yaml
from rich.console import Console

from builders import noise, write_clips, write_model
from sezoo.api.sections import Spectrum
from sezoo.api.settings import training_settings
from sezoo.base.errors import UserError
from sezoo.base.shipped import DEMO_RECORDINGS
from sezoo.cli.main import main
from sezoo.cli.table import COMMANDS
from sezoo.config.boards import BOARDS
from sezoo.config.sections import SECTIONS
from sezoo.config.validation import build_config
from sezoo.report import score_table
from sezoo.report.score_table import short_names
from sezoo.zoo import training_recipe, zoo_model

SETTINGS = ["mlflow.uri=null"]
PLAIN = ["quantization.accuracy_recovery=none", *SETTINGS]
SCORED = ["--metrics", "mse,snr", "evaluation.num_workers=1"]


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A working directory with a model, and FLAC clips in noisy/ and clean/."""
    monkeypatch.chdir(tmp_path)
    write_model(tmp_path / "model.onnx")
    for folder in ("noisy", "clean"):
        write_clips(tmp_path / folder, "a.flac b.flac c.flac", seconds=0.4)
    return tmp_path


@pytest.fixture
def sezoo(capsys):
    """Call the command line here: its exit code, standard output and standard error."""

    def call(*words):
        code = 0
        try:
            main([str(word) for word in words])
        except SystemExit as end:
            code = end.code
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


@pytest.fixture
def fails(sezoo):
    """Call the command line, which must fail on bad input: the message."""

    def call(*words):
        code, out, err = sezoo(*words)
        assert (code, out) == (2, ""), err
        assert "Traceback" not in err
        return err.splitlines()[-1].partition(": error: ")[2]

    return call


@pytest.fixture
def static(project, sezoo):
    """A static int8 model of 44 frames for a Cortex-M."""
    code, _, err = sezoo(
        "quantize", "model.onnx", "--data", "noisy", "--target", "cortex-m", "--frames", 44, "-o", "q", *PLAIN
    )
    assert code == 0, err
    return Path("q/saved_models/quantized_model_int8_static.onnx")


def resolved(folder):
    return yaml.safe_load((Path(folder) / "resolved_config.yaml").read_text(encoding="utf-8"))


# -- the same configuration ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        ["quantize", "model.onnx", "--data", "noisy", "--target", "cortex-m", "--frames", "12", "--clips", "2", *PLAIN],
        ["quantize", "model.onnx", "--data", "noisy", "--clean", "clean", *SCORED, *PLAIN],
        ["evaluate", "model.onnx", "--noisy", "noisy", "--clean", "clean", "--clips", "2", "--play-like",
         "whole,board", *SCORED, *SETTINGS],
        ["benchmark", "model.onnx", "--runs", "2", "--board", "STM32H747I-DISCO", *SETTINGS],
    ],
    ids=lambda words: words[0],
)  # fmt: skip
def test_the_saved_file_does_the_same(words, project, sezoo):
    code, _, err = sezoo(*words, "-o", "short", "--save-config", "settings/saved.yaml")
    assert code == 0, err
    assert ("int8 was calibrated on these clips" in err) == (words[0] == "quantize" and "--clean" in words)
    text = Path("settings/saved.yaml").read_text(encoding="utf-8")
    assert text.startswith(f"# sezoo {' '.join(words[:2])}")
    assert "# Run it from this file: sezoo --config-path settings --config-name saved hydra.run.dir=DIR\n" in text
    code, _, err = sezoo("--config-path", "settings", "--config-name", "saved", "hydra.run.dir=long")
    assert code == 0, err
    assert resolved("short") == resolved("long")
    assert {path.name for path in Path("short").iterdir()} == {path.name for path in Path("long").iterdir()}


def test_the_saved_file_of_a_deployment(static, sezoo, written_page):
    words = ["deploy", static, "--no-emulate", "--attenuation-limit", "12", "--board", "NUCLEO-H743ZI2", *SETTINGS]
    code, out, err = sezoo(*words, "-o", "short", "--save-config", "saved.yaml")
    assert code == 0, err
    readme = Path("short/c_package/README.md").read_text(encoding="utf-8")
    assert "the attenuation is at most 12 dB" in readme and "counted by an emulator" not in readme
    assert "short/c_package" not in out
    assert "  c_package    C sources" in out
    saved = yaml.safe_load(Path("saved.yaml").read_text(encoding="utf-8"))
    assert saved["deployment"] == {
        "attenuation_limit_db": 12,
        "backend": "portable-c",
        "emulate": False,
        "hardware_setup": {"board": "NUCLEO-H743ZI2"},
    }
    code, _, err = sezoo("--config-name", "saved", "hydra.run.dir=long")
    assert code == 0, err
    assert resolved("short") == resolved("long")


def test_the_saved_file_holds_what_differs_and_no_more(project, sezoo):
    code, _, err = sezoo("quantize", "model.onnx", "--data", "noisy", *PLAIN, "--save-config", "s.yaml")
    assert code == 0, err
    assert yaml.safe_load(Path("s.yaml").read_text(encoding="utf-8")) == {
        "operation_mode": "quantization",
        "model": {"onnx_path": "model.onnx"},
        "preprocessing": {},
        "dataset": {"name": "custom", "file_extension": ".flac"},
        "quantization": {"noisy_quantization_files_path": "noisy", "accuracy_recovery": "none"},
        "mlflow": {"uri": None},
    }


def test_training_settings(project, fails, monkeypatch):
    words = ["train", "--speech", "clean", "--noise", "noisy", "--model", "UTCN", "--epochs", "3", "--n-fft", "256"]
    words += ["--win", "256", "training.batch_size=0", "--save-config", "s.yaml"]
    assert fails(*words).startswith("training.batch_size: found 0")
    assert not Path("s.yaml").exists()  # no file of what cannot be run
    words = [word for word in words if word != "training.batch_size=0"]

    def refuse(*_, **__):
        raise UserError("training.batch_size: too many for this test")

    monkeypatch.setattr("sezoo.services.run_services", refuse)
    message = fails(*words, "training.optimizer=Adm", "training.num_dataloader_workers=0")
    assert message == "training.batch_size: too many for this test (--batch-size)"
    recipe = training_recipe(mixed=True, sample_rate=16000)
    assert yaml.safe_load(Path("s.yaml").read_text(encoding="utf-8")) == {
        "operation_mode": "training",
        "model": {"model_type": "UTCN"},
        "model_specific": {"in_channels": 129},
        "dataset": {"name": "mix", "speech_path": "clean", "noise_path": "noisy", **recipe["dataset"]},
        "preprocessing": {"n_fft": 256, "win_length": 256},
        "training": {**recipe["training"], "epochs": 3, "optimizer": "Adm", "num_dataloader_workers": 0},
    }
    shipped = yaml.safe_load(zoo_model("utcn_small").folder.joinpath("training.yaml").read_text(encoding="utf-8"))
    assert recipe["training"].items() <= shipped["training"].items()
    assert {"loss": "perceptual", "lr_schedule": "one_cycle"}.items() <= recipe["training"].items()
    assert recipe["dataset"].items() <= shipped["dataset"].items()


@pytest.mark.parametrize("rate", [8000, 16000, 44100])
def test_the_recipe_is_for_any_rate_and_for_pairs(rate):
    spectrum = Spectrum(rate)
    noisy, clean = (DEMO_RECORDINGS / f"{kind}_trainset" for kind in ("noisy", "clean"))
    pairs = training_settings(spectrum, noisy=noisy, clean=clean)
    assert set(pairs["dataset"]) == {"name", "noisy_train_files_path", "clean_train_files_path", "file_extension"}
    more = {"training": {"lr_scheduler": {"scheduler": "StepLR", "scheduler_arguments": {"step_size": 2}}}}
    build_config(pairs)
    assert "lr_schedule" not in training_settings(spectrum, speech=Path("s"), noise=Path("n"), more=more)["training"]


def test_standard_output_has_the_file_alone(project, sezoo):
    words = ["benchmark", "model.onnx", "--runs", "1", *SETTINGS, "--save-config", "-"]
    code, out, err = sezoo(*words)
    assert code == 0, err
    assert yaml.safe_load(out)["benchmarking"] == {"targets": ["host"], "runs": 1}
    assert "results: " in err


def test_denoise_saves_its_file(project, sezoo):
    words = ["denoise", "noisy", "-m", "model.onnx", "-o", "out", "--play-like", "patches"]
    code, _, err = sezoo(*words, "--save-config", "s.yaml")
    assert code == 0, err
    code, _, err = sezoo("--config-name", "s", "prediction.output_path=again", "hydra.run.dir=run", *SETTINGS)
    assert code == 0, err
    for path in Path("out").iterdir():
        assert (soundfile.read(path)[0] == soundfile.read(Path("run/again", path.name))[0]).all()


def test_save_config_refuses(project, fails, sezoo):
    quantize = ["quantize", "model.onnx", "--data", "noisy"]
    Path("there.yaml").write_text("a: 1\n", encoding="utf-8")
    assert "there.yaml already exists" in fails(*quantize, "--save-config", "there.yaml")
    assert "ends in .yaml" in fails(*quantize, "--save-config", "settings.yml")
    assert "standard output is for --json" in fails(*quantize, "--save-config", "-", "--json")
    evaluate = ["evaluate", "model.onnx", "other.onnx", "--noisy", "noisy", "--save-config", "s.yaml"]
    assert "can evaluate one model; found 2" in fails(*evaluate)
    denoise = ["denoise", "noisy/a.flac", "noisy/b.flac", "-m", "model.onnx", "--save-config", "s.yaml"]
    assert "can denoise one file or one folder" in fails(*denoise)
    assert Path("there.yaml").read_text(encoding="utf-8") == "a: 1\n"


# -- results ------------------------------------------------------------------------------------------


def test_quantize_says_what_is_where(project, sezoo):
    code, out, err = sezoo("quantize", "model.onnx", "--data", "noisy", "--quiet", *PLAIN, "-o", "out", "--clips", 3)
    assert (code, err) == (0, "")
    first, *lines = out.splitlines()
    assert first == "results: out"
    named = [line.split()[0] for line in lines if line.startswith("  ")]
    assert named[:2] == ["saved_models/quantized_model_int8.onnx", "saved_models/quantized_model_int8_static.onnx"]
    assert all(Path("out", name).is_file() for name in named)
    assert lines[-1] == f"next: sezoo benchmark {Path('out', named[1])}"


def test_json_is_all_there_is(project, static, sezoo):
    calls = {
        "quantize": ["model.onnx", "--data", "noisy", "--clean", "clean", *SCORED, *PLAIN],
        "evaluate": ["model.onnx", static, "--noisy", "noisy", "--clean", "clean", "--play-like", "patches", *SCORED,
                     *SETTINGS],
        "benchmark": [static, "--runs", "1", *SETTINGS],
        "deploy": [static, "--no-emulate", *SETTINGS],
        "denoise": ["noisy", "-m", "model.onnx"],
        "model": ["model.onnx"],
    }  # fmt: skip
    told = {}
    for command, words in calls.items():
        code, out, err = sezoo(command, *words, "--json")
        assert code == 0, err
        told[command] = json.loads(out)
    assert Path(told["quantize"]["static"]).is_file()
    assert set(told["quantize"]["evaluation"]["versions"]) == {"float", "int8", "int8_stream"}
    version = told["evaluate"]["versions"]["quantized_model_int8_static: int8_patches"]
    assert set(version["means"]["snr"]) == {"value", "low", "high", "clips"}
    assert told["benchmark"]["measurements"][0]["milliseconds"] > 0
    assert Path(told["benchmark"]["folder"], "benchmark.json").is_file()
    assert Path(told["deploy"]["c_package"], "README.md").is_file()
    assert [Path(path).name for path in told["denoise"]["written"]] == ["a.flac", "b.flac", "c.flac"]
    assert told["model"]["parameters"] == 2 * 257 * 8 + 257 + 8


def test_quiet_and_verbose(project, sezoo):
    _, _, err = sezoo("denoise", "noisy", "-m", "model.onnx", "--quiet")
    assert err == ""
    _, _, err = sezoo("denoise", "noisy", "-m", "model.onnx", "-o", "other")
    assert "INFO denoising 3 recordings" in err
    code, _, err = sezoo("--verbose", "denoise", "nothing.wav", "-m", "model.onnx")
    assert (code, "Traceback" in err) == (2, False)
    code, _, err = sezoo("denoise", "nothing.wav", "-m", "model.onnx", "--debug")
    assert (code, "Traceback" in err) == (2, True)


def test_long_names_of_models_are_cut_in_the_middle_unless_that_makes_them_the_same():
    names = ["a_name_of_a_model_that_is_long_1", "a_name_of_a_model_that_is_long_2", "short"]
    assert [len(name) for name in short_names(names).values()] == [20, 20, 5]
    twins = [f"a_name_{middle}_that_ends_like_the_other" for middle in ("one", "two")]
    assert short_names(twins) == {name: name for name in twins}


@pytest.mark.parametrize(("width", "cut"), [(100, True), (160, False)])
def test_names_of_models_are_whole_where_the_table_has_room(project, sezoo, monkeypatch, width, cut):
    monkeypatch.setattr(score_table, "results_console", lambda: Console(file=sys.stdout, width=width))
    names = [f"quantized_with_{method}_int8_static" for method in ("minmax", "entropy")]
    for seed, name in enumerate(names):
        write_model(project / f"{name}.onnx", seed=seed)
    words = [*(f"{name}.onnx" for name in names), "--noisy", "noisy", "--clean", "clean", "--metrics", "si_snr,snr"]
    words += [*SETTINGS, "evaluation.num_workers=1", "--play-like", "whole"]
    code, out, _ = sezoo("evaluate", *words)
    assert (code, "..." in out) == (0, cut)
    assert all((name in out) is not cut for name in names)


def test_several_models_are_one_table_with_their_names(project, sezoo):
    write_model(project / "other.onnx", seed=1)
    for number, path in enumerate(sorted(Path("noisy").iterdir())):
        soundfile.write(path, 0.5 * soundfile.read(path)[0] + 0.5 * noise(0.4, seed=10 + number), 16000)
    words = ["model.onnx", "other.onnx", "--noisy", "noisy", "--clean", "clean", "--metrics", "snr", *SETTINGS]
    words += ["evaluation.num_workers=1"]
    code, out, err = sezoo("evaluate", *words, "-o", "out", "--play-like", "whole")
    assert code == 0, err
    assert out.count("means with 95 % intervals") == 1
    rows = [line.rsplit(maxsplit=1)[0].strip() for line in out.splitlines() if "float" in line or "noisy  " in line]
    assert rows == [
        *("noisy", "model: float", "other: float"),
        *("model: float - noisy", "other: float - noisy", "other: float - model: float"),
    ]
    snr = {
        name: json.loads(Path("out", name, "evaluation.json").read_text(encoding="utf-8"))["versions"]["float"]["means"]
        for name in ("model", "other")
    }
    difference = snr["other"]["snr"]["mean"] - snr["model"]["snr"]["mean"]
    (line,) = [line for line in out.splitlines() if "other: float - model" in line]
    assert float(line.split()[-1]) == pytest.approx(difference, abs=0.006)


# -- errors -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("quantize model.onnx", "--data is missing: sezoo quantize MODEL --data DIR [options]; for example, sezoo"),
        ("quantize model.onnx --dta noisy --data noisy", "--dta: unknown option; did you mean --data?"),
        ("quantize model.onnx --data noisy --target cortexm", "(did you mean cortex-m?) (--target)"),
        ("quantize model.onnx --data noisy --frames 0", "allowed: a whole number from 1 to 10000 (--frames)"),
        ("quantize model.onnx --data noisy --frames x", "found 'x'; allowed: a whole number from 1 to"),
        ("quantize model.onnx --data noisy --frames autoo", "--frames: found 'autoo'; allowed: auto, or a number of"),
        ("quantize model.onnx --data noisy --clips 0", "(--clips)"),
        ("quantize model.onnx --data nosy", "a folder of recordings is needed; did you mean noisy? (--data)"),
        ("quantize model.onnx --data noisy --metrics pesq", "--metrics: scores need the clean speech"),
        ("quantize model.onnx --data noisy --all-metrics", "--all-metrics: scores need the clean speech"),
        ("quantize model.onnx --data noisy --clean x", "x is not there; a folder of recordings is needed (--clean)"),
        ("quantize model.onnx --data noisy --noisy noisy", "without it leave them out (--noisy)"),
        ("quantize model.onnx --data noisy -o noisy", "noisy already exists and is not an empty folder; choose "
                                                      "another (--output)"),
        ("quantize model.onnx --data noisy --n-fft 256", "preprocessing.win_length: found 400 (the default); "
                                                         "allowed: at most n_fft, which is 256 (--win)"),
        ("quantize model.onnx --data noisy quantization.per_chanel=1", "did you mean quantization.per_channel?"),
        ("quantize model.onnx --data noisy hydra.run.dir=x", "here -o names the folder of the results"),
        ("quantize model.onnx --data noisy x", "x: SECTION.KEY=VALUE is needed for a setting"),
        ("quantize model.onnx other.onnx --data noisy", "other.onnx: another model; this command takes one: run it"),
        ("quantize nothing.onnx --data noisy", "there is no model nothing.onnx"),
        ("evaluate a.b=c --noisy noisy", "no model: name an ONNX file, or several"),
        ("evaluate model.onnx --noisy noisy --clean clean --metrics pesk", "(did you mean pesq?)"),
        ("evaluate model.onnx --noisy noisy --clean clean --metrics ,", "no names; allowed: pesq, "),
        ("evaluate model.onnx --noisy noisy --metrics pesq", "pesq needs clean speech, but the test set has none"),
        ("benchmark model.onnx --on cortexm7", "(did you mean cortex-m7?)"),
        ("benchmark model.onnx --runs 0", "(--runs)"),
        ("benchmark model.onnx --clock -5", "(--clock)"),
        ("deploy model.onnx --no-emulate", "sezoo quantize MODEL --data DIR makes it"),
        ("deploy model.onnx --board NUCLEO-H743ZI", "did you mean NUCLEO-H743ZI2?"),
        ("deploy model.onnx --dry-run", "(--dry-run)"),
        ("train --speech clean", "(--speech, --noise)"),
        ("model model.onnx --fix-axes --json", "--json: not with --fix-axes"),
        ("compare a b c", "c: unexpected argument"),
    ],
)  # fmt: skip
def test_errors_name_what_mends_them(words, message, project, fails):
    assert message in fails(*words.split())
    assert not list(Path().glob("experiment_outputs/2*"))


@pytest.mark.parametrize(("kinds", "key"), [("speech noise", "speech"), ("clean noisy", "noisy_train_files")])
def test_a_missing_folder_is_told_before_torch_is_loaded(kinds, key, project, fails, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)  # importing it fails
    for module in [name for name in sys.modules if name.startswith("sezoo.models.torch")]:
        monkeypatch.delitem(sys.modules, module)
    there, missing = kinds.split()
    words = ["train", f"--{there}", "clean", f"--{missing}", "clean", *SETTINGS]
    settings = [f"dataset.{key}_path=nowhere"]
    assert f"dataset.{key}_path: there is no folder nowhere" in fails(*words, *settings)
    assert not list(Path().glob("experiment_outputs/2*"))


# -- help ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_every_command(name, sezoo, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    code, out, err = sezoo(name, "--help")
    assert (code, err) == (0, "")
    assert out.startswith(f"usage: sezoo {name} ")
    assert max(map(len, out.splitlines())) <= 80
    for action in COMMANDS[name].parser()._actions:
        assert action.help


def test_the_overview_fits_and_begins_with_what_matters(sezoo):
    _, out, _ = sezoo("--help")
    assert max(map(len, out.splitlines())) < 80
    assert list(COMMANDS)[:4] == ["quantize", "evaluate", "benchmark", "deploy"]
    places = [out.index(f"\n  {command.usage}  ") for command in COMMANDS.values()]
    assert places == sorted(places)


def settings_of_options():
    for name, command in COMMANDS.items():
        for action in command.parser()._actions:
            for key in getattr(action, "keys", ()):
                if "." in key:
                    yield pytest.param(action, key, id=f"{name} {action.option_strings[-1:] or action.metavar} {key}")


@pytest.mark.parametrize(("action", "key"), list(settings_of_options()))
def test_options_are_keys_with_their_values_and_defaults(action, key):
    section, *inner, name = key.split(".")
    cls = SECTIONS[section]
    for part in inner:
        cls = cls.model_fields[part].annotation
    field = cls.model_fields[name]
    if action.default not in (None, False, ["host"], "portable-c"):
        assert field.default == action.default


def test_the_help_of_an_option_is_that_of_its_key(sezoo, monkeypatch):
    monkeypatch.setenv("COLUMNS", "1000")
    _, out, _ = sezoo("benchmark", "--help")
    board = re.search(r"--board BOARD +(.*)", out)[1]
    assert board.startswith("board to measure on, or to fit into: STM32N6570-DK, ")
    assert all(name in board for name in BOARDS) and board.endswith(" (default: STM32N6570-DK)")
    assert re.search(r"--clock MHZ .*, in MHz \(default: the fastest that the board has\)$", out, re.MULTILINE)
    assert re.search(r"--on TARGETS .*; several with commas \(default: host\)$", out, re.MULTILINE)
    _, out, _ = sezoo("evaluate", "--help")
    assert re.search(r"--metrics NAMES .*; your own as \S+.py:name or .* \(default: pesq, stoi and si_snr", out)


def test_a_file_whose_name_looks_like_a_setting(project, sezoo):
    soundfile.write("a.b=c.wav", noise(0.4), 16000)
    code, _, err = sezoo("denoise", "a.b=c.wav", "-m", "model.onnx")
    assert code == 0, err
    assert Path("denoised/a.b=c.wav").is_file()
