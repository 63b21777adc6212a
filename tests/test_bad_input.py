"""What a user can get wrong, end to end: exit code 2, one line that names the culprit, and nothing left behind."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import onnx
import pytest
import soundfile
import yaml

from builders import RATE, noise, plain_quantization_config, write_clips, write_model, write_yaml

posix = pytest.mark.skipif(os.name != "posix", reason="signals and limits of POSIX")


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A working directory where everything is right: four clips of half a second, a model, a configuration."""
    monkeypatch.chdir(tmp_path)
    write_model(tmp_path / "model.onnx")
    for folder in ("noisy", "clean"):
        write_clips(tmp_path / folder, "a.wav b.wav c.wav d.wav")
    write_yaml(tmp_path / "user_config.yaml", plain_quantization_config())
    return tmp_path


@pytest.fixture
def fails(project, run):
    """Call the command line, which must fail and leave the working directory as it was: the message."""

    def call(*words):
        before = contents(project)
        code, err = run(*words)
        assert code == 2, err
        message = only_error(err)
        assert contents(project) == before
        return message

    return call


def contents(folder):
    """Every file and folder, without what MLflow tracks."""
    return {path for path in folder.rglob("*") if "mlruns" not in path.relative_to(folder).parts[1:2]}


def only_error(err):
    told = [line for line in err.splitlines() if line.startswith("sezoo: error: ")]
    assert len(told) == 1, err
    assert "Traceback" not in err
    return told[0].removeprefix("sezoo: error: ")


def tracked_runs(project):
    """The statuses of the tracked runs, and their errors."""
    statuses = {1: "RUNNING", 3: "FINISHED", 4: "FAILED", 5: "KILLED"}
    found = []
    for path in (project / "experiment_outputs" / "mlruns").glob("*/*/meta.yaml"):
        error = path.parent / "tags" / "error"
        status = yaml.safe_load(path.read_text(encoding="utf-8"))["status"]
        found.append((statuses[status], error.read_text(encoding="utf-8") if error.exists() else ""))
    return found


def models(project):
    return sorted(path.name for path in project.rglob("*.onnx") if path.name != "model.onnx")


WRITTEN = ["preprocessed_model.onnx", "quantized_model_int8.onnx", "quantized_model_int8_static.onnx"]


def test_the_project_is_right_as_it_is(project, run, written_page):
    code, err = run("quantization.accuracy_recovery=auto")
    assert code == 0, err
    assert models(project) == WRITTEN
    assert list(project.glob("experiment_outputs/*/report.html"))


# -- clips --------------------------------------------------------------------------------------------


def zero_bytes(path):
    path.write_bytes(b"")


def truncated(path):
    path.write_bytes(path.read_bytes()[:5000])


def text(path):
    path.write_text("no audio\n" * 1000, encoding="utf-8")


def no_samples(path):
    soundfile.write(path, np.zeros(0), RATE)


def not_a_number(path):
    soundfile.write(path, np.full(RATE, np.nan), RATE, subtype="FLOAT")


def silent(path):
    soundfile.write(path, np.zeros(RATE), RATE)


def too_short(path):
    soundfile.write(path, noise()[:100], RATE)


BAD_CLIPS = {
    zero_bytes: "the file has 0 bytes",
    truncated: "truncated: 4956 of 16000 bytes of audio are there",
    text: "not readable as audio",
    no_samples: "it has no samples",
    not_a_number: "16000 of its samples are NaN or infinite",
    silent: "it is silent",
    too_short: "it is 100 samples long at 16000 Hz, shorter than",
}


@pytest.mark.parametrize("spoil", BAD_CLIPS)
def test_a_bad_clip_among_good_ones(project, fails, spoil):
    spoil(project / "noisy" / "c.wav")
    message = fails()
    assert message.startswith(f"{Path('noisy', 'c.wav')}: {BAD_CLIPS[spoil]}")
    assert message.endswith("; set dataset.skip_bad_files: true to leave such clips out")


@pytest.mark.parametrize("spoil", BAD_CLIPS)
def test_a_bad_clip_is_left_out_if_that_is_wanted(project, run, spoil):
    spoil(project / "noisy" / "c.wav")
    code, err = run("dataset.skip_bad_files=true")
    assert code == 0, err
    assert f"left out {Path('noisy', 'c.wav')}: {BAD_CLIPS[spoil]}" in err
    assert "1 of 4 clips left out: c.wav" in err
    assert "calibrated on 3 clips" in err
    assert models(project) == WRITTEN


def test_nothing_but_bad_clips(project, fails):
    for path in (project / "noisy").iterdir():
        silent(path)
    assert fails("dataset.skip_bad_files=true").startswith("none of the 4 clips can be used; the first is ")


