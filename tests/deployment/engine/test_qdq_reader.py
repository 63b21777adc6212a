import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper

from int8_graphs import (
    BINS,
    FORMS,
    HIDDEN,
    PATH,
    Graph,
    chain,
    dynamic_int8,
    patches,
    residual,
    small,
    static_int8,
    with_function_of_zeros,
)
from qdq_rewrites import rounded, spliced, with_activations, with_float_biases, with_pads_apart, with_weight_zero_points
from sezoo.deployment.engine.agreement import agreement
from sezoo.deployment.engine.conv import Conv
from sezoo.deployment.engine.interpreter import run_graph
from sezoo.deployment.engine.operators import Elementwise
from sezoo.deployment.engine.qdq_reader import integer_graph_of
from sezoo.models.onnx_graph import set_weights
from sezoo.models.onnx_session import open_session
from sezoo.quantization.graph.static_shape import with_static_shape
from sezoo.quantization.recovery.input_precision import with_int16_input

HANDFUL = 3
"""Integers of a small tensor that may differ by a step, where one in ten thousand would be none."""


def check_agreement(model, *, share=1e-4, seed=7):
    """Operator by operator and from end to end, against onnxruntime with nothing merged."""
    graph = integer_graph_of(model, PATH)
    found = agreement(graph, model, patches(seed=seed, frames=graph.frames))
    assert [each.name for each in found.operators] == [operator.output.name for operator in graph.operators]
    for each in found.operators:
        assert each.values > 0
        assert each.largest <= 1, each
        assert each.differing <= max(HANDFUL, share * each.values), each
    assert found.mean_mask_difference <= 1e-3
    return graph


def kinds(graph):
    return [operator.kind for operator in graph.operators]


@pytest.mark.parametrize("name", FORMS)
def test_forms_agree_with_onnxruntime(name):
    check_agreement(FORMS[name]())


def test_biases_in_float_are_rounded_to_steps_of_the_accumulator():
    check_agreement(with_float_biases(static_int8(residual())), share=2e-3)


@settings(max_examples=25, derandomize=True, deadline=None)
@given(st.data())
def test_any_convolution_over_time(data):
    taps, dilation = data.draw(st.integers(1, 5)), data.draw(st.integers(1, 4))
    group = data.draw(st.sampled_from([1, 2, 3, 4, 12]))
    before = data.draw(st.integers(0, (taps - 1) * dilation))
    pads = [before, (taps - 1) * dilation - before]
    layer = {"kernel": (taps,), "dilations": [dilation], "group": group, "pads": pads}
    layer["outward"] = group * data.draw(st.integers(1, 3))
    graph = check_agreement(static_int8(chain(layer), data.draw(st.integers(1, 12))))
    assert graph.operators[0].before == before
    assert graph.operators[0].span == (taps - 1) * dilation


