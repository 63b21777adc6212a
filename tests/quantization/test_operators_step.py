"""The step that leaves operators in float, and the tensors that those hand to each other."""

import logging
from dataclasses import replace

import numpy as np
import onnx
import pytest

import foreign_graphs as graphs
import stateful_graphs
from mask_graphs import BINS, LATENT, magnitudes
from quantizers import quantization, ready
from recovery_bench import bench_of
from sezoo.models.onnx_graph import producers, readers
from sezoo.models.states import states_of, with_states
from sezoo.quantization.graph.static_shape import with_static_shape
from sezoo.quantization.graph.verification import verify
from sezoo.quantization.recovery.operators import before_small_values, operators

LAYERS = ("Conv", "ConvTranspose", "Gemm", "MatMul")
CLIPS = magnitudes(*[200] * 12, seed=1)


def benched(model, **settings):
    settings = quantization(**settings)
    return bench_of(ready(model, settings)[0], CLIPS, settings)


def noise_ratio(*, seed=0):
    """A mask x / (x + n) with a noise n that a convolution estimates."""
    graph = graphs.Graph(seed)
    noise = graph.node("Softplus", [graph.conv("input", "conv", BINS, BINS, kernel=(3,), gain=2)], "noise")
    quiet = graph.node("Mul", [noise, graph.number("tenth", 0.1)], "quiet_noise")
    graph.node("Div", ["input", graph.node("Add", ["input", quiet], "sum")], "mask")
    return graph.model()


def two_branches(*, seed=0):
    """Magnitudes and their logarithms, each through a convolution."""
    graph = graphs.Graph(seed)
    log = graph.node("Log", [graph.node("Add", ["input", graph.number("eps", 1e-5)], "positive")], "log")
    branches = [graph.conv("input", "plain", BINS, LATENT, gain=4), graph.conv(log, "of_log", BINS, LATENT, gain=0.5)]
    hidden = graph.node("Relu", [graph.node("Add", branches, "sum")], "relu")
    graph.node("Sigmoid", [graph.conv(hidden, "out", LATENT, BINS, gain=3)], "mask")
    return graph.model()


def behind_layers(*, activation="Relu", ends=()):
    """A layer with its activation and a logarithm behind; a root of what a Sigmoid, a Concat and a Max have made."""
    graph = graphs.Graph()
    layer = graph.conv("input", "conv", BINS, LATENT, gain=4)
    active = graph.node(activation, [layer, *(graph.number(f"end{end}", end) for end in ends)], "active")
    first = graph.node("Log", [graph.node("Add", [active, graph.number("one", 1)], "above_one")], "log")
    opened = graph.node("Sigmoid", [graph.node("Mul", [first, graph.number("two", 2)], "twice")], "opened")
    both = graph.node("Concat", [opened, first], "both", axis=1)
    root = graph.node("Sqrt", [graph.node("Max", [both, graph.number("least", 1e-4)], "largest")], "root")
    graph.node("Sigmoid", [graph.conv(root, "out", 2 * LATENT, BINS, gain=3)], "mask")
    return graph.model()


# -- the rule -----------------------------------------------------------------------------------------

VARIANCE = {f"norm.{part}" for part in ("deviation", "positive", "variance", "square", "centred", "mean")}
BEHIND = {"above_one", "log", "largest", "both", "opened"}
RULED = {
    "log_prologue": (lambda: graphs.log_power_prologue(kind="log"), {"positive"}),
    "power_prologue": (graphs.log_power_prologue, set()),
    "layer norm": (graphs.gru_with_layer_norm, {"state"} | VARIANCE),
    "gated": (graphs.gated, set()),
    "attention_gate": (graphs.attention_gate, set()),
    "noise ratio": (noise_ratio, {"sum", "quiet_noise", "noise"}),
    "two branches": (two_branches, {"positive"}),
    "Relu of a layer": (behind_layers, BEHIND),
    "Clip of a layer": (lambda: behind_layers(activation="Clip", ends=(0, 6)), BEHIND),
    "Clip off zero": (lambda: behind_layers(activation="Clip", ends=(0.01, 6)), {"active"} | BEHIND),
}