def test_stereo_and_other_rates_are_no_fault(project, run):
    write_clips(project / "noisy", "a.wav", rate=48000, channels=2)
    write_clips(project / "noisy", "b.wav", rate=8000)
    write_clips(project / "noisy", "c.wav", rate=44100, channels=5)
    code, err = run()
    assert code == 0, err
    assert "calibrated on 4 clips, 2 s of audio" in err


def test_names_with_spaces_and_umlauts_are_no_fault(project, run):
    for folder in ("noisy", "clean"):
        (project / folder / "a.wav").rename(project / folder / "größe & co, [1] (x).wav")
        (project / folder).rename(project / f"Köln {folder}")
    paths = {f"{kind}_train_files_path": f"Köln {kind}" for kind in ("noisy", "clean")}
    (project / "model.onnx").rename(project / "mödel 1.onnx")
    config = plain_quantization_config(dataset=paths, model={"onnx_path": "mödel 1.onnx"})
    write_yaml(project / "user_config.yaml", {**config, "hydra": {"run": {"dir": "ergebnisse/größe 1"}}})
    code, err = run()
    assert code == 0, err
    assert (project / "ergebnisse" / "größe 1" / "saved_models" / WRITTEN[1]).is_file()


# -- folders ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["dataset.noisy_train_files_path", "quantization.noisy_quantization_files_path"])
def test_an_empty_folder(project, fails, key):
    (project / "empty").mkdir()
    assert fails(f"{key}=empty") == f"{key}: no .wav files in empty (found: nothing); see dataset.file_extension"


@pytest.mark.parametrize("key", ["dataset.noisy_train_files_path", "quantization.noisy_quantization_files_path"])
def test_a_missing_folder(fails, key):
    assert fails(f"{key}=nothing") == f"{key}: there is no folder nothing"


def test_folders_that_do_not_match(project, fails):
    (project / "clean" / "b.wav").rename(project / "clean" / "x.wav")
    message = fails()
    assert message.endswith("do not match by name: 1 noisy without clean (b) and 1 clean without noisy (x)")
    assert "noisy" in message
    assert "clean" in message


def test_names_that_differ_by_the_word_clean(project, run):
    for path in (project / "clean").iterdir():
        path.rename(path.with_stem(f"clean_{path.stem}"))
    code, err = run()
    assert code == 0, err
    assert "are paired by name, but for words as noisy and clean: a.wav with clean_a.wav" in err


def test_clips_of_its_own_need_no_data_set(project, run):
    write_yaml(
        project / "user_config.yaml",
        plain_quantization_config(dataset=None, quantization={"noisy_quantization_files_path": "noisy"}),
    )
    code, err = run()
    assert code == 0, err
    assert "calibrated on 4 clips" in err


def test_neither_a_data_set_nor_clips_of_its_own(project, fails):
    write_yaml(project / "user_config.yaml", plain_quantization_config(dataset=None))
    assert fails().startswith("dataset: operation_mode quantization needs the section dataset (or quantization.noisy_")


# -- settings -----------------------------------------------------------------------------------------


def test_a_variable_that_is_not_set(project, fails, monkeypatch):
    monkeypatch.delenv("SEZOO_TEST", raising=False)
    write_yaml(project / "user_config.yaml", plain_quantization_config(model={"onnx_path": "${SEZOO_TEST}/model.onnx"}))
    assert fails() == (
        "model.onnx_path: the environment variable SEZOO_TEST is not set (found '${SEZOO_TEST}/model.onnx')"
    )


@pytest.mark.parametrize("value", ["0", "-1", "1.5", "many", "0.0", "true"])
def test_an_impossible_number_of_clips(fails, value):
    message = fails(f"quantization.num_quantization_samples={value}")
    assert message.startswith("quantization.num_quantization_samples: found ")
    assert message.endswith("allowed: a number of clips (1 or more), a fraction between 0 and 1, or empty for all")


def test_more_clips_than_there_are(project, run):
    code, err = run("quantization.num_quantization_samples=99")
    assert code == 0, err
    assert "num_quantization_samples: 99 asked for, but there are only 4 clips: all are used" in err
    assert "calibrated on 4 clips" in err


