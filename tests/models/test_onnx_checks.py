"""Broken and hostile ONNX files: each is refused in one line where it is read, or mended where that does no harm."""

import itertools
import json

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from builders import mask_graph
from sezoo.base.errors import UserError
from sezoo.models import onnx_trial
from sezoo.models.contract import check_contract
from sezoo.models.mask_model import MaskModel
from sezoo.models.onnx_checks import MAX_NODES
from sezoo.models.onnx_file import load_onnx
from sezoo.models.states import states_of
from sezoo.models.summary import summary_of

BINS = 33
AXES = ("batch", BINS, "frames")


def floats(name, axes=AXES):
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, axes)


def graph_of(nodes, constants=None, axes=AXES, functions=()):
    """From "x" to "mask", of opset 17; `constants` are arrays by name."""
    weights = [numpy_helper.from_array(np.asarray(value), name) for name, value in (constants or {}).items()]
    graph = helper.make_graph(nodes, "g", [floats("x", axes)], [floats("mask", axes)], weights)
    opsets = [helper.make_opsetid("", 17), *([helper.make_opsetid("own", 1)] if functions else [])]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8, functions=functions)


def scaled_by(node, constants):
    """A mask that is the input times the largest value of what `node` makes, "big"."""
    nodes = [
        node,
        helper.make_node("ReduceMax", ["big"], ["largest"], keepdims=0),
        helper.make_node("Mul", ["x", "largest"], ["product"]),
        helper.make_node("Sigmoid", ["product"], ["mask"]),
    ]
    return graph_of(nodes, constants)


def function(name, nodes):
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
    return helper.make_function("own", name, ["a"], ["b"], nodes, opsets)


def changed(change):
    model = mask_graph(bins=BINS)
    change(model, {weight.name: weight for weight in model.graph.initializer})
    return model


@pytest.fixture
def saved(tmp_path):
    """Write a model, or bytes, as a file."""

    def save(content):
        path = tmp_path / "model.onnx"
        path.write_bytes(content if isinstance(content, bytes) else content.SerializeToString())
        return path

    return save


def refusal(path):
    with pytest.raises(UserError) as caught:
        load_onnx(path)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    return message.removeprefix(str(path)).removeprefix(": ")


# -- what is declared ---------------------------------------------------------------------------------


def long_axis(model, weights):
    weights["w1"].dims[0] = 2**40


def negative_axis(model, weights):
    weights["w1"].dims[0] = -8


def short_data(model, weights):
    weights["w1"].raw_data = weights["w1"].raw_data[:-4]


def long_data(model, weights):
    weights["w1"].raw_data += bytes(4)


def no_data(model, weights):
    weights["w1"].raw_data = b""


def few_values(model, weights):
    weights["b1"].ClearField("raw_data")
    weights["b1"].float_data[:] = [1.0, 2.0]


def unknown_type(model, weights):
    weights["w1"].data_type = 999


def unknown_input_type(model, weights):
    model.graph.input[0].type.tensor_type.elem_type = 999


def not_utf8(model, weights):
    return model.SerializeToString().replace(b"r1", b"\xff\xfe")


def external_length(model, weights):
    weights["w1"].ClearField("raw_data")
    weights["w1"].data_location = TensorProto.EXTERNAL
    for key, value in (("location", "weights.bin"), ("length", str(2**40))):
        weights["w1"].external_data.add(key=key, value=value)


def external_file(model, weights):
    external_length(model, weights)
    weights["w1"].external_data[1].value = str(4 * 8 * BINS)


def external_entry(key, value):
    def change(model, weights):
        external_file(model, weights)
        for entry in weights["w1"].external_data:
            if entry.key == key:
                weights["w1"].external_data.remove(entry)
        weights["w1"].external_data.add(key=key, value=value)

    return change


