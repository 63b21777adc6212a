"""`deployment.backend: tflite`: from a static int8 model to the files, the figures and the refusals."""

import json

import numpy as np
import onnx
import pytest

from c_builds import compiled, needs_gcc, ran
from int8_graphs import FORMS
from sezoo.base.errors import UserError
from sezoo.deployment.tflite import deploy
from sezoo.deployment.tflite.tflm import has_tflm
from sezoo.quantization.target import target_of
from sezoo.services import run_services
from tiny_models import FRAMES, LOOKAHEAD, NEW, configuration, write_tiny_model


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_tiny_model(tmp_path / "model.onnx")
    return tmp_path


def deployed(folder, **deployment):
    run_services(configuration(**({"backend": "tflite"} | deployment)), folder)
    side = json.loads((folder / "tflite" / "denoiser.json").read_text(encoding="utf-8"))
    return json.loads((folder / "deployment.json").read_text(encoding="utf-8")), side


def refused(folder, config):
    with pytest.raises(UserError) as caught:
        run_services(config, folder)
    assert not (folder / "tflite").exists()
    return str(caught.value)


def test_patches(here, written_page):
    facts, side = deployed(here / "run")
    folder = here / "run/tflite"
    assert {path.name for path in folder.iterdir()} == {
        "c_package", "test_vectors", "README.md",
        "denoiser.tflite", "denoiser.json", "denoiser_tflite.c", "denoiser_tflite.h",
    }  # fmt: skip
    assert (facts["engine"], facts["frames_per_call"]) == ("patch", NEW)
    assert side["frames"] == {"of_a_call": FRAMES, "new": NEW, "first_kept": LOOKAHEAD, "lookahead": LOOKAHEAD}
    assert facts["tflite"]["file_bytes"] == (folder / "denoiser.tflite").stat().st_size
    assert facts["tflite"]["operators"] == {"CONV_2D": 4, "DEPTHWISE_CONV_2D": 2, "ADD": 2}
    assert abs(facts["pesq"]["tflite"] - facts["pesq"]["reference"]) < 0.05
    assert "resolver.AddDepthwiseConv2D();" in (folder / "README.md").read_text(encoding="utf-8")
    (entry,), output = side["inputs"], side["output"]
    sizes = [(folder / f"test_vectors/{name}.i8").stat().st_size for name in ("input_0", "output")]
    assert sizes == [3 * np.prod(entry["shape"]), 3 * np.prod(output["shape"])]
    assert len(side["mask"]["table"]) == 256 and len(side["mask"]["item_of_bin"]) == 33
    assert len(side["spectrum"]["window"]) == 60
    page = (here / "run/report.html").read_text(encoding="utf-8")
    assert "4 CONV_2D, 2 DEPTHWISE_CONV_2D, 2 ADD" in page and "as TFLite Micro computes" in page


def test_a_stream_has_its_states_in_the_side_file(here):
    facts, side = deployed(here / "run", engine="stream", frames_per_patch=1)
    assert (facts["engine"], facts["frames_per_call"]) == ("stream", 1)
    assert side["states"] and facts["state_bytes"] == sum(np.prod(state["shape"]) for state in side["states"])
    assert [state["output"] for state in side["states"]] == list(range(1, 1 + len(side["states"])))
    assert "## States" in (here / "run/tflite/README.md").read_text(encoding="utf-8")


PRINTS_ITS_SIZE = """\
#include <stdio.h>
#include "sezoo_denoiser.h"
static sezoo_denoiser denoiser;
static SEZOO_ARENA(arena);
int main(void) { fprintf(stderr, "%u", (unsigned)(sizeof denoiser + sizeof arena)); return 0; }
"""


@needs_gcc
@pytest.mark.parametrize("engine", [{"engine": "patch"}, {"engine": "stream", "frames_per_patch": 1}])
@pytest.mark.parametrize("is_measured", [True, False])
def test_ram_is_the_arena_and_the_package(here, monkeypatch, engine, is_measured):
    if is_measured and not has_tflm():
        pytest.skip("tflite-micro is not installed")
    monkeypatch.setattr(deploy, "has_tflm", lambda: is_measured)
    facts, side = deployed(here / "run", **engine)
    (here / "size.c").write_text(PRINTS_ITS_SIZE, encoding="utf-8")
    compiled(f"-I{here / 'run/tflite/c_package/include'}", "size.c", "-o", here / "size", folder=here)
    arena = side["arena"]["measured" if is_measured else "enough"]
    own = facts["tflite"]["ram_bytes"] - arena
    assert 0 <= int(ran(here / "size", folder=here)[1]) - own < 512  # settings, and alignment


def test_what_it_is_quantized_for(here):
    config = configuration("chain_qd", model="model.onnx", sections={"quantization": {}}, backend="tflite")
    target = target_of(config)
    assert target.name == "tflite" and target.input_step == "split_input"
    assert target.read_problem(FORMS["int16"]()).startswith("tensor 'input' has 16 bits")
    assert target.can_read(FORMS["split input"]())


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"engine": "stream", "frames_per_patch": 4}, "frames_per_patch: found 4; allowed: 1"),
        ({"engine": "stream", "frames_per_patch": 1, "input_gain": True}, "has no patches to scale"),
        ({"dry_run": True}, "it is for deployment.backend: stm32n6"),
    ],
)
def test_settings_that_do_not_fit(here, settings, told):
    assert told in refused(here / "run", configuration(backend="tflite", **settings))


def test_a_16_bit_input(here):
    onnx.save(FORMS["int16"](FRAMES), here / "wide.onnx")
    config = configuration(model="wide.onnx", backend="tflite")
    told = refused(here / "run", config)
    assert "wide.onnx" in told and "quantization.target: tflite" in told