@pytest.mark.parametrize(
    ("override", "words"),
    [
        (
            "quantization.static_axis_name=batch",
            "static_axis_name: found 'batch', which is the batch axis",
        ),
        ("quantization.static_sequence_length=0", "quantization.static_sequence_length: found 0; allowed: a whole"),
        ("quantization.op_types_to_quantize=[Konv]", "op_types_to_quantize: 'Konv' cannot be quantized; did you mean"),
        ("quantization.op_types_to_quantize=[MatMul]", "op_types_to_quantize: none of MatMul is in model.onnx"),
        ("quantization.calibration_method=Best", "quantization.calibration_method: found 'Best'; allowed: MinMax"),
        ("quantization.extra_options={CalibPercentil: 3}", "quantization.extra_options.CalibPercentil: "),
        ("preprocessing.window=foo", "preprocessing.window: 'foo' is no window"),
        ("preprocessing.hop_length=500", "preprocessing.hop_length: found 500; allowed: at most win_length"),
    ],
)
def test_an_impossible_setting(fails, override, words):
    assert words in fails(override)


# -- the model ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"bins": 129}, "is 129, but preprocessing.n_fft: 512 makes 257 bins; set preprocessing.n_fft: 256"),
        ({"inputs": 2}, "has 2 inputs (x, x2)"),
    ],
)
def test_a_model_that_does_not_fit(project, fails, options, words):
    write_model(project / "other.onnx", **options)
    message = fails("model.onnx_path=other.onnx")
    assert message.startswith("other.onnx")
    assert words in message


def test_a_model_that_is_quantized_already(project, run, fails):
    run("hydra.run.dir=out")
    path = project / "out" / "saved_models" / "quantized_model_int8.onnx"
    assert fails(f"model.onnx_path={path}") == (
        f"{path} is quantized already; give the float model that it was made from"
    )


@pytest.mark.parametrize("content", [b"", b"this is a text\n" * 50, bytes(range(256)) * 4])
def test_a_file_that_is_no_model(project, fails, content):
    (project / "other.onnx").write_bytes(content)
    assert fails("model.onnx_path=other.onnx").startswith("other.onnx is not an ONNX model")