def test_external_data_that_is_cut_off(saved):
    model = changed(external_file)
    path = saved(model)
    path.with_name("weights.bin").write_bytes(bytes(1055))
    assert (
        refusal(path)
        == f"weight 'w1' is at the bytes 0 to 1056 of {path.with_name('weights.bin')}, which has 1055; it is cut off"
    )


def different_twins(model, weights):
    model.graph.initializer.append(numpy_helper.from_array(np.zeros(3, np.float32), "w1"))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (long_axis, "weight 'w1' declares 36,283,883,716,608 values, (1099511627776, 33, 1); at most 67,108,864"),
        (negative_axis, "weight 'w1' has the negative length -8 in its shape (-8, 33, 1)"),
        (short_data, "weight 'w1' holds 1052 bytes, its shape (8, 33, 1) of float needs 1056"),
        (long_data, "weight 'w1' holds 1060 bytes, its shape (8, 33, 1) of float needs 1056"),
        (no_data, "weight 'w1' holds 0 bytes, its shape (8, 33, 1) of float needs 1056"),
        (few_values, "weight 'b1' holds 2 values, its shape (8) of float needs 8"),
        (unknown_type, "weight 'w1' has the element type 999, which ONNX does not have"),
        (unknown_input_type, "input 'x' has the element type 999, which ONNX does not have"),
        (external_length, f"weight 'w1' has {2**40} bytes of external data, its shape (8, 33, 1) of float needs 1056"),
        (external_file, "its weights are in "),
        (
            external_entry("offset", "12e3"),
            "weight 'w1' has the offset '12e3' in weights.bin; a number of bytes is needed",
        ),
        (external_entry("offset", "9" * 5000), "weight 'w1' has the offset '999"),
        (external_entry("offset", "-1"), "weight 'w1' has the offset '-1' in weights.bin"),
        (external_entry("length", "1k"), "weight 'w1' has the length '1k' in weights.bin"),
        (
            external_entry("location", "../weights.bin"),
            "weight 'w1' has its data in '../weights.bin', which is outside",
        ),
        (external_entry("location", r"..\weights.bin"), "weight 'w1' has its data in "),
        (external_entry("location", "/etc/passwd"), "weight 'w1' has its data in '/etc/passwd', which is outside"),
        (external_entry("location", ""), "weight 'w1' has its data in no file"),
        (different_twins, "two weights that differ have the name 'w1'"),
    ],
)
def test_tensors_that_are_not_what_they_declare(saved, change, words):
    assert refusal(saved(changed(change))).startswith(words)


def test_names_that_are_no_utf8(saved):
    content = mask_graph(bins=BINS).SerializeToString().replace(b"r1", b"\xff\xfe")
    assert refusal(saved(content)) == r" is damaged: a name in it is not UTF-8 (b'\xff\xfe')"


@pytest.mark.parametrize(
    ("axes", "words"),
    [
        (("batch", BINS, 0), "input 'x' has an axis of length 0: (batch, 33, 0)"),
        (("batch", BINS, -1), "input 'x' has an axis of length -1: (batch, 33, -1)"),
        (("batch", 10**9, "frames"), "input 'x' has 1,000,000,000 bins; at most 16,385"),
        ((1, BINS, 10**9), "input 'x' declares 33,000,000,000 values, (1, 33, 1000000000); at most 4,194,304"),
    ],
)
def test_axes_that_cannot_be(saved, axes, words):
    model = graph_of([helper.make_node("Sigmoid", ["x"], ["mask"])], axes=axes)
    assert refusal(saved(model)).startswith(words)


@pytest.mark.parametrize("version", [0, 1])
def test_versions_of_the_format_that_nobody_reads(saved, version):
    def set_version(model, weights):
        model.ir_version = version

    assert refusal(saved(changed(set_version))).startswith(f"IR version {version} is older than what onnxruntime reads")