@pytest.mark.parametrize("name", RULED)
def test_what_small_values_go_through_is_found_up_to_the_layers(name):
    build, expected = RULED[name]
    nodes = before_small_values(ready(build())[0])
    assert {node.removeprefix("node_") for node in nodes} == expected


@pytest.mark.parametrize(
    ("build", "most_before", "least_after"),
    [
        (graphs.PLAIN["log_prologue"], 25, 40),
        (two_branches, 15, 30),
        (noise_ratio, -np.inf, 50),  # some of the denominators are 0
    ],
)
def test_models_that_8_bits_ruin_are_saved(build, most_before, least_after):
    plan, context = benched(build())
    assert context.score(context.write_model(plan)) <= most_before
    assert context.score(context.write_model(operators(plan, context))) >= least_after


# -- types, by measured error ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", graphs.PLAIN)
def test_no_model_gets_worse_and_layers_stay_in_int8(name):
    plan, context = benched(graphs.PLAIN[name]())
    found = operators(plan, context)
    plain, written = context.write_model(plan), context.write_model(found)
    assert context.score(written) >= context.score(plain) - 0.1
    assert layers_in_int8(written) == layers_in_int8(plain)


def layers_in_int8(model):
    """Of each layer: which inputs are integers, and whether its output is nothing else."""
    made_by, read_by = producers(model.graph), readers(model.graph)
    return {
        node.name: (
            [name in made_by and made_by[name].op_type == "DequantizeLinear" for name in node.input],
            [reader.op_type for reader in read_by[node.output[0]]] == ["QuantizeLinear"],
        )
        for node in model.graph.node
        if node.op_type in LAYERS
    }


def test_types_whose_rounding_is_heard_stay_in_float_and_are_told(caplog):
    plan, context = benched(graphs.gru_with_layer_norm())
    with caplog.at_level(logging.DEBUG, logger="sezoo"):
        found = operators(plan, context)
    types = {node.op_type for node in plan.model.graph.node if node.name in found.in_float}
    assert "Mul" in types
    assert not types & {*LAYERS, "Squeeze", "Transpose"}
    told = [record.getMessage().strip() for record in caplog.records]
    assert "Add (1 node) in float: 8 bits would round the small values away that a logarithm" in told[0]
    assert any(message.startswith("Mul (1 node) in float: the output comes ") for message in told)


def test_what_the_user_has_chosen_is_not_chosen_again():
    plan, context = benched(graphs.gru_with_layer_norm(), op_types_to_quantize=["MatMul", "Add", "Mul"])
    assert operators(plan, context).in_float == {"node_norm.positive"}
    plan, context = benched(graphs.gru_with_layer_norm(), op_types_to_quantize=["MatMul"])
    assert operators(plan, context) is plan


def test_something_is_left_in_int8():
    graph = graphs.Graph()
    log = graph.node("Log", [graph.node("Add", ["input", graph.number("one", 1)], "above_one")], "log")
    graph.node("Div", [log, graph.number("ten", 10)], "mask")
    plan, context = benched(graph.model())
    assert operators(plan, context) is plan
    graph = graphs.Graph()
    graph.node("Sigmoid", ["input"], "mask")
    plan, context = benched(graph.model())
    assert operators(plan, context) is plan


# -- tensors that nothing has rounded -------------------------------------------------------------------


def unrounded(plan):
    return replace(plan, in_float=frozenset(before_small_values(plan.model)), unrounded=True)


def test_float_operators_hear_the_input_as_it_is_and_layers_do_not():
    plan, context = benched(two_branches())
    rounded, model = (
        context.write_model(replace(unrounded(plan), unrounded=False)),
        context.write_model(unrounded(plan)),
    )
    inputs = [{node.name: node.input[0] for node in each.graph.node} for each in (rounded, model)]
    assert [each["node_positive"] for each in inputs] == ["input_DequantizeLinear_Output", "input"]
    assert [each["node_plain"] for each in inputs] == ["input_DequantizeLinear_Output"] * 2
    assert context.score(model) > context.score(rounded) + 10


