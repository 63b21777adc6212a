"""The pages for those who extend sezoo: their code does what they say, and the files that they name are there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import numpy as np
import pytest

from builders import write_clips
from sezoo.cli.hydra_run import compose_file
from sezoo.config.sections import Dataset

ROOT = Path(__file__).parents[1]
PAGES = sorted((ROOT / "docs" / "how_to_add").glob("*.md"))
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NAME = re.compile(r"`([\w/]+\.(?:yaml|py))`")
PATH = re.compile(r"`((?:[\w.]+/)*[\w]+\.(?:py|c|h|md)|(?:[\w]+/)+)`")
OF_A_USER = re.compile(r"my_\w+\.py|report\.html")


def files_and_folders() -> str:
    """All of the repository's, a line each, that begins and ends with a slash."""
    found = [path for top in ("src/sezoo", "docs", "tests", "benchmarks", "tools") for path in (ROOT / top).rglob("*")]
    return "\n".join(f"/{path.relative_to(ROOT).as_posix()}/" for path in found)


@pytest.mark.parametrize("page", [ROOT / "docs" / "architecture.md", *PAGES], ids=lambda page: page.stem)
def test_files_that_are_named_are_there(page):
    text = BLOCK.sub("", page.read_text(encoding="utf-8"))
    named = [path for path in PATH.findall(text) if not OF_A_USER.fullmatch(path)]
    there = files_and_folders()
    assert [path for path in named if f"/{path.strip('/')}/" not in there] == []


def test_walks_name_files_from_the_package_on():
    """In the walks every file is named in full, so that a reader finds it."""
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    walks = text[text.index("## One clip") : text.index("## The rooms")]
    named = set(PATH.findall(walks)) - {"histogram.py"}
    assert len(named) > 60
    assert [path for path in named if not (ROOT / "src" / "sezoo" / path).exists()] == []


@pytest.fixture
def page(tmp_path, monkeypatch):
    """Save the files of a page, `page("metric")`; its YAML file, if it has one, is composed."""
    monkeypatch.chdir(tmp_path)

    def save(name):
        text = (ROOT / "docs" / "how_to_add" / f"{name}.md").read_text(encoding="utf-8")
        config = None
        for block in BLOCK.finditer(text):
            path = Path(NAME.findall(text[: block.start()])[-1])
            path.write_text(block[2], encoding="utf-8")
            if block[1] == "yaml":
                config = compose_file(path)
        return config

    return save


def test_metric(page):
    from sezoo.metrics import load_metrics, score_clip

    metrics = load_metrics(page("metric").evaluation.metrics)
    assert list(metrics) == ["pesq", "segmental_snr"]
    clean = np.random.default_rng(0).standard_normal(16000)
    scores, _ = score_clip(clean, clean + 0.1, 16000, {"segmental_snr": metrics["segmental_snr"]})
    assert scores["segmental_snr"] == pytest.approx(20, abs=0.2)


def test_loss(page):
    pytest.importorskip("torch")
    from sezoo.audio.stft import Stft
    from sezoo.training.losses import build_loss
    from sezoo.training.torch_stft import TorchStft

    training = page("loss").training
    build_loss(training.loss, TorchStft(Stft()), training.loss_arguments)  # computes it once


def test_dataset_layout(page):
    from sezoo.data.dataset import test_pairs, training_pairs

    config = page("dataset_layout")
    for speaker in ("s1", "s2"):
        for kind in ("noisy", "clean"):
            write_clips(Path("corpus", speaker, kind), "001.wav 002.wav")
    assert isinstance(config.dataset, Dataset)
    assert {pair.noisy.parts[-3] for pair in test_pairs(config.dataset)} == {"s2"}
    assert {pair.clean.parts[-3] for pair in training_pairs(config.dataset)} == {"s1"}


def test_network(page):
    torch = pytest.importorskip("torch")
    from sezoo.models.torch.mask_model import build_network

    config = page("network")
    network = build_network(config.model, config.model_specific)
    assert network(torch.rand(1, 257, 9)).shape == (1, 257, 9)
    assert network.encode.out_channels == 32


def test_target(page):
    from sezoo.quantization.target import CORTEX_M, target_of

    target = target_of(page("target"))
    assert target.name == "my-board"
    assert len(target.rules) == len(CORTEX_M.rules) + 1


@pytest.mark.parametrize("name", ["recovery_step", "report_section"])
def test_sketches_are_python(name):
    text = (ROOT / "docs" / "how_to_add" / f"{name}.md").read_text(encoding="utf-8")
    sketch = re.search(r"^       def .*?(?=\n\n   \S)", text, re.MULTILINE | re.DOTALL)
    ast.parse("\n".join(line[7:] for line in sketch[0].splitlines()))
