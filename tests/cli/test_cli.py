import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import onnx
import pytest
import yaml

from builders import plain_quantization_config, write_clips, write_model, write_yaml
from sezoo import services
from sezoo.base.errors import UserError
from sezoo.base.version import __version__
from sezoo.cli.hydra_run import compose_file
from sezoo.cli.main import main
from sezoo.config.validation import build_config

SOURCE = Path(__file__).parents[2] / "src"


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A working directory with a model, clips and user_config.yaml for a small quantization."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SEZOO_TEST", raising=False)
    write_model(tmp_path / "model.onnx")
    for folder in ("noisy", "clean"):
        write_clips(tmp_path / folder, "a.wav b.wav c.wav d.wav", seconds=0.2)
    write_yaml(tmp_path / "user_config.yaml", plain_quantization_config())
    return tmp_path


@pytest.fixture
def run(capsys):
    """Call the command line here: its exit code, standard output and standard error."""

    def call(*words, **options):
        code = 0
        try:
            main([str(word) for word in words], **options)
        except SystemExit as end:
            code = end.code
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


@pytest.fixture
def fails(run):
    """Call the command line, which must fail on bad input: the message."""

    def call(*words, **options):
        code, out, err = run(*words, **options)
        lines = err.splitlines()
        told = [line for line in lines if ": error: " in line]
        assert (code, len(told), out) == (2, 1, ""), err
        assert lines[-1] == told[0]
        assert "Traceback" not in err
        return told[0].partition(": error: ")[2]

    return call


def outside(*words, cwd, env=None):
    """Call the command line in a process of its own."""
    command = [sys.executable, *(str(word) for word in words)]
    return subprocess.run(
        command, cwd=cwd, env=env, capture_output=True, text=True, encoding="utf-8", check=False, timeout=60
    )


def run_folders(project):
    return sorted(path.parent for path in project.rglob("stm32ai_main.log"))


# -- words --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [["--help"], ["-h"], ["--version"], ["config", "--help"], ["zoo", "--help"]])
def test_help_is_quick(words, tmp_path):
    """That of commands whose options set keys says what the keys' sections do, and imports these."""
    code = (
        "import sys; from sezoo.cli.main import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit as end: assert not end.code\n"
        "heavy = {'hydra', 'omegaconf', 'pydantic', 'numpy', 'onnx', 'onnxruntime', 'yaml', 'mlflow', 'torch'}\n"
        "sys.exit(', '.join(heavy & set(sys.modules)) or 0)"
    )
    done = outside("-c", code, *words, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "usage" in done.stdout or done.stdout == f"sezoo {__version__}\n"


def test_help_names_the_command_it_was_called_by(run):
    _, out, _ = run("--help", command="python stm32ai_main.py")
    assert out.startswith("usage: python stm32ai_main.py ")


def test_version(run):
    assert run("--version") == (0, f"sezoo {__version__}\n", "")


def test_the_module_is_a_command(tmp_path):
    done = outside("-m", "sezoo", "--version", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, f"sezoo {__version__}\n")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["demoo"], "'demoo' is neither a command nor an override; did you mean demo?"),
        (["confg", "--check"], "'confg' is neither a command nor an override; did you mean config?"),
        (
            ["xyz"],
            "'xyz' is neither a command nor an override; the commands are quantize, evaluate, benchmark, deploy",
        ),
        (["config"], "one of the arguments --check --print --upgrade --schema is required; see sezoo config --help"),
        (["config", "--check"], "argument --check: expected one argument"),
        (["--config-path"], "argument --config-path/-cp: expected one argument"),
        (["--config-nam", "x"], "--config-nam: unknown option; did you mean --config-name?"),
        (["--multi-run"], "--multi-run: unknown option; did you mean --multirun?"),
        (["=3"], "'=3' is not an override; SECTION.KEY=VALUE is expected"),
        (["a b=3"], "'a b=3' is not an override"),
    ],
)
def test_words_that_mean_nothing(project, fails, words, message):
    assert message in fails(*words)
    assert not run_folders(project)


