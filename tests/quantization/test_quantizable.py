"""What a quantizer stumbles over in users' graphs: rewritten, they compute the same and can be quantized."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization.qdq_quantizer import QDQQuantizer

import mask_graphs as graphs
from mask_graphs import BINS, LATENT, magnitudes
from quantizers import ours, quantization, ready
from sezoo.base.errors import UserError
from sezoo.models.mask_model import MaskModel
from sezoo.models.nested_graphs import graphs_of, reads_of, sorted_nodes
from sezoo.models.onnx_file import load_onnx
from sezoo.models.onnx_graph import UnusedNames, unused_name
from sezoo.quantization.quantizable import (
    in_float32,
    with_names_apart,
    with_nested_reads_apart,
    with_own_biases,
    without_other_outputs,
)
from sezoo.quantization.recovery.channel_ties import channel_ties

LATENT_AXES = ("batch", LATENT, "seq_len")


def value(name, axes=LATENT_AXES, kind=TensorProto.FLOAT):
    return helper.make_tensor_value_info(name, kind, axes)


def conv(graph, source, output, inward, outward, *, weight=None, bias=None):
    weight = graph.random(weight or f"{output}.weight", outward, inward, 1, fan_in=inward)
    return graph.node("Conv", [source, weight, *([bias] if bias else [])], output, kernel_shape=[1])


def sharing_a_bias():
    """Three convolutions with the bias "b", and activations named as a quantizer would name copies of it."""
    graph = graphs.Graph()
    bias = graph.random("b", LATENT, fan_in=16)
    source = "input"
    for index in range(3):
        inward = BINS if index == 0 else LATENT
        conv(graph, source, f"b{index}", inward, LATENT, weight=f"w{index}", bias=bias)
        source = graph.node("Relu", [f"b{index}"], f"r{index}")
    graph.node("Sigmoid", [conv(graph, source, "y", LATENT, BINS)], "mask")
    return graph.model()


def with_names_of_quantizers():
    graph = graphs.Graph()
    graph.weight("input_scale", np.array(2, np.float32))
    graph.node("Mul", ["input", "input_scale"], "louder")
    conv(graph, "louder", "c", BINS, LATENT, weight="w2")
    graph.random("w2_quantized", LATENT, 1)
    graph.node("Add", ["c", "w2_quantized"], "c_DequantizeLinear_Output")
    graph.node("Relu", ["c_DequantizeLinear_Output"], "c_QuantizeLinear")
    conv(graph, "c_QuantizeLinear", "mask_zero_point", LATENT, BINS)
    graph.node("Sigmoid", ["mask_zero_point"], "mask")
    return graph.model()


def nested(kind):
    """A branch or a body that reads a weight and activations of the graph around it."""
    graph = graphs.Graph()
    graph.node("Relu", [conv(graph, "input", "c", BINS, LATENT)], "r")
    graph.random("k", LATENT, 1)
    if kind == "If":
        graph.weight("threshold", np.array(1e9, np.float32))
        graph.nodes.append(helper.make_node("ReduceMax", ["input"], ["largest"], keepdims=0))
        graph.node("Greater", ["largest", "threshold"], "is_loud")
        loud = helper.make_graph([helper.make_node("Add", ["r", "k"], ["o1"])], "loud", [], [value("o1")])
        quiet = helper.make_graph([helper.make_node("Mul", ["c", "k"], ["o2"])], "quiet", [], [value("o2")])
        graph.node("If", ["is_loud"], "z", then_branch=loud, else_branch=quiet)
    elif kind == "Loop":
        graph.weight("twice", np.array(2))
        graph.weight("yes", np.array(True))
        nodes = [
            helper.make_node("Identity", ["go"], ["still"]),
            helper.make_node("Add", ["before", "c"], ["sum"]),
            helper.make_node("Mul", ["sum", "k"], ["after"]),
        ]
        starts = [value("index", [], TensorProto.INT64), value("go", [], TensorProto.BOOL), value("before")]
        body = helper.make_graph(nodes, "body", starts, [value("still", [], TensorProto.BOOL), value("after")])
        graph.node("Loop", ["twice", "yes", "r"], "z", body=body)
    else:
        graph.weight("scale", np.full(LATENT, 0.5, np.float32))
        frame = ("batch", LATENT)
        nodes = [
            helper.make_node("Add", ["state", "frame"], ["sum"]),
            helper.make_node("Mul", ["sum", "scale"], ["next"]),
            helper.make_node("Add", ["next", "mean"], ["each"]),
        ]
        ends = [value("next", frame), value("each", frame)]
        body = helper.make_graph(nodes, "body", [value("state", frame), value("frame", frame)], ends)
        graph.node("ReduceMax", ["r"], "start", axes=[2], keepdims=0)
        graph.node("ReduceMean", ["c"], "mean", axes=[2], keepdims=0)
        axes = {"num_scan_inputs": 1, "scan_input_axes": [2], "scan_output_axes": [2]}
        graph.nodes.append(helper.make_node("Scan", ["start", "r"], ["last", "z"], body=body, **axes))
    graph.node("Sigmoid", [conv(graph, "z", "y", LATENT, BINS)], "mask")
    return graph.model()


MODELS = {
    "a shared bias": sharing_a_bias,
    "names of quantizers": with_names_of_quantizers,
    "If": lambda: nested("If"),
    "Loop": lambda: nested("Loop"),
    "Scan": lambda: nested("Scan"),
    "float16 inside": graphs.float16_inside,
}


def mask_of(model, clip):
    return MaskModel(model, "some_model.onnx")(clip)


@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
def test_the_int8_model_is_close_to_the_users(make):
    model, clips = make(), magnitudes(40, 50)
    prepared, op_types = ready(model)
    assert np.allclose(mask_of(prepared, clips[0]), mask_of(model, clips[0]), atol=1e-2 if "16" in str(make) else 2e-3)
    int8 = ours(prepared, clips, op_types, quantization())
    onnx.checker.check_model(int8)
    difference = np.abs(mask_of(int8, clips[0]) - mask_of(prepared, clips[0]))
    assert difference.mean() < 0.02


@pytest.mark.parametrize(
    ("rewrite", "make"),
    [
        (with_own_biases, sharing_a_bias),
        (with_names_apart, with_names_of_quantizers),
        (with_nested_reads_apart, lambda: nested("If")),
        (with_nested_reads_apart, lambda: nested("Loop")),
        (with_nested_reads_apart, lambda: nested("Scan")),
    ],
)
def test_rewriting_changes_no_bit(rewrite, make):
    model, clip = make(), magnitudes(30)[0]
    before = model.SerializeToString()
    rewritten = rewrite(model)
    assert rewritten is not model
    assert model.SerializeToString() == before
    onnx.checker.check_model(rewritten, full_check=True)
    assert np.array_equal(mask_of(rewritten, clip), mask_of(model, clip))
    assert rewrite(rewritten) is rewritten or rewrite is with_nested_reads_apart


def test_each_layer_has_its_own_bias_and_its_own_classes_of_channels():
    own = with_own_biases(sharing_a_bias())
    biases = [node.input[2] for node in own.graph.node if node.op_type == "Conv" and len(node.input) > 2]
    assert len(set(biases)) == 3
    classes = channel_ties(onnx.shape_inference.infer_shapes(own)).classes
    free = {int(each) for index in range(3) for each in classes[f"r{index}"]} - {0}
    assert len(free) == 3 * LATENT


def test_no_name_is_one_that_a_quantizer_makes_of_another():
    apart = with_names_apart(with_names_of_quantizers())
    names = {name for node in apart.graph.node for name in (*node.input, *node.output)}
    assert not names & {"input_scale", "w2_quantized", "c_DequantizeLinear_Output", "c_QuantizeLinear"}
    assert "mask_zero_point" not in names
    assert [apart.graph.input[0].name, apart.graph.output[0].name] == ["input", "mask"]


def test_nested_graphs_read_nothing_that_is_quantized():
    apart = with_nested_reads_apart(nested("Loop"))
    (loop,) = (node for node in apart.graph.node if node.op_type == "Loop")
    assert {name for name in reads_of(loop) if name not in loop.input} == {"c/inside/z", "k/inside/z"}


def test_half_precision_is_gone():
    model, count = in_float32(graphs.float16_inside())
    assert count > 2
    kinds = {weight.data_type for graph in graphs_of(model.graph) for weight in graph.initializer}
    assert TensorProto.FLOAT16 not in kinds
    prepared, _ = ready(graphs.float16_inside())
    assert not [node for node in prepared.graph.node if node.op_type == "Cast"]
    assert in_float32(graphs.tcnn())[1] == 0


def test_other_outputs_and_what_only_they_need_are_left_out():
    graph = graphs.Graph()
    graph.node("Relu", [conv(graph, "input", "c", BINS, LATENT)], "r")
    graph.node("Sigmoid", [conv(graph, "r", "y", LATENT, BINS)], "mask")
    graph.node("Sigmoid", [conv(graph, "r", "v", LATENT, 1)], "activity")
    model = graph.model()
    model.graph.output.append(value("activity", ("batch", 1, "seq_len")))
    pruned = without_other_outputs(model, {"mask"})
    assert [output.name for output in pruned.graph.output] == ["mask"]
    assert "v.weight" not in {weight.name for weight in pruned.graph.initializer}
    assert len(pruned.graph.node) == 4
    assert without_other_outputs(pruned, {"mask"}) is pruned


def test_sparse_weights_become_dense(tmp_path):
    model = graphs.tcnn()
    weight = next(each for each in model.graph.initializer if each.name.endswith("bias"))
    values = numpy_helper.to_array(weight)
    sparse = model.graph.sparse_initializer.add(dims=values.shape)
    sparse.values.CopyFrom(numpy_helper.from_array(values[[0, 3]], weight.name))
    sparse.indices.CopyFrom(numpy_helper.from_array(np.array([0, 3])))
    model.graph.initializer.remove(weight)
    onnx.save(model, tmp_path / "model.onnx")
    dense = load_onnx(tmp_path / "model.onnx")
    assert not dense.graph.sparse_initializer
    found = next(numpy_helper.to_array(each) for each in dense.graph.initializer if each.name == sparse.values.name)
    assert found.tolist() == [values[0], 0, 0, values[3], *np.zeros(len(values) - 4)]


def test_the_options_are_blamed_where_they_are_the_reason_and_the_model_elsewhere(monkeypatch):
    prepared, op_types = ready(graphs.tcnn())
    name = prepared.graph.node[0].output[0]
    wrong = {"TensorQuantOverrides": {name: [{"quant_type": "QInt8", "scale": 1.0}]}}
    with pytest.raises(UserError, match=r"^quantization\.extra_options: onnxruntime's quantizer refuses: "):
        ours(prepared, magnitudes(30), op_types, quantization(extra_options=wrong))
    monkeypatch.setattr(QDQQuantizer, "quantize_model", refuse)
    with pytest.raises(UserError, match=r"^onnxruntime's quantizer cannot quantize the model: no such thing$"):
        ours(prepared, magnitudes(30), op_types, quantization(extra_options={"ActivationSymmetric": True}))


def refuse(quantizer):
    raise ValueError("no such thing\nand more")


# -- new names and the order of nodes -----------------------------------------------------------------


def test_new_names_are_those_of_nothing_in_the_graph_or_inside_of_it():
    model = nested("Loop")
    names = UnusedNames(model.graph)
    assert [names.new(name) for name in ("free", "free", "c", "after", "node_c", "k")] == [
        "free", "free_2", "c_2", "after_2", "node_c_2", "k_2",
    ]  # fmt: skip
    assert unused_name(model.graph, "before") == "before_2"


def test_nodes_are_sorted_by_what_their_nested_graphs_read_too():
    model = nested("If")
    nodes = list(model.graph.node)
    mixed = [nodes[index] for index in np.random.default_rng(0).permutation(len(nodes))]
    made = {"input", *(weight.name for weight in model.graph.initializer)}
    for node in sorted_nodes(model.graph, mixed):
        assert made.issuperset(reads_of(node))
        made.update(node.output)
    assert sorted_nodes(model.graph, nodes) == nodes
