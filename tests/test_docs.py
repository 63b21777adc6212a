"""Every command and YAML block of the README and the tutorial, run in the order in which they stand there."""

import functools
import os
import re
import shlex
import shutil
import subprocess
import sys
import zipfile
from functools import partial
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import pytest
import soundfile

from demo_checks import check_demo
from light_checkout import RECORDINGS, install_wheel, make_checkout
from sezoo.cli.hydra_run import compose_file
from sezoo.cli.table import COMMANDS
from warm_sezoo import FORKS, IMPORTED, TRAINING

ROOT = Path(__file__).parents[1]
SEZOO = Path(sys.executable).with_name("sezoo.exe" if os.name == "nt" else "sezoo")
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE_NAME = re.compile(r"`([\w/]+\.(?:yaml|py))`")
MODELS = {"preprocessed_model.onnx", "quantized_model_int8.onnx", "quantized_model_int8_static.onnx"}
TRAINED = {"trained_model.onnx", "best_trained_model.onnx"}
DOCUMENTS = [
    *("README.md", "docs/quantization.md", "docs/accuracy.md", "docs/evaluation.md", "docs/training.md"),
    *(
        "docs/deployment.md",
        "docs/live.md",
        "docs/tflite.md",
        "docs/model_zoo.md",
        "docs/own_model.md",
        "docs/commands.md",
        "docs/python.md",
    ),
]
CLONED = ("README.md", "docs/model_zoo.md")
"""What is done in a clone; all else is done in an empty folder, with the installed package."""
TRAINED_IN = ("docs/training.md",)
WITH_TORCH = (*TRAINED_IN, "docs/own_model.md")
EMULATED = ("docs/deployment.md", "docs/commands.md")
COMPILED = ("docs/live.md",)
STARTED_ANEW = ("README.md", "docs/live.md", "docs/python.md")
"""Whose first command is run by a new interpreter."""
AGAIN = {
    ("docs/model_zoo.md", "python stm32ai_main.py"): "++quantization.accuracy_recovery=none ++general.report=False"
}
"""Words that make a command short which another document, here the README, has as well and runs as it is."""
LIMIT = 900
"""Seconds after which a command hangs: most take a few, on a busy machine a minute."""
NO_RUN = ("config", "model", "--help", "denoise", "zoo", "doctor", "completion", "report", "live", "export")


def blocks(document):
    """Language, text and the name of the YAML file that the text before it gives, for each block."""
    text = (ROOT / document).read_text(encoding="utf-8")
    for block in BLOCK.finditer(text):
        names = FILE_NAME.findall(text[: block.start()])
        yield block[1], block[2], names[-1] if names else "user_config.yaml"


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """Gives a checkout of the sources that is light in some ways, and where its wheel is installed; made once each.

    Where no wheel can be built, it is the checkout's own package.
    """

    @functools.cache
    def made(**how):
        folder = tmp_path_factory.mktemp("sources")
        checkout = make_checkout(folder / "checkout", **how)
        return checkout, install_wheel(checkout, folder) or checkout / "src"

    return made


def valentini_layout(folder, recordings):
    """The demo's training clips as WAV in Valentini's folders."""
    for kind in ("noisy", "clean"):
        target = folder / f"{kind}_trainset_28spk_wav"
        target.mkdir(parents=True)
        for path in sorted((recordings / f"{kind}_trainset").glob("*.flac"))[:4]:
            soundfile.write(target / f"{path.stem}.wav", *soundfile.read(path, dtype="int16"))
    return folder