@pytest.mark.parametrize("name", ["attention_gate", "opset_11", "gated", "conv_transpose_encoder_decoder"])
def test_what_int8_operators_make_stays_rounded(name):
    """In the first two a mean is taken of what a quantizer has cut off at zero, in the place of a Relu."""
    plan, context = benched(graphs.PLAIN[name]())
    plain, other = context.write_model(plan), context.write_model(replace(plan, unrounded=True))
    assert other.SerializeToString(deterministic=True) == plain.SerializeToString(deterministic=True)


def test_constants_are_read_as_they_are():
    """One in float and one in int8 multiply by the same weights."""
    graph = graphs.Graph()
    gains = graph.random("gains", BINS, 1)
    own = graph.node("Div", ["input", graph.node("Exp", [gains], "positive")], "own")
    layer = graph.node("Mul", [graph.node("Tanh", [graph.conv("input", "conv", BINS, BINS)], "tanh"), gains], "layer")
    graph.node("Sigmoid", [graph.node("Add", [graph.node("Mul", [own, gains], "scaled"), layer], "sum")], "mask")
    plan, context = benched(graph.model())
    model = context.write_model(replace(plan, in_float=frozenset({"node_scaled"}), unrounded=True))
    inputs = {node.name: list(node.input) for node in model.graph.node}
    assert inputs["node_scaled"][1] == "gains"
    assert inputs["node_layer"][1] == "gains_DequantizeLinear_Output"
    onnx.checker.check_model(model, full_check=True)


def test_what_is_moved_unrounded_is_read_unrounded():
    """Nothing has rounded what the Slice cuts: onnxruntime leaves it in float, though its type is quantized."""
    graph = graphs.Graph()
    ends = [graph.integers(name, value) for name, value in (("start", 1), ("end", BINS), ("axis", 1))]
    part = graph.node("Slice", [graph.node("Softplus", ["input"], "soft"), *ends], "part")
    log = graph.node("Log", [graph.node("Add", [part, graph.number("eps", 1e-5)], "positive")], "log")
    branches = [graph.conv(source, f"of_{source}", BINS - 1, LATENT) for source in (part, log)]
    hidden = graph.node("Tanh", [graph.node("Add", branches, "sum")], "tanh")
    graph.node("Sigmoid", [graph.conv(hidden, "out", LATENT, BINS)], "mask")
    plan, context = benched(graph.model())
    found = operators(plan, context)
    assert "node_part" not in found.in_float
    inputs = {node.name: node.input[0] for node in context.write_model(found).graph.node}
    assert (inputs["node_positive"], inputs["node_of_part"]) == ("part", "part_DequantizeLinear_Output")


def test_an_input_of_8_bits_stays_one():
    plan, context = benched(two_branches())
    model = context.write_model(replace(unrounded(plan), int8_input=True))
    assert [node.op_type for node in readers(model.graph)["input"]] == ["QuantizeLinear"]
    made_by = producers(model.graph)  # and nothing is rounded twice
    doubled = [node.name for node in model.graph.node if node.op_type == "QuantizeLinear" and node.input[0] in made_by]
    assert not [name for name in doubled if "input" in name]


@pytest.mark.parametrize("name", stateful_graphs.ALL)
def test_states_are_left_alone(name):
    model, states = stateful_graphs.ALL[name]
    plan, context = benched(with_states(model, states))
    plain, other = context.write_model(plan), context.write_model(replace(plan, unrounded=True))
    for source, target in states.items():
        reading = [[node.op_type for node in readers(each.graph)[source]] for each in (plain, other)]
        assert reading[0] == reading[1]
        assert producers(plain.graph)[target].op_type == producers(other.graph)[target].op_type
    written = context.write_model(operators(plan, context))
    assert states_of(written) == states
    assert context.score(written) >= context.score(plain) - 0.1


@pytest.mark.parametrize("build", [*graphs.PLAIN.values(), noise_ratio, two_branches, behind_layers])
def test_written_models_are_valid_and_the_static_one_says_the_same(build, tmp_path):
    plan, context = benched(build())
    model, paths = (
        context.write_model(operators(plan, context)),
        [tmp_path / name for name in ("dynamic.onnx", "static.onnx")],
    )
    onnx.checker.check_model(model, full_check=True)
    for path, written in zip(paths, (model, with_static_shape(model, 40)), strict=True):
        onnx.save(written, path)
    verify(*paths, CLIPS[0][:, :, :40])
