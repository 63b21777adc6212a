"""The sources as a user has them after cloning, with less to compute: shorter recordings, network and range search."""

import shutil
import zipfile
from pathlib import Path

import onnx
import soundfile

from sezoo.models.onnx_graph import producers

ROOT = Path(__file__).parents[1]
SECONDS = 1.5
NETWORK = Path("src", "sezoo", "zoo", "utcn_small", "utcn_small.onnx")
RECORDINGS = Path("src", "sezoo", "demo", "recordings")
RANGE_SEARCH = Path("src", "sezoo", "quantization", "recovery", "range_choice.py")


def make_checkout(folder: Path, *, clips: int) -> Path:
    """What git has of the sources, with the beginnings of a few of the demo's recordings.

    The model that comes with sezoo has one block over time of its six, and accuracy recovery tries other ranges for one
    of its tensors alone instead of eight.

    Parameters
    ----------
    clips : how many recordings of each kind.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("pyproject.toml", "README.md", "LICENSE", "Makefile", ".gitignore"):
        shutil.copy(ROOT / name, folder)
    for name in ("src", "speech_enhancement"):
        left_out = shutil.ignore_patterns("experiment_outputs", "pt", "recordings")
        shutil.copytree(ROOT / name, folder / name, ignore=left_out)
    for source in (ROOT / RECORDINGS).iterdir():
        target = folder / RECORDINGS / source.name
        target.mkdir(parents=True)
        for path in sorted(source.glob("*.flac"))[:clips]:
            rate = soundfile.info(path).samplerate
            wave, _ = soundfile.read(path, int(SECONDS * rate), dtype="int16")
            soundfile.write(target / path.name, wave, rate)
    onnx.save(_of_one_block(onnx.load(folder / NETWORK)), folder / NETWORK)
    search = (folder / RANGE_SEARCH).read_text(encoding="utf-8")
    assert search.count("\nTENSORS = 8\n") == 1
    (folder / RANGE_SEARCH).write_text(search.replace("TENSORS = 8", "TENSORS = 1"), encoding="utf-8")
    return folder


def install_wheel(checkout: Path, folder: Path) -> Path | None:
    """The wheel that a checkout builds, unpacked as pip would; None where the build back end is not installed.

    Returns
    -------
    site : folder to import from: the package, and its metadata.
    """
    try:
        from hatchling.builders.wheel import WheelBuilder
    except ImportError:
        return None
    (wheel,) = WheelBuilder(str(checkout)).build(directory=str(folder / "dist"), versions=["standard"])
    site = folder / "site"
    with zipfile.ZipFile(wheel) as file:
        file.extractall(site)
    return site


def _of_one_block(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model without the later of its blocks over time."""
    graph = model.graph
    behind = next(node for node in graph.node if node.name == "/out_of/out_of.0/Conv")
    behind.input[0] = "/time/time.0/Add_output_0"
    made_by, wanted, kept = producers(graph), [output.name for output in graph.output], set()
    while wanted:
        name = wanted.pop()
        if name not in kept:
            kept.add(name)
            wanted += made_by[name].input if name in made_by else ()
    for field, names in ((graph.node, lambda node: node.output), (graph.initializer, lambda weight: [weight.name])):
        for each in [each for each in field if not kept & set(names(each))]:
            field.remove(each)
    del graph.value_info[:]
    onnx.checker.check_model(model)
    return model