def test_a_reader_that_has_seen_enough_is_no_fault(project):
    process = subprocess.Popen(
        [sys.executable, "-m", "sezoo", "config", "--print", "user_config.yaml"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    process.stdout.close()
    _, err = process.communicate(timeout=60)
    assert err == b""


# -- config -------------------------------------------------------------------------------------------


def test_check_a_good_file(project, run):
    assert run("config", "--check", "user_config.yaml") == (0, "user_config.yaml is fine: quantization\n", "")
    assert not run_folders(project)


def test_what_is_printed_loads_to_an_equal_configuration(project, run):
    changes = ["quantization.num_quantization_samples=0.5", "general.project_name=größe: 1", "preprocessing.power=2"]
    code, out, err = run("config", "--print", "user_config.yaml", *changes)
    assert (code, err) == (0, "")
    printed = build_config(yaml.safe_load(out))
    assert printed.general.project_name == "größe: 1"
    assert printed.quantization.num_quantization_samples == 0.5
    write_yaml(project / "printed.yaml", out)
    _, again, _ = run("config", "--print", "printed.yaml")
    assert build_config(yaml.safe_load(again)) == printed


def test_scripts_read_configurations_as_json(run, project):
    words = ("user_config.yaml", "dataset.noisy_test_files_path=nowhere", "--json")
    checked = json.loads(run("config", "--check", *words)[1])
    assert checked["operation_mode"] == "quantization"
    assert "dataset.noisy_test_files_path" in checked["missing"]
    printed = json.loads(run("config", "--print", *words)[1])
    assert printed["dataset"]["noisy_test_files_path"] == "nowhere"
    assert printed["quantization"]["per_channel"] is True


def test_check_says_what_is_wrong(project, fails):
    message = fails("config", "--check", "user_config.yaml", "quantization.calibration_method=Minmax")
    assert message.startswith("quantization.calibration_method: found 'Minmax'")
    assert message.endswith("(did you mean MinMax?)")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (
            ("quantization.target=cortex-m", "quantization.onnx_quant_parameters.weightType=Int4"),
            "quantization.onnx_quant_parameters.weightType: weights in Int4, which quantization.target: cortex-m does",
        ),
        (("quantization.onnx_extra_options.SmoothQuant=True",), "quantization.onnx_extra_options.SmoothQuant: found"),
        (("quantization.accuracy_recovery=[none,rounding]",), "quantization.accuracy_recovery: found none, rounding"),
    ],
)
def test_check_looks_at_what_goes_together(project, fails, settings, words):
    assert fails("config", "--check", "user_config.yaml", *settings).startswith(words)


def test_check_finds_the_file_by_any_path(project, run, fails):
    write_yaml(project / "Köln & Söhne, [x] =y" / "größe 1.yaml", plain_quantization_config())
    assert run("config", "--check", "Köln & Söhne, [x] =y/größe 1.yaml")[0] == 0
    assert run("config", "--check", project / "user_config.yaml")[0] == 0
    assert run("config", "--check", "user_config")[0] == 0
    assert fails("config", "--check", "nothing.yaml") == (
        f"there is no nothing.yaml in {project}; it holds user_config.yaml; see --config-path and --config-name"
    )
    (project / "short.yml").write_text("operation_mode: quantization\n", encoding="utf-8")
    assert fails("config", "--check", "short.yml").endswith("Hydra reads .yaml files only; rename it to short.yaml")


