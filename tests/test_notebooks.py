"""The notebooks of the documentation, run from top to bottom on a tiny model and a few recordings."""

import re
from pathlib import Path

import pytest
import soundfile

from builders import write_model
from sezoo.base.shipped import DEMO_RECORDINGS

NOTEBOOKS = Path(__file__).parents[1] / "docs" / "notebooks"
SAMPLES = 32000
"""Of each recording, 2 s: PESQ needs some speech."""
TINY = """
model, recordings, noisy, clean, clips = "model.onnx", "noisy", "noisy", "clean", 3
methods, recoveries = ["MinMax", "Percentile"], ["none"]
settings = {"evaluation": {"num_workers": 1}, "quantization": {"accuracy_recovery": "none"}}
"""
"""In place of what the reader is meant to change."""


@pytest.fixture
def run(tmp_path):
    """Run a notebook in a folder with a model and recordings: its cells with what they show."""
    nbclient = pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    import nbformat

    write_model(tmp_path / "model.onnx")
    for kind in ("noisy", "clean"):
        (tmp_path / kind).mkdir()
        for path in sorted((DEMO_RECORDINGS / f"{kind}_testset").iterdir())[:3]:
            soundfile.write(tmp_path / kind / f"{path.stem}.wav", *soundfile.read(path, frames=SAMPLES))

    def call(name):
        notebook = nbformat.read(NOTEBOOKS / name, as_version=4)
        nbformat.validate(notebook)
        (parameters,) = (cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", ()))
        parameters.source += TINY
        client = nbclient.NotebookClient(
            notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
        )
        return client.execute().cells

    return call


def shown(cells, kind):
    """All that cells show of a kind of data."""
    outputs = [output for cell in cells for output in cell.get("outputs", ())]
    texts = [output["text"] for output in outputs if output["output_type"] == "stream"]
    return texts if kind == "stream" else [output["data"][kind] for output in outputs if kind in output.get("data", {})]


def test_quantize_and_listen(run):
    cells = run("quantize_and_listen.ipynb")
    page = next(html for html in shown(cells, "text/html") if "Quantized model" in html)
    for words in ("<th>PESQ</th>", "data:image/png;base64,", ".wav: noisy", "int8 (C package)"):
        assert words in page
    assert page.count("data:audio/flac;base64,") >= 4  # noisy, float, int8, the C package, clean
    assert len(shown(cells, "text/html")) >= 3  # and two players of the recording
    lines = "".join(shown(cells, "stream"))
    assert "fidelity to the float model" in lines
    assert re.search(r"\d dB +Conv", lines)


def test_compare_calibration(run):
    cells = run("compare_calibration.ipynb")
    assert re.findall(
        r"^(\w+) +accuracy recovery none +\d+\.\d dB$", "".join(shown(cells, "stream")), re.MULTILINE
    ) == [
        *("MinMax", "Percentile"),
    ]
    assert shown(cells, "image/png")
    page = next(html for html in shown(cells, "text/html") if "Evaluation of 3 versions" in html)
    assert "model: float</td>" in page and "best_" in page and "worst_" in page


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.stem)
def test_notebooks_are_kept_without_outputs(path):
    import json

    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    assert all(not cell.get("outputs") and cell.get("execution_count") is None for cell in cells)