@pytest.mark.parametrize(("name", "value"), [("group", 0), ("strides", [0]), ("pads", [2**40, 2**40])])
def test_attributes_that_crash_runtimes(saved, name, value):
    def set_attribute(model, weights):
        model.graph.node[0].attribute.append(helper.make_attribute(name, value))

    assert refusal(saved(changed(set_attribute))).startswith(f"the node Conv 'c1' has {name} ")


def test_a_pointer_of_git_lfs(saved):
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935\nsize 12345\n"
    assert refusal(saved(pointer)).startswith("it is a Git LFS pointer, not the file itself")


# -- graphs -------------------------------------------------------------------------------------------


def test_a_cycle(saved):
    nodes = [
        helper.make_node("QuantizeLinear", ["b", "scale", "zero"], ["a"]),
        helper.make_node("DequantizeLinear", ["a", "scale", "zero"], ["b"]),
        helper.make_node("Add", ["x", "b"], ["mask"]),
    ]
    message = refusal(saved(graph_of(nodes, {"scale": np.float32(0.1), "zero": np.int8(0)})))
    assert message.startswith("the nodes of g depend on each other in a circle: QuantizeLinear 'a'")


@pytest.mark.parametrize(
    ("node", "words"),
    [
        (helper.make_node("Relu", ["r1"], []), "a node Relu has no output"),
        (helper.make_node("Relu", ["r1"], [""], name="idle"), "the node Relu 'idle' has no output"),
        (helper.make_node("Relu", ["ghost"], ["y"]), "the node Relu 'y' reads the tensor 'ghost', which nothing makes"),
        (helper.make_node("Relu", ["x"], ["r1"]), "the node Relu 'r1' makes the tensor 'r1', which already exists"),
    ],
)
def test_nodes_that_do_not_belong_in_a_graph(saved, node, words):
    assert refusal(saved(changed(lambda model, weights: model.graph.node.append(node)))).startswith(words)


def test_an_output_that_nothing_makes(saved):
    message = refusal(saved(changed(lambda model, weights: model.graph.node.pop())))
    assert message == "nothing makes the output 'mask'"


def test_very_many_nodes(saved):
    names = ["x", *(f"t{index}" for index in range(MAX_NODES)), "mask"]
    nodes = [helper.make_node("Relu", [before], [after]) for before, after in itertools.pairwise(names)]
    assert refusal(saved(graph_of(nodes))) == f" has {MAX_NODES + 1:,} nodes; at most {MAX_NODES:,} are read"


def test_nodes_in_any_order_are_sorted(saved):
    def reverse(model, weights):
        nodes = [onnx.NodeProto.FromString(node.SerializeToString()) for node in reversed(model.graph.node)]
        del model.graph.node[:]
        model.graph.node.extend(nodes)

    model = load_onnx(saved(changed(reverse)))
    assert [node.op_type for node in model.graph.node] == ["Conv", "Relu", "Conv", "Sigmoid"]
    onnx.checker.check_model(model)


def test_a_graph_without_a_name_gets_one_and_equal_twins_become_one(saved):
    def unname(model, weights):
        model.graph.name = ""
        model.graph.initializer.append(weights["w1"])

    model = load_onnx(saved(changed(unname)))
    onnx.checker.check_model(model)
    assert sorted(weight.name for weight in model.graph.initializer) == ["b1", "b2", "w1", "w2"]


def test_local_functions_are_expanded(saved):
    body = function("F", [helper.make_node("Sigmoid", ["a"], ["b"])])
    path = saved(graph_of([helper.make_node("F", ["x"], ["mask"], domain="own")], functions=[body]))
    model = load_onnx(path)
    assert not model.functions
    assert [node.op_type for node in model.graph.node] == ["Sigmoid"]
    check_contract(model, path)


def test_a_function_that_calls_itself(saved):
    call = helper.make_node("F", ["a"], ["b"], domain="own")
    model = graph_of([helper.make_node("F", ["x"], ["mask"], domain="own")], functions=[function("F", [call])])
    assert refusal(saved(model)) == "its local function 'own.F' calls itself"