def test_a_file_is_upgraded_and_the_old_one_kept(project, run, fails):
    before = (project / "user_config.yaml").read_bytes()
    code, out, _ = run("config", "--upgrade", "user_config")
    assert code == 0
    assert "model.onnx_path -> model.model_path\n" in out
    assert (project / "user_config.yaml.old").read_bytes() == before
    assert "model_path:" in (project / "user_config.yaml").read_text(encoding="utf-8")
    assert run("config", "--check", "user_config.yaml")[:2] == (0, "user_config.yaml is fine: quantization\n")
    assert "nothing to rename" in run("config", "--upgrade", "user_config.yaml")[1]
    (project / "old.yaml").write_bytes(before)
    assert fails("config", "--upgrade", "old.yaml", "-o", "user_config.yaml").endswith("name another file with -o")
    changes = json.loads(run("config", "--upgrade", "old.yaml", "-o", "new.yaml", "--json")[1])["changes"]
    assert {"before": "model.onnx_path", "now": "model.model_path"} in changes
    assert (project / "new.yaml").read_bytes() == (project / "user_config.yaml").read_bytes()
    assert run("config", "--upgrade", "old.yaml", "-o", "-")[1] == (project / "new.yaml").read_text(encoding="utf-8")
    assert (project / "old.yaml").read_bytes() == before
    assert "SECTION.KEY=VALUE" in fails("config", "--upgrade", "old.yaml", "model.onnx_path=x")
    assert "-o: " in fails("config", "--check", "old.yaml", "-o", "x.yaml")


# -- a run --------------------------------------------------------------------------------------------


def test_a_run_puts_its_results_in_a_folder_named_by_the_time(project, run, written_page):
    code, out, err = run("quantization.accuracy_recovery=auto")
    assert (code, out) == (0, "")
    (folder,) = run_folders(project)
    assert folder.parent == project / "experiment_outputs"
    assert len(folder.name) == len("2026_01_31_12_00_00")
    assert {path.name for path in (folder / ".hydra").iterdir()} == {"config.yaml", "hydra.yaml", "overrides.yaml"}
    assert {path.name for path in (folder / "saved_models").iterdir()} == {
        "preprocessed_model.onnx",
        "quantized_model_int8.onnx",
        "quantized_model_int8_static.onnx",
    }
    log = (folder / "stm32ai_main.log").read_text(encoding="utf-8")
    assert "calibrated on 4 clips" in log
    assert "calibrated on 4 clips" in err
    resolved = build_config(yaml.safe_load((folder / "resolved_config.yaml").read_text(encoding="utf-8")))
    assert resolved.quantization.static_sequence_length == 8
    assert (folder / "report.html").is_file()


def test_nothing_of_hydras_is_left_in_the_process(project, run, monkeypatch):
    monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)
    arguments = list(sys.argv)
    for _ in range(2):
        assert run("hydra.run.dir=out")[0] == 0
        assert run("config", "--check", "user_config.yaml")[0] == 0
    assert sys.argv == arguments
    assert "HYDRA_FULL_ERROR" not in os.environ
    assert Path.cwd() == project
    assert not [handler for handler in logging.getLogger("sezoo").handlers if isinstance(handler, logging.FileHandler)]


def test_the_log_on_the_terminal_is_there_once(project, run):
    for _ in range(2):
        _, _, err = run("hydra.run.dir=out")
    assert err.count("calibrated on 4 clips") == 1


def test_the_files_own_run_folder(project, run):
    config = {**plain_quantization_config(), "hydra": {"run": {"dir": "out/${general.project_name}/${now:%Y}"}}}
    write_yaml(project / "user_config.yaml", {**config, "general": {"project_name": "größe"}})
    assert run()[0] == 0
    (folder,) = run_folders(project)
    assert folder.parent == project / "out" / "größe"
    assert folder.name.isdigit()


@pytest.mark.parametrize("folder", ["out/x", "out/größe 1 (b)", "it's", "a#b,c/d & e"])
def test_the_run_folder_by_override(project, run, folder):
    assert run(f"hydra.run.dir={folder}")[0] == 0
    assert run_folders(project) == [project / folder]


def test_a_second_run_in_the_same_folder_replaces_the_models(project, run):
    run("hydra.run.dir=out")
    static = project / "out" / "saved_models" / "quantized_model_int8_static.onnx"
    _, _, err = run("hydra.run.dir=out", "quantization.static_sequence_length=9")
    assert "already existed and is replaced" in err
    assert onnx.load(static).graph.input[0].type.tensor_type.shape.dim[2].dim_value == 9


