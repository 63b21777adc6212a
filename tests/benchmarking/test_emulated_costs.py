"""What the steps of an emulated program cost."""

from sezoo.audio.stft import Stft
from sezoo.benchmarking.emulated import _layers
from tiny_graphs import program_of
from tiny_loops import recurrent_graph


def test_multiplications_of_a_loop_are_counted_once():
    program = program_of(recurrent_graph(3, 17, 4), Stft(32, 10, 30), 4)
    layers = _layers(program, tuple(range(len(program.steps))), 1)
    assert any(layer.kind == "Loop" for layer in layers)
    assert sum(layer.macs or 0 for layer in layers) == program.graph.macs_per_frame * 4