def test_functions_that_explode(saved):
    def twice(name):
        between = [(["a"], ["c"]), (["c"], ["b"])]
        return [helper.make_node(name, *ends, domain="own") for ends in between]

    functions = [function(f"F{index}", twice(f"F{index + 1}")) for index in range(40)]
    functions.append(function("F40", [helper.make_node("Sigmoid", ["a"], ["b"])]))
    model = graph_of([helper.make_node("F0", ["x"], ["mask"], domain="own")], functions=functions)
    assert refusal(saved(model)) == f"its local functions expand to more than {MAX_NODES:,} nodes"


def test_a_recurrent_layer_on_a_tensor_of_one_axis(saved):
    constants = {"big_in": np.ones(3, np.float32), "w": np.ones((1, 8, 3), np.float32)}
    node = helper.make_node("LSTM", ["big_in", "w", "r"], ["big"], hidden_size=2)
    path = saved(scaled_by(node, {**constants, "r": np.ones((1, 8, 2), np.float32)}))
    summary = summary_of(path)
    assert summary.macs_per_frame is None
    assert summary.problem.startswith("onnxruntime cannot load it")
    with pytest.raises(UserError, match=r"onnxruntime cannot load it: .*rank 3"):
        check_contract(load_onnx(path), path)


def test_states_in_metadata_that_are_nested_too_deeply(saved):
    model = mask_graph(bins=BINS)
    model.metadata_props.add(key="states", value="[" * 100_000)
    assert states_of(load_onnx(saved(model))) == {}
    model.metadata_props[0].value = json.dumps({"h": 3})
    assert states_of(model) == {}


# -- what is computed ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("node", "constants"),
    [
        (helper.make_node("ConstantOfShape", ["shape"], ["big"]), {}),
        (helper.make_node("Expand", ["one", "shape"], ["big"]), {"one": np.ones(1, np.float32)}),
        (helper.make_node("Add", ["row", "column"], ["big"]), {
            "row": np.ones((1, 2**15), np.float32), "column": np.ones((2**15, 1), np.float32)}),
    ],
)  # fmt: skip
def test_tensors_of_gigabytes_that_a_small_file_makes(saved, node, constants):
    message = refusal(saved(scaled_by(node, {"shape": np.array([2**30]), **constants})))
    assert message.startswith("the tensor 'big' would have 1,073,741,824 values")


def test_a_constant_of_gigabytes(saved):
    value = helper.make_tensor("value", TensorProto.FLOAT, [1], np.ones(1, np.float32))
    value.dims[0] = 2**30
    message = refusal(saved(scaled_by(helper.make_node("Constant", [], ["big"], value=value), {})))
    assert message.startswith("attribute 'value' of the node Constant 'big' declares 1,073,741,824 values")


def looped(iterations, body_nodes=(), outputs=()):
    """A Loop that takes the sigmoid of the input again and again."""
    nodes = [
        helper.make_node("Identity", ["go"], ["still"]),
        helper.make_node("Sigmoid", ["value"], ["next"]),
        *body_nodes,
    ]
    inputs = [
        helper.make_tensor_value_info("index", TensorProto.INT64, []),
        helper.make_tensor_value_info("go", TensorProto.BOOL, []),
        floats("value"),
    ]
    ends = [helper.make_tensor_value_info("still", TensorProto.BOOL, []), floats("next"), *outputs]
    body = helper.make_graph(nodes, "body", inputs, ends)
    loop = helper.make_node("Loop", ["times", "yes", "x"], ["mask", *(f"o{each.name}" for each in outputs)], body=body)
    return graph_of([loop], {"times": np.array(iterations), "yes": np.array(True)})


def test_a_loop_that_ends_is_run_once_elsewhere_and_then_here(saved, monkeypatch):
    path = saved(looped(3))
    model = load_onnx(path)
    monkeypatch.setattr(onnx_trial, "SECONDS", 0)  # it is not tried again
    load_onnx(path)
    x = np.random.default_rng(0).random((1, BINS, 5), np.float32)
    expected = x
    for _ in range(3):
        expected = 1 / (1 + np.exp(-expected))
    assert np.allclose(MaskModel(model, path)(x), expected, atol=1e-6)