def test_a_bad_run_in_a_folder_with_results_leaves_them(project, run, fails):
    run("hydra.run.dir=out")
    fails("hydra.run.dir=out", "model.onnx_path=nothing.onnx")
    fails("hydra.run.dir=out", "quantization.static_sequence_length=0")
    assert len(list((project / "out" / "saved_models").iterdir())) == 3


def test_a_bad_run_leaves_the_folder_of_one_at_work(project, fails):
    """Two runs that start in the same second share their folder: one has its log there, no results yet."""
    log = project / "out" / "stm32ai_main.log"
    log.parent.mkdir()
    log.write_text("at work\n", encoding="utf-8")
    fails("hydra.run.dir=out", "model.onnx_path=nothing.onnx")
    fails("hydra.run.dir=out", "quantization.static_sequence_length=0")
    assert log.read_text(encoding="utf-8").startswith("at work\n")


def test_the_working_directory_is_not_removed(tmp_path, monkeypatch, fails):
    write_yaml(tmp_path / "settings" / "user_config.yaml", plain_quantization_config())
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    fails("--config-path", "../settings", "hydra.run.dir=.")
    assert list(here.iterdir()) == []


def test_other_peoples_logging_is_left_alone(project, run):
    before = list(logging.getLogger().handlers)
    run()
    assert logging.getLogger().handlers == before


# -- overrides ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("sign", ["", "+", "++"])
def test_a_key_that_the_file_does_not_have_can_be_set(project, run, sign):
    _, out, _ = run("config", "--print", "user_config.yaml", f"{sign}quantization.random_seed=3")
    assert build_config(yaml.safe_load(out)).quantization.random_seed == 3


@pytest.mark.parametrize(
    ("override", "key", "value"),
    [
        ("quantization.op_types_to_quantize=[Conv,Add,Relu]", "op_types_to_quantize", ("Conv", "Add", "Relu")),
        ("quantization.op_types_to_quantize=Conv", "op_types_to_quantize", ("Conv",)),
        ("quantization.num_quantization_samples=null", "num_quantization_samples", None),
        ("quantization.num_quantization_samples=", "num_quantization_samples", None),
        ("~quantization.num_quantization_samples", "num_quantization_samples", 100),
        ("quantization.extra_options={CalibMovingAverage: False}", "extra_options", {"CalibMovingAverage": False}),
        ("quantization.noisy_quantization_files_path=a b/größe", "noisy_quantization_files_path", Path("a b/größe")),
        ("quantization.noisy_quantization_files_path=it's (1)", "noisy_quantization_files_path", Path("it's (1)")),
        ("quantization.noisy_quantization_files_path='a,b'", "noisy_quantization_files_path", Path("a,b")),
        (r"quantization.noisy_quantization_files_path=C:\ä\b", "noisy_quantization_files_path", Path(r"C:\ä\b")),
    ],
)
def test_values_of_overrides(project, run, override, key, value):
    code, out, err = run("config", "--print", "user_config.yaml", override)
    assert code == 0, err
    assert getattr(build_config(yaml.safe_load(out)).quantization, key) == value


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("quantization.radom_seed=1", "quantization.radom_seed: unknown key; did you mean quantization.random_seed?"),
        ("quantzation.random_seed=1", "quantzation: unknown section; did you mean quantization?"),
        ("n_fft=256", "n_fft: unknown section; 'n_fft' is a key of preprocessing"),
        ("quantization=3", "quantization: found 3; allowed: a mapping of keys to values"),
        ("quantization.op_types_to_quantize=[Conv", "quantization.op_types_to_quantize=[Conv: cannot be read: "),
        ("quantization.op_types_to_quantize=A,B", "quantization.op_types_to_quantize=A,B: several values; "),
        ("hydra.foo=1", "Could not override 'hydra.foo'"),
        ("~nothing", "Could not delete from config. 'nothing' does not exist"),
    ],
)
def test_impossible_overrides(project, fails, override, message):
    assert message in fails(override)
    assert message in fails("config", "--check", "user_config.yaml", override) or "hydra" in override
    assert not (project / "experiment_outputs").exists()


# -- which file ---------------------------------------------------------------------------------------