@settings(max_examples=25, derandomize=True, deadline=None)
@given(st.data())
def test_any_convolution_over_frequencies_and_time(data):
    taps, dilations, strides = [data.draw(st.integers(1, 3)) for _ in range(2)], [1, 1], [1, 1]
    time_at = data.draw(st.integers(0, 1))
    over = 1 - time_at
    dilations = [data.draw(st.integers(1, 3)) for _ in range(2)]
    strides[over] = data.draw(st.integers(1, 3))
    pads = [0, 0, 0, 0]
    span = (taps[time_at] - 1) * dilations[time_at]
    pads[time_at] = data.draw(st.integers(0, span))
    pads[2 + time_at] = span - pads[time_at]
    pads[over], pads[2 + over] = data.draw(st.integers(0, 3)), data.draw(st.integers(0, 3))
    group, outward = data.draw(st.sampled_from([(1, 3), (2, 4), (2, 2)]))

    graph = Graph(seed=data.draw(st.integers(0, 9)))
    image = graph.reshaped("input", "image", 0, 2, BINS // 2, -1)  # two channels of six positions
    if time_at == 0:
        image = graph.transposed(image, "turned", 0, 1, 3, 2)
    settings_ = {"kernel": tuple(taps), "dilations": dilations, "strides": strides, "pads": pads, "group": group}
    reach = (taps[over] - 1) * dilations[over]
    positions = (BINS // 2 + pads[over] + pads[2 + over] - reach - 1) // strides[over] + 1
    last = graph.relu(graph.conv(image, "c0", 2, outward, **settings_))
    if time_at == 0:
        last = graph.transposed(last, "turned back", 0, 1, 3, 2)
    rows = graph.reshaped(last, "rows", 0, outward * positions, -1)
    model = graph.finished(graph.conv(rows, "out", outward * positions, BINS))
    read = check_agreement(static_int8(model, data.draw(st.integers(2, 9))))
    first = next(operator for operator in read.operators if isinstance(operator, Conv))
    assert (first.positions, first.positions_in) == (positions, BINS // 2)


# -- what the operators become ---------------------------------------------------------------------------------


def test_convolutions_of_a_row_need_no_moving():
    graph = integer_graph_of(static_int8(residual()), PATH)
    assert kinds(graph) == ["Conv", "Conv", "Conv", "add"] * 3 + ["Lookup"]
    assert graph.macs_per_frame == 3 * (2 * BINS * HIDDEN + 3 * HIDDEN)
    assert graph.parameters == graph.macs_per_frame + 3 * (2 * HIDDEN + BINS)


def test_weights_go_where_the_row_has_the_items():
    graph = Graph()
    turned = graph.node("Gather", ["input", graph.weight("order", np.arange(BINS)[::-1].copy())], "turned", axis=1)
    read = check_agreement(static_int8(graph.finished(graph.conv(turned, "c", BINS, BINS))))
    assert kinds(read) == ["Conv", "Lookup"]


def test_a_skip_connection_is_put_together_once():
    """Two readers of the same Concat share its row."""
    graph = Graph()
    first = graph.conv("input", "c0", BINS, HIDDEN)
    second = graph.conv("input", "c1", BINS, HIDDEN)
    both = graph.node("Concat", [first, second], "both", axis=1)
    a, b = (graph.conv(both, name, 2 * HIDDEN, BINS, kernel=(3,)) for name in "ab")
    read = check_agreement(static_int8(graph.finished(graph.node("Add", [a, b], "sum"))))
    assert kinds(read).count("Rearrange") == 1


def test_a_quantizer_for_each_reader_is_one_tensor():
    names = [
        [operator.output.name for operator in integer_graph_of(FORMS[form](), PATH).operators]
        for form in ("depthwise", "quantizers for each reader")
    ]
    assert names[0] == names[1]


def test_two_quantizers_of_a_tensor_are_two_tensors():
    """The second reader gets the output of the first convolution in coarser steps."""
    model = static_int8(residual())
    first = next(
        node for node in model.graph.node if node.op_type == "QuantizeLinear" and node.input[0] == "b0.in.relu"
    )
    back = next(node for node in model.graph.node if node.input[0] == first.output[0])
    scale = onnx.numpy_helper.to_array(next(w for w in model.graph.initializer if w.name == first.input[1]))
    set_weights(model.graph, {"coarse": scale * np.float32(3)})
    # the sum of both, in place of the depthwise convolution's own input
    coarse = [("QuantizeLinear", [first.input[0], "coarse", first.input[2]], "coarse_q")]
    coarse.append(("DequantizeLinear", ["coarse_q", "coarse", first.input[2]], "coarse_dq"))
    both = [("Add", [back.output[0], "coarse_dq"], "two"), *rounded("two", "coarse", first.input[2])]
    model = spliced(model, back.output[0], *coarse, *both)
    graph = check_agreement(model)
    names = [tensor.name for tensor in graph.tensors]
    assert len(set(names)) == len(names)
    addition = next(operator for operator in graph.operators if isinstance(operator, Elementwise))
    assert addition.b.scale == np.float32(3) * addition.a.scale


def test_float_rows_and_tensors_have_names_of_their_own():
    """The C of a step finds its operands by name."""
    for form in ("prologue: log", "split input", "split log", "int16 pow", "int8 before float"):
        steps = integer_graph_of(FORMS[form](), PATH).prologue
        names = ["magnitude", *(step.output for step in steps)]
        assert len(set(names)) == len(names), names
        for number, step in enumerate(steps):
            assert set(step.inputs) <= set(names[: number + 1])


def test_the_wider_operand_comes_first():
    graph = integer_graph_of(FORMS["int16, added"](), PATH)
    added = [operator for operator in graph.operators if isinstance(operator, Elementwise)]
    assert [(each.a.bits, each.b.bits) for each in added] == [(16, 8), (8, 8), (8, 8)]
    swapped = Graph()
    inner = swapped.conv("input", "c", BINS, BINS)
    model = swapped.finished(swapped.node("Sub", [inner, "input"], "rest"))
    graph = check_agreement(static_int8(model, changed=with_int16_input))
    (rest,) = (operator for operator in graph.operators if isinstance(operator, Elementwise))
    assert (rest.a.bits, rest.b.bits) == (16, 8)
    assert rest.scales[0] < 0 < rest.scales[1]


@pytest.mark.parametrize("kind", [np.int8, np.int16])
def test_functions_of_sixteen_bits_are_computed_in_float(kind):
    """No table is as long as that."""
    model = static_int8(small(), changed=with_int16_input)
    set_weights(model.graph, {"scale": np.float32(0.012 if kind == np.int8 else 1e-4), "zero": np.array(-5, kind)})
    source = next(node for node in model.graph.node if node.op_type == "Conv").input[0]
    root = ("Sqrt", [source], "root")
    graph = check_agreement(spliced(model, source, root, *rounded("root", "scale", "zero")))
    assert [step.kind for step in graph.prologue] == ["quantize", "dequantize", "sqrt", "quantize"]
    assert [(entry.name, entry.bits) for entry in graph.inputs] == [("root", 8 * np.dtype(kind).itemsize)]
    assert kinds(graph) == ["Conv", "Conv", "Lookup"]


def test_relus_and_clips_are_limits_of_the_operator():
    plain = integer_graph_of(static_int8(small()), PATH).operators[0]
    limited = integer_graph_of(with_activations(static_int8(small()), "Clip", 0.1, 0.7), PATH).operators[0]
    assert (plain.low, plain.high) == (-128, 127)
    zero, scale = limited.output.zero_point, limited.output.scale
    assert (limited.low, limited.high) == (np.rint(0.1 / scale) + zero, np.rint(0.7 / scale) + zero)


def test_clips_of_old_opsets_have_limits_as_attributes():
    model = with_activations(static_int8(small()), "Clip", 0.1, 0.7)
    clip = next(node for node in model.graph.node if node.op_type == "Clip")
    del clip.input[1:]
    clip.attribute.extend([helper.make_attribute("min", 0.1), helper.make_attribute("max", 0.7)])
    old, new = (
        integer_graph_of(model, PATH),
        integer_graph_of(with_activations(static_int8(small()), "Clip", 0.1, 0.7), PATH),
    )
    assert (old.operators[0].low, old.operators[0].high) == (new.operators[0].low, new.operators[0].high)


def test_a_quantizer_may_say_its_type_in_an_attribute():
    model = static_int8(small())
    model.ir_version, model.opset_import[0].version = 10, 21
    for node in model.graph.node:
        if node.op_type in ("QuantizeLinear", "DequantizeLinear") and node.input[0] in ("mask_QuantizeLinear_Input",):
            del node.input[2:]
            node.attribute.append(helper.make_attribute("output_dtype", onnx.TensorProto.INT8))
    back = next(node for node in model.graph.node if node.output[0] == "mask")
    del back.input[2:]
    check_agreement(model)


def test_the_mask_table_is_what_the_last_function_makes():
    graph = integer_graph_of(FORMS["float mask"](), PATH)
    real = (np.arange(-128, 128) - graph.output.zero_point) * np.float64(graph.output.scale)
    np.testing.assert_allclose(graph.mask_table, 1 / (1 + np.exp(-real)), atol=1e-6)
    np.testing.assert_array_equal(graph.mask_index, np.arange(BINS))


def test_reading_changes_nothing():
    model = FORMS["split log"]()
    before = model.SerializeToString()
    integer_graph_of(model, PATH)
    assert model.SerializeToString() == before


def test_constants_are_folded():
    """A shape that nodes compute from constants, as exporters leave them."""
    model = FORMS["pixel shuffle"]()
    reshape = next(node for node in model.graph.node if node.op_type == "Reshape")
    shape = onnx.numpy_helper.to_array(next(w for w in model.graph.initializer if w.name == reshape.input[1]))
    set_weights(model.graph, {"half": shape[:2], "rest": shape[2:]})
    join = helper.make_node("Concat", ["half", "rest"], ["whole"], "whole", axis=0)
    reshape.input[1] = "whole"
    model.graph.node.insert(0, join)
    check_agreement(model)


def test_one_frame_is_a_patch_as_well():
    model = dynamic_int8(residual())
    graph = check_agreement(with_static_shape(model, 1))
    assert graph.frames == 1


def test_reflected_frequencies():
    """Edges that repeat other frequencies are a movement like any other."""
    model = with_pads_apart(static_int8(chain({"kernel": (3, 1), "pads": [1, 0, 1, 0]}, image=True)), rounded=False)
    for node in model.graph.node:
        if node.op_type == "Pad":
            node.attribute.append(helper.make_attribute("mode", "reflect"))
    check_agreement(model)


def test_the_session_without_merging_is_the_oracle():
    """Nothing of the comparison rests on our own numbers alone: masks of onnxruntime, patch by patch."""
    model = FORMS["depthwise"]()
    graph = integer_graph_of(model, PATH)
    session = open_session(model, optimization="none")
    for patch in patches(seed=3):
        (mask,) = session.run(None, {"input": patch[np.newaxis]})
        assert np.abs(mask[0] - run_graph(graph, patch)).mean() <= 1e-3


def test_a_mask_of_two_functions():
    graph = Graph()
    low, high = graph.split(graph.conv("input", "c", BINS, BINS), "low", "high", axis=1)
    graph.node("Concat", [graph.node("Sigmoid", [low], "a"), graph.node("Tanh", [high], "b")], "mask", axis=1)
    model = graph.model((("input", ("batch", BINS, "frames")),), (("mask", ("batch", BINS, "frames")),))
    check_agreement(static_int8(model))  # the quantizers before the Concat make two tables of it


def test_weights_with_a_zero_point_that_int8_makes_good():
    check_agreement(with_weight_zero_points(static_int8(small()), 5))  # -122 to 122 without it


def test_zeros_that_a_function_leaves():
    check_agreement(with_function_of_zeros("Tanh"))