@pytest.mark.parametrize(
    "patience",
    [
        pytest.param(
            10**6, marks=pytest.mark.skipif(onnx_trial.os.name != "posix", reason="no limit of processor time")
        ),
        1,
    ],
    ids=["processor time", "clock"],
)
def test_a_loop_without_end(saved, monkeypatch, patience):
    """A busy machine may take long to start the process: only a day on the clock would end the first case."""
    monkeypatch.setattr(onnx_trial, "SECONDS", 0.5)
    monkeypatch.setattr(onnx_trial, "PATIENCE", patience)
    message = refusal(saved(looped(2**62)))
    assert message == "a run on 24 frames has not ended after 0.5 s; does a Loop in it never end?"


@pytest.mark.skipif(onnx_trial.os.name != "posix", reason="no limit of memory")
def test_a_loop_that_fills_the_memory(saved, monkeypatch):
    monkeypatch.setattr(onnx_trial, "BYTES", 2**29)
    wide = [helper.make_node("Constant", [], ["shape"], value=numpy_helper.from_array(np.array([2**22])))]
    wide.append(helper.make_node("ConstantOfShape", ["shape"], ["zeros"]))
    message = refusal(saved(looped(100_000, wide, [floats("zeros", (2**22,))])))
    assert message == "a run on 24 frames takes more than 0.5 GiB of memory"


def test_a_loop_that_reserves_room_for_2_to_the_62_outputs(saved, monkeypatch):
    """onnxruntime aborts, or is busy for ever: either way in a process of its own."""
    monkeypatch.setattr(onnx_trial, "SECONDS", 3)
    nodes = [helper.make_node("Constant", [], ["shape"], value=numpy_helper.from_array(np.array([4])))]
    nodes.append(helper.make_node("ConstantOfShape", ["shape"], ["zeros"]))
    message = refusal(saved(looped(2**62, nodes, [floats("zeros", (4,))])))
    assert message.startswith(("onnxruntime crashes when it runs the model (exit code ", "a run on 24 frames "))


def test_a_branch_whose_shape_depends_on_the_data(saved):
    """Loud clips get a mask of twice as many frames."""
    double = helper.make_graph(
        [helper.make_node("Concat", ["x", "x"], ["twice"], axis=2)], "double", [], [floats("twice", None)]
    )
    same = helper.make_graph([helper.make_node("Identity", ["x"], ["once"])], "same", [], [floats("once", None)])
    nodes = [
        helper.make_node("ReduceMax", ["x"], ["largest"], keepdims=0),
        helper.make_node("Greater", ["largest", "threshold"], ["is_loud"]),
        helper.make_node("If", ["is_loud"], ["y"], then_branch=double, else_branch=same),
        helper.make_node("Sigmoid", ["y"], ["mask"]),
    ]
    path = saved(graph_of(nodes, {"threshold": np.float32(0.5)}))
    with pytest.raises(UserError, match=r"the mask has shape \(1, 33, 48\), the magnitudes \(1, 33, 24\)"):
        check_contract(load_onnx(path), path)


@pytest.mark.parametrize("version", [999, 0, -3])
def test_an_opset_that_there_is_not(saved, version):
    def set_version(model, weights):
        model.opset_import[0].version = version

    assert refusal(saved(changed(set_version))).startswith(f"it has opset {version}, and 1 to ")


@pytest.mark.parametrize("kind", ["input", "output"])
def test_a_graph_without_inputs_or_outputs(saved, kind):
    def remove(model, weights):
        model.graph.ClearField(kind)

    assert refusal(saved(changed(remove))) == f"its graph has no {kind}; magnitudes go in and a mask comes out"