def test_the_config_path_is_relative_to_the_working_directory(project, run):
    (project / "user_config.yaml").rename(project / "settings.yaml")
    (project / "a b").mkdir()
    (project / "settings.yaml").rename(project / "a b" / "user_config.yaml")
    assert run("--config-path", "a b")[0] == 0
    assert run("--config-path=a b", "hydra.run.dir=out")[0] == 0
    assert (project / "out" / "saved_models").is_dir()  # what the file names is relative to the working directory too


@pytest.mark.parametrize(
    "words",
    [
        ["--config-name", "other"],
        ["--config-name=other.yaml"],
        ["-cn", "other"],
        ["--config-name", "{project}/other.yaml"],
        ["-cp", "{project}", "-cn", "other"],
        ["--config-name", "folder/inner"],
    ],
)
def test_the_name_of_the_file(project, run, words):
    write_yaml(project / "other.yaml", plain_quantization_config())
    write_yaml(project / "folder" / "inner.yaml", plain_quantization_config())
    (project / "user_config.yaml").unlink()
    code, _, err = run(*(word.format(project=project) for word in words), "hydra.run.dir=out")
    assert code == 0, err
    assert run_folders(project) == [project / "out"]


def test_a_missing_file_or_folder(project, fails):
    assert fails("--config-name", "x") == (
        f"there is no x.yaml in {project}; it holds user_config.yaml; see --config-path and --config-name"
    )
    assert fails("--config-path", "nothing") == f"--config-path: there is no folder {project / 'nothing'}"
    assert "it holds no .yaml file" in fails("--config-path", "noisy")
    for number in range(6):
        (project / f"a{number}.yaml").touch()
    assert "it holds a0.yaml, a1.yaml, a2.yaml, a3.yaml, a4.yaml ...; see" in fails("--config-name", "x")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nmodel:\n\tonnx_path: x\n", ", line 3, column 1: invalid YAML: found character '\\t'"),
        ("a: 1\nmodel: {onnx_path: x\n", ", line 3, column 1: invalid YAML: expected ',' or '}'"),
        ("operation_mode: a\noperation_mode: b\n", ", line 2, column 1: invalid YAML: found duplicate key"),
        ("- a\n- b\n", ": the file is no mapping of sections to their keys"),
        ("text", ": the file is no mapping of sections to their keys"),
        ("hydra:\noperation_mode: quantization\n", ": hydra: the section is empty"),
        ("hydra: {runn: {dir: x}}\n", ": hydra.runn: "),
        ("hydra: {run: {dir: '${model.nothing}'}}\n", ": hydra.run.dir: Interpolation key 'model.nothing' not found"),
        ("general: {project_name: '${model.nothing}'}\n", ": general.project_name: Interpolation key 'model.nothing'"),
        ("general: {project_name: '${foo:bar}'}\n", ": general.project_name: Unsupported interpolation type foo"),
        ("general: {project_name: '${'}\n", ": general.project_name: no viable alternative at input '${'"),
        *(
            (f"{section}: {{{key}: '{text}'}}\n", f": {section}.{key}: the environment variable SEZOO_NONE is not set")
            for section, key, text in (
                ("general", "project_name", "${oc.env:SEZOO_NONE}"),
                ("model", "onnx_path", "models/${oc.env:SEZOO_NONE}/m.onnx"),
                ("mlflow", "uri", "https://me:${oc.env:SEZOO_NONE}@host"),
            )
        ),
    ],
)
def test_a_broken_file(project, fails, text, message):
    path = write_yaml(project / "user_config.yaml", text)
    assert fails().startswith(f"{path}{message}")
    assert not (project / "experiment_outputs").exists()
    assert not (project / "out").exists()