def test_half_a_model(project, fails):
    raw = (project / "model.onnx").read_bytes()
    (project / "other.onnx").write_bytes(raw[: len(raw) // 2])
    assert fails("model.onnx_path=other.onnx").startswith("other.onnx is not an ONNX model")


def test_no_model(project, fails):
    assert fails("model.onnx_path=nothing.onnx").startswith("model.onnx_path: there is no file nothing.onnx (the ")
    assert fails("model.onnx_path=noisy") == "model.onnx_path: noisy is a folder; an ONNX file is needed"
    assert fails("model.onnx_path=").startswith("model.onnx_path: not set")


def test_a_model_whose_mask_is_not_a_number(project, fails):
    model = onnx.load("model.onnx")
    bias = next(weight for weight in model.graph.initializer if weight.name == "b2")
    bias.CopyFrom(onnx.numpy_helper.from_array(np.full(257, 3e38, np.float32), "b2"))
    model.graph.node[-1].op_type = "Exp"
    onnx.save(model, "other.onnx")
    assert fails("model.onnx_path=other.onnx") == "other.onnx: the mask has NaN or infinite values"


def test_an_int8_model_that_divides_by_what_is_rounded_to_0(project, fails):
    """speech / (speech + noise), both far below a step of 8 bits in most bins."""
    model = onnx.load("model.onnx")
    bias = next(weight for weight in model.graph.initializer if weight.name == "b2")
    bias.CopyFrom(onnx.numpy_helper.from_array(np.where(np.arange(257) < 5, 9, -9).astype(np.float32), "b2"))
    model.graph.node[-1].output[0] = "speech"
    model.graph.node.append(onnx.helper.make_node("Add", ["speech", "speech"], ["both"]))
    model.graph.node.append(onnx.helper.make_node("Div", ["speech", "both"], ["mask"]))
    onnx.save(model, "other.onnx")
    message = fails("model.onnx_path=other.onnx", "quantization.accuracy_recovery=none")
    assert message.startswith("other.onnx: the int8 model's masks are NaN or infinite on the calibration clips; where")


def test_weights_that_are_not_numbers(project, fails):
    model = onnx.load("model.onnx")
    bias = next(weight for weight in model.graph.initializer if weight.name == "b2")
    bias.CopyFrom(onnx.numpy_helper.from_array(np.full(257, np.nan, np.float32), "b2"))
    onnx.save(model, "other.onnx")
    message = "other.onnx: 257 of the 257 weights 'b2' are NaN or infinite; the training diverged: "
    assert fails("model.onnx_path=other.onnx") == message + "export an earlier checkpoint"


# -- where results go ---------------------------------------------------------------------------------


def test_a_run_folder_below_a_file(project, fails):
    (project / "file").touch()
    assert fails("hydra.run.dir=file/x").startswith("cannot write ")


def test_a_models_folder_below_a_file(project, fails):
    (project / "file").touch()
    assert "file" in fails(f"general.saved_models_dir={project / 'file' / 'x'}")


def test_a_run_folder_without_the_right_to_write(project, fails):
    locked = project / "locked"
    locked.mkdir(mode=0o500)
    if os.name != "posix" or os.access(locked, os.W_OK):
        pytest.skip("this user may write anywhere")
    assert fails("hydra.run.dir=locked/x").startswith("cannot write ")


def command(*words):
    return [sys.executable, "-c", "from sezoo.cli.main import main; main()", *words]


LIMITED = "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv.pop(1)),) * 2); " + (
    "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); from sezoo.cli.main import main; main()"
)


@posix
@pytest.mark.parametrize("limit", [0, 1000, 2000])
def test_a_file_that_cannot_grow(project, limit):
    """A disk that is full from the first file of a run on: every write beyond so many bytes of a file fails."""
    before = contents(project)
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(limit)],
        capture_output=True, text=True, encoding="utf-8", check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    message = only_error(done.stderr)
    assert message.startswith("cannot write ")
    assert message.endswith(": File too large")
    assert contents(project) == before


@posix
def test_a_disk_that_is_full(project):
    """The models do not fit: none of them is left, nor is any temporary file."""
    disk = project / "disk"
    disk.mkdir()
    mounting = ["mount", "-t", "tmpfs", "-o", "size=32k", "tmpfs", str(disk)]
    try:
        mounted = subprocess.run(mounting, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        mounted = False
    if not mounted:
        pytest.skip("no right to mount a small disk")
    try:
        done = subprocess.run(
            command("hydra.run.dir=disk/run"), capture_output=True, text=True, encoding="utf-8", check=False, timeout=60
        )
        left = list(disk.rglob("*"))
    finally:
        subprocess.run(["umount", str(disk)], check=True)
    assert done.returncode == 2, done.stderr
    assert only_error(done.stderr).endswith(": No space left on device")
    assert left == []


# -- tracking -----------------------------------------------------------------------------------------


TRACKED = "mlflow.uri=./experiment_outputs/mlruns"


def test_a_failed_run_is_tracked_as_failed(project, fails):
    (project / "experiment_outputs").mkdir()
    message = fails(TRACKED, "model.onnx_path=nothing.onnx")
    assert tracked_runs(project) == [("FAILED", message)]


def test_a_run_that_succeeds_is_tracked_as_finished(project, run):
    assert run(TRACKED)[0] == 0
    assert tracked_runs(project) == [("FINISHED", "")]


@pytest.mark.parametrize("uri", ["model.onnx", "model.onnx/x", "file:model.onnx"])
def test_a_tracking_folder_that_cannot_be(fails, uri):
    message = fails(f"mlflow.uri={uri}")
    assert message.startswith(f"mlflow.uri: {uri} cannot be used: ")
    assert message.endswith(" (empty turns tracking off)")
    assert "Errno" not in message


def test_a_tracking_address_that_means_nothing(fails):
    assert fails("mlflow.uri=foo://bar").startswith("mlflow.uri: foo://bar ")


def test_a_relative_address_of_a_file_is_a_folder(project, run):
    code, err = run("mlflow.uri=file:experiment_outputs/mlruns")
    assert code == 0, err
    assert tracked_runs(project) == [("FINISHED", "")]


# -- Ctrl-C -------------------------------------------------------------------------------------------


@posix
@pytest.mark.parametrize("uri", ["", "./experiment_outputs/mlruns"])
def test_interrupted_while_it_calibrates(project, uri):
    (project / "experiment_outputs").mkdir()
    (long,) = write_clips(project / "noisy", "a.wav", seconds=600)  # longer than the test waits
    for name in ("b.wav", "c.wav", "d.wav"):
        shutil.copy(long, long.with_name(name))
    before = contents(project)
    process = subprocess.Popen(
        command(f"mlflow.uri={uri}", "--verbose"), stderr=subprocess.PIPE, text=True, encoding="utf-8",
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background jobs ignore it
    )  # fmt: skip
    told = ""
    while "calibrating" not in told:
        line = process.stderr.readline()
        assert line, told
        told += line
    time.sleep(0.3)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, rest = process.communicate(timeout=60)
    assert process.returncode == 130, told + rest
    assert rest == "sezoo: interrupted; no incomplete files are left\n"
    assert contents(project) - {project / "experiment_outputs"} == before - {project / "experiment_outputs"}
    assert [status for status, _ in tracked_runs(project)] == (["KILLED"] if uri else [])
