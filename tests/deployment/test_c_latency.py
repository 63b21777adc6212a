"""The latency that sezoo promises, measured: an impulse goes through the C code, and comes out when it says."""

import pytest

from c_builds import HOST_GCC, SOURCES, compiled, ran
from sezoo.audio.stft import Stft
from sezoo.denoising import Board, Stream
from sezoo.denoising.latency import latency_ms
from sezoo.deployment.c_package.call_frames import Engine
from sezoo.deployment.c_package.package import PackageSettings, write_sources
from sezoo.deployment.c_package.program import Program
from sezoo.deployment.engine.qdq_reader import integer_graph_of
from sezoo.deployment.engine.stream_plan import stream_plan
from sezoo.models.onnx_file import load_onnx
from sezoo.zoo import zoo_models
from tiny_graphs import RATE, program_of, random_graph, write_tiny_package

DRIVER = """\
#include <stdio.h>
#include "sezoo_denoiser.h"

#define N SEZOO_SAMPLES_PER_CALL
static sezoo_denoiser denoiser;
static int8_t arena[SEZOO_ARENA_BYTES] __attribute__((aligned(16)));
static int16_t in[N], out[N];

/* The impulse is the first sample of a call: none waits longer. Sample i of the output of a call is played i samples
   after the call's last sample has come in. */
int main(void)
{
    const long before = 4 + SEZOO_LATENCY / N, calls = before + 4 + 2 * SEZOO_LATENCY / N;
    long loudest = 0, at = 0;
    sezoo_init(&denoiser, arena);
    for (long call = 0; call < calls; ++call) {
        in[0] = call == before ? 32000 : 0;
        sezoo_process(&denoiser, in, out);
        for (long i = 0; i < N; ++i) {
            const long level = out[i] < 0 ? -out[i] : out[i];
            if (level > loudest) {
                loudest = level;
                at = (call + 1) * N + i;
            }
        }
    }
    fprintf(stderr, "%ld %d %ld", at - before * N, SEZOO_LATENCY, loudest);
    return 0;
}
"""

pytestmark = pytest.mark.skipif(HOST_GCC is None, reason="gcc is not installed on this computer")


def measured(package):
    """Samples from the impulse to the loudest sample of the output, and those that the header says."""
    (package / "impulse.c").write_text(DRIVER, encoding="utf-8")
    folders = [f"-I{package / name}" for name in ("include", "src")]
    sources = sorted((package / "src").glob("*.c"))
    compiled("-std=c99", "-O1", *folders, package / "impulse.c", *sources, "-lm", "-o", package / "impulse")
    code, said = ran(package / "impulse", folder=package)
    assert code == 0
    found, promised, loudest = map(int, said.split())
    assert loudest > 100, "the network lets nothing of the impulse through"
    return found, promised


@pytest.mark.parametrize(
    ("new", "lookahead", "mode"),
    [(1, None, Stream), (5, None, Stream), (6, 2, Board)],
    ids=["stream, 1 frame", "stream, 5 frames", "patch"],
)
def test_an_impulse_takes_as_long_as_promised(tmp_path, new, lookahead, mode):
    stft = Stft(64, 20, 50)
    program = program_of(random_graph(3, 33, new + 2 * (lookahead or 0)), stft, new, lookahead)
    found, promised = measured(write_tiny_package(program, tmp_path / "p"))
    ahead = program.engine.lookahead
    played = Stream((0, ahead), new) if mode is Stream else Board(new, ahead)
    assert found == promised == program.engine.latency(stft)
    assert latency_ms(played, stft, RATE) == pytest.approx(1000 * found / RATE)
    if mode is Stream:
        assert ahead > 0 and found == 50 + (ahead + new - 1) * 20


@pytest.mark.parametrize("model", zoo_models(), ids=lambda model: model.name)
def test_shipped_models_answer_when_their_cards_say(tmp_path, model):
    """The weights are the same bytes in every test: compiled without optimization they take a moment."""
    graph = integer_graph_of(load_onnx(model.int8_static), model.int8_static)
    program = Program(graph, Engine(True, 1, stream_plan(graph).lag[graph.output.name]), Stft(512, 160, 400))
    (tmp_path / "p").mkdir()
    write_sources(program, PackageSettings(16000, False, None), tmp_path / "p")
    found, promised = measured(tmp_path / "p")
    assert found == promised and 1000 * found / 16000 == model.latency_ms


def test_the_example_takes_the_delay_out():
    assert "late = SEZOO_DELAY" in (SOURCES / "examples" / "denoise_wav.c").read_text(encoding="utf-8")