def test_environment_variables_in_the_folder_of_the_run(project, fails, monkeypatch):
    write_yaml(
        project / "user_config.yaml",
        {**plain_quantization_config(), "hydra": {"run": {"dir": "${SEZOO_OUT}/${now:%Y}"}}},
    )
    assert fails().startswith("hydra.run.dir: the environment variable SEZOO_OUT is not set")
    monkeypatch.setenv("SEZOO_OUT", "größe (1)")
    main([])
    (run,) = (project / "größe (1)").iterdir()
    assert run.name.isdecimal()
    assert (run / "saved_models").is_dir()


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n"])
def test_an_empty_file(project, fails, text):
    write_yaml(project / "user_config.yaml", text)
    assert fails().startswith("operation_mode: not set; allowed: training, evaluation, ")


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
def test_a_file_in_another_encoding(project, fails, encoding):
    path = project / "user_config.yaml"
    path.write_bytes("general: {project_name: größe}\n".encode(encoding))
    message = fails()
    assert message.startswith(f"{path}: its encoding is ")
    assert message.endswith("save it in UTF-8")


def test_byte_order_mark_and_windows_line_ends_are_no_fault(project, run):
    path = project / "user_config.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert run()[0] == 0
    assert len(run_folders(project)) == 1


# -- variables ----------------------------------------------------------------------------------------


def test_environment_variables_are_filled_in(project, run, monkeypatch):
    write_yaml(project / "user_config.yaml", plain_quantization_config(model={"onnx_path": "${SEZOO_TEST}/model.onnx"}))
    monkeypatch.setenv("SEZOO_TEST", str(project))
    _, out, _ = run("config", "--print", "user_config.yaml")
    assert yaml.safe_load(out)["model"]["onnx_path"] == f"{project.as_posix()}/model.onnx"
    assert run()[0] == 0


def test_interpolations_are_filled_in(project, run):
    config = plain_quantization_config(
        general={"project_name": "model"}, model={"onnx_path": "${general.project_name}.onnx"}
    )
    write_yaml(project / "user_config.yaml", config)
    assert run()[0] == 0


# -- several runs -------------------------------------------------------------------------------------


def test_multirun_makes_a_run_for_each_value(project, run):
    code, _, err = run("--multirun", "quantization.calibration_method=MinMax,Percentile")
    assert code == 0, err
    folders = run_folders(project)
    assert [folder.name for folder in folders] == ["0", "1"]
    assert folders[0].parent.parent == project / "experiment_outputs"
    methods = [yaml.safe_load((folder / "resolved_config.yaml").read_text(encoding="utf-8")) for folder in folders]
    assert [config["quantization"]["calibration_method"] for config in methods] == ["MinMax", "Percentile"]
    assert all((folder / "saved_models" / "quantized_model_int8.onnx").is_file() for folder in folders)


@pytest.mark.parametrize(("section", "words"), [({"mode": "MULTIRUN"}, ()), ({}, ["hydra.mode=MULTIRUN"])])
def test_multirun_may_be_set_as_hydras_mode(project, fails, section, words):
    write_yaml(project / "user_config.yaml", {**plain_quantization_config(), "hydra": {"job": {}, **section}})
    assert "found 'Foo'" in fails(*words, "quantization.calibration_method=Foo,Bar")


def test_multirun_may_be_set_by_a_file_of_a_group(project, fails):
    write_yaml(project / "user_config.yaml", plain_quantization_config())
    (project / "sweep").mkdir()
    text = "# @package _global_\nhydra: {mode: MULTIRUN}\n"
    (project / "sweep" / "several.yaml").write_text(text, encoding="utf-8")
    assert "found 'Foo'" in fails("+sweep=several", "quantization.calibration_method=Foo,Bar")


def test_a_run_composes_its_configuration_once(project, run, monkeypatch):
    from hydra._internal.config_loader_impl import ConfigLoaderImpl

    composed, load = [], ConfigLoaderImpl.load_configuration
    monkeypatch.setattr(
        ConfigLoaderImpl, "load_configuration", lambda *words, **more: composed.append(1) or load(*words, **more)
    )
    assert run("hydra.run.dir=out")[0] == 0 and len(composed) == 1


def test_a_run_of_several_that_fails_leaves_the_others(project, fails):
    message = fails("-m", "quantization.calibration_method=MinMax,Foo")
    assert message.startswith("quantization.calibration_method: found 'Foo'")
    (folder,) = run_folders(project)
    assert (folder / "saved_models" / "quantized_model_int8.onnx").is_file()