class Shell:
    """Runs a document's commands as a user would type them, the few of the shell's own in Python.

    Those of Python's are run by an interpreter that has imported already, but for the first of some documents
    (`STARTED_ANEW`). A document's first run of each command and of each YAML file is as it stands there. Those that
    follow leave out the report and accuracy recovery, which would be much the same: the first of each mode has a
    report, and what the document sets stays.
    """

    def __init__(self, folder, site, variables, warm, *, starts_anew):
        self.folder = folder
        self.environment = {**os.environ, "PYTHONPATH": str(site), **variables}
        self.warm = warm
        self.starts_anew = starts_anew or not FORKS
        self.reported, self.recovered = set(), set()

    def run(self, line):
        words = shlex.split(line, comments=True)
        if not words:
            return
        own = getattr(self, f"_{words[0].replace('.', 'source')}", None)
        if own:
            own(words[1:])
        else:
            pytest.fail(f"the document has a command that this test cannot run: {line}")

    def call(self, *command):
        done = subprocess.run(
            [str(word) for word in command], cwd=self.folder, env=self.environment,
            capture_output=True, text=True, encoding="utf-8", check=False, timeout=LIMIT,
        )  # fmt: skip
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done

    def python(self, *command, by=(sys.executable,)):
        """Run a script of Python's, in a new process by these words before it; what it wrote to standard output."""
        if self.starts_anew:
            self.starts_anew = not FORKS
            return self.call(*by, *command).stdout
        done = self.warm(command, self.folder, self.environment, limit=LIMIT)
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def _sezoo(self, words):
        before, runs_before = set(self.folder.rglob("*")), set(self.folder.rglob("stm32ai_main.log"))
        left_out = self._left_out(words)
        said = self.python(SEZOO, *words, *left_out, by=())
        if words[:2] == ["demo", "--copy"]:
            assert list((self.folder / words[2]).rglob("*.flac"))
            return
        if words[:1] == ["demo"]:
            check_demo(self.folder / words[-1], said)
        new = set(self.folder.rglob("*")) - before
        runs = set(self.folder.rglob("stm32ai_main.log")) - runs_before
        if words and words[0] in NO_RUN:
            assert not runs
            assert bool({path for path in new if path.suffix in (".flac", ".wav")}) == (words[0] == "denoise")
            return
        assert runs
        for run in runs:
            # A run's results: models, scores or sound, whichever services it had.
            for results, allowed in (
                ("saved_models", (MODELS, TRAINED, MODELS | TRAINED)),
                ("eval_logs", ({"metrics_dict.json", "detailed_metrics.csv"},)),
            ):
                folder = run.parent / results
                assert not folder.exists() or {path.name for path in folder.iterdir()} in allowed
            results = ("saved_models", "eval_logs", "predictions", "c_package", "tflite", "benchmark.json")
            assert any((run.parent / name).exists() for name in results)
            assert (run.parent / "report.html").is_file() == ("general.report=False" not in left_out)

    def _left_out(self, words):
        """The settings that leave out of a run what another one of this document has had."""
        if words and (words[0] in ("demo", *NO_RUN) or "--save-config" in words):
            return []
        if words and words[0] in COMMANDS:
            named, quantizes = words[0], words[0] == "quantize"
        else:
            named = f"{words[1] if words[:1] == ['--config-name'] else 'user_config'}.yaml"
            quantizes = "quantization:" in (self.folder / named).read_text(encoding="utf-8")
        mode = tuple(word for word in words if word.startswith("operation_mode="))
        target = tuple(
            word for before, word in pairwise(["", *words]) if before == "--target" or "quantization.target=" in word
        )
        settings = ["general.report=False"] if (named, *mode) in self.reported else []
        if quantizes and (named, *target) in self.recovered and "accuracy_recovery" not in " ".join(words):
            settings.append("quantization.accuracy_recovery=none")
        self.reported.add((named, *mode))
        self.recovered.add((named, *target))
        return settings

    def _torchrun(self, words):
        self.call(
            sys.executable, "-m", "torch.distributed.run", *words, *self._left_out(words[words.index("sezoo") + 1 :])
        )
        assert list(self.folder.glob("together/saved_models/best_trained_model.onnx"))

    def _python(self, words):
        if words == ["-m", "venv", ".venv"]:
            self.call(sys.executable, "-m", "venv", "--without-pip", ".venv")
            return
        self.python(*words)
        if words in (["notebook.py"], ["pack.py"], ["export_mine.py"]):
            return
        assert list(self.folder.rglob("experiment_outputs/*/saved_models/quantized_model_int8_static.onnx"))

    def _source(self, words):
        scripts = ".venv/Scripts/activate" if os.name == "nt" else words[0]
        assert (self.folder / scripts).is_file()

    def _pip(self, words):
        assert words == ["install", "."]
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--no-deps", "."]
        if find_spec("hatchling"):  # else it would be fetched first
            pip.append("--no-build-isolation")
        done = subprocess.run(pip, cwd=self.folder, capture_output=True, text=True, check=False)
        if done.returncode and "No matching distribution found for hatchling" in done.stderr:
            return  # offline: the build back end cannot be fetched
        assert done.returncode == 0, done.stderr

    def _make(self, words):
        if shutil.which("make"):  # what it would do; doing it would run these tests inside themselves
            assert self.call("make", "--dry-run", *words).stdout

    def _cd(self, words):
        self.folder = self.folder / words[0]

    def _mkdir(self, words):
        (self.folder / words[0]).mkdir()

    def _cp(self, words):
        *sources, target = words
        found = [path for source in sources for path in self.folder.glob(source)]
        assert found
        for path in found:
            shutil.copy(path, self.folder / target)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_document_from_top_to_bottom(document, tmp_path, sources, pythons):
    if document in WITH_TORCH:
        pytest.importorskip("torch")
        pytest.importorskip("onnxscript")
    if document in COMPILED:
        pytest.importorskip("ziglang")
    if document in EMULATED and not (shutil.which("arm-none-eabi-gcc") and shutil.which("qemu-system-arm")):
        pytest.skip("the compiler arm-none-eabi-gcc or the emulator qemu-system-arm is not installed")
    clips = 12 if document in TRAINED_IN else 4  # some of them are split off for validation
    checkout, site = sources(clips=clips)
    if document in CLONED:
        shutil.copytree(checkout, tmp_path if document == "README.md" else tmp_path / "sezoo", dirs_exist_ok=True)
    valentini_set = valentini_layout(tmp_path / "valentini_set", checkout / RECORDINGS)
    variables = {"VALENTINI": str(valentini_set)}
    imported = TRAINING if document in TRAINED_IN else IMPORTED
    warm = partial(pythons.run, sources=site, imported=imported)
    shell = Shell(tmp_path, site, variables, warm, starts_anew=document in STARTED_ANEW)
    kinds = set()
    for kind, text, name in blocks(document):
        kinds.add(kind)
        if kind == "yaml":
            (shell.folder / name).write_text(text, encoding="utf-8")
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("VALENTINI", variables["VALENTINI"])
                assert compose_file(shell.folder / name).operation_mode
        elif kind == "python":
            (shell.folder / name).write_text(text, encoding="utf-8")
        elif kind == "sh":
            for line in text.splitlines():
                shell.run(f"{line} {AGAIN.get((document, line), '')}")
        else:
            assert kind == ""  # output, not input
    assert kinds >= {"sh"}