def test_several_runs_of_which_none_succeeds_leave_nothing(project, fails):
    fails("-m", "quantization.calibration_method=Foo,Bar")
    assert not (project / "experiment_outputs").exists()


# -- the model zoo's command --------------------------------------------------------------------------


def test_the_zoos_command_takes_a_file_elsewhere(project):
    settings = project / "größe 1"
    settings.mkdir()
    (project / "user_config.yaml").rename(settings / "user_config.yaml")
    done = outside(SOURCE / "stm32ai_main.py", "--config-path", settings, "--config-name", "user_config", cwd=project)
    assert done.returncode == 0, done.stderr
    assert len(run_folders(project)) == 1


def test_the_zoos_command_looks_in_its_own_folder(project):
    done = outside(SOURCE / "stm32ai_main.py", "--config-name", "nothing", cwd=project)
    assert done.returncode == 2
    assert done.stderr.startswith(f"python stm32ai_main.py: error: there is no nothing.yaml in {SOURCE}; ")


# -- faults -------------------------------------------------------------------------------------------


def test_debug_shows_the_traceback(project, run):
    code, _, err = run("--debug", "model.onnx_path=nothing.onnx")
    assert code == 2
    assert "Traceback (most recent call last)" in err
    assert err.splitlines()[-1].startswith("sezoo: error: model.onnx_path: there is no file nothing.onnx")


def test_debug_shows_no_password(project, run, monkeypatch):
    def refuse(_run):
        try:
            raise OSError("no answer from https://me:secret@127.0.0.1:1/api")
        except OSError as error:
            raise UserError("mlflow.uri: no answer") from error

    monkeypatch.setitem(services.SERVICES, "q", services.Service(refuse, None))
    code, _, err = run("--debug")
    assert code == 2
    assert "no answer from https://***@127.0.0.1:1/api" in err
    assert "secret" not in err


def test_a_crash_keeps_its_traceback_and_the_run_folder(project, monkeypatch, run):
    def crash(_run):
        raise FileNotFoundError(2, "a fault of the program", "some file")

    monkeypatch.setitem(services.SERVICES, "q", services.Service(crash, None))
    with pytest.raises(FileNotFoundError, match="a fault of the program"):
        run()
    (folder,) = run_folders(project)
    log = (folder / "stm32ai_main.log").read_text(encoding="utf-8")
    assert "the run failed\nTraceback (most recent call last)" in log
    assert "a fault of the program" in log


def test_a_crash_is_exit_code_1(project):
    code = (
        "from sezoo import services\n"
        "from sezoo.cli import main as cli\n"
        "services.SERVICES['q'] = services.Service(lambda run: 1 / 0, None)\n"
        "cli.main(['hydra.run.dir=out'])"
    )
    done = outside("-c", code, cwd=project)
    assert done.returncode == 1
    assert done.stderr.rstrip().endswith("ZeroDivisionError: division by zero")
    assert "ZeroDivisionError" in (project / "out" / "stm32ai_main.log").read_text(encoding="utf-8")


def test_a_variable_after_the_backslash_of_a_windows_path(project, monkeypatch):
    monkeypatch.setenv("SEZOO_SET", "set")
    text = r"C:\data\${SEZOO_SET}\clips of ${general.project_name}"
    config = {**plain_quantization_config(), "general": {"project_name": "p"}}
    config["quantization"] = {**config["quantization"], "noisy_quantization_files_path": text}
    path = write_yaml(project / "windows.yaml", config)
    composed = compose_file(path)
    assert str(composed.quantization.noisy_quantization_files_path) == r"C:\data\set\clips of p"


@pytest.mark.parametrize(
    "words", ["denoise {} -m m.onnx", "quantize {} --data .", "evaluate {}.onnx --noisy .", "model {}"]
)
def test_a_name_that_no_file_can_have(words, run):
    code, _, err = run(*words.format("x" * 5000).split())
    assert code == 2
    (line,) = err.splitlines()
    assert "the name is too long for a file" in line
    assert len(line) < 2200