def test_the_wheel_has_all_files_of_the_package(sources):
    checkout, site = sources(clips=4)
    if site == checkout / "src":
        pytest.skip("hatchling is not installed")
    (wheel,) = (site.parent / "dist").glob("*.whl")  # the site has files that Python has compiled as well
    with zipfile.ZipFile(wheel) as file:
        packed = {Path(name) for name in file.namelist() if name.startswith("sezoo/")}
    there = {path.relative_to(checkout / "src") for path in (checkout / "src" / "sezoo").rglob("*") if path.is_file()}
    assert packed == {path for path in there if "__pycache__" not in path.parts}
    (metadata,) = site.glob("*.dist-info/METADATA")
    text = metadata.read_text(encoding="utf-8")
    assert "Name: sezoo" in text and "Provides-Extra: train" in text
    assert [path.name for path in site.glob("*.dist-info/entry_points.txt")]


def documents():
    return [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "src").rglob("README.md")]


def test_no_other_document_has_commands():
    """Nor YAML, but for one page with a test of its own (`test_stm32n6_project`), and those of `test_how_to_add`."""
    others = [path.relative_to(ROOT).as_posix() for path in documents() if path.parent.name != "how_to_add"]
    kinds = {name: {kind for kind, _, _ in blocks(name)} for name in others if name not in DOCUMENTS}
    assert {name: found - {"", "json"} for name, found in kinds.items() if found - {"", "json"}} == {
        "docs/stm32n6.md": {"yaml"}
    }


def test_commands_in_passing_exist():
    """The first words of commands in indented lines, which are not run."""
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    for document in documents():
        text = document.read_text(encoding="utf-8")
        for tool, word in re.findall(r"^ {4}(make|sezoo) +(\w+)(?!\S)", text, re.MULTILINE):
            assert word in {"make": targets, "sezoo": COMMANDS}[tool], f"{document}: {tool} {word}"


def test_links_lead_somewhere():
    for document in documents():
        text = BLOCK.sub("", document.read_text(encoding="utf-8"))
        for target in re.findall(r"\]\(([^)#]+)\)", text):
            if "://" not in target:
                assert (document.parent / target).exists(), f"{document}: {target}"
