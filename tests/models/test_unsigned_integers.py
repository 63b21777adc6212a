"""Equal results are shown in test_onnx_session; here, what is changed and what is left alone."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from int8_graphs import small, static_int8
from sezoo.models.nested_graphs import graphs_of
from sezoo.models.onnx_graph import initializers
from sezoo.models.onnx_session import open_session
from sezoo.models.unsigned_integers import with_unsigned_integers

FLOATS = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n"])


def rounding(*nodes, weights=(), inputs=(FLOATS,), output=TensorProto.FLOAT):
    """A model whose "y" is made by the nodes of an int8 tensor "q", with a scale of 0.1 and the zero point 3."""
    first = [] if any(node.output[0] == "q" for node in nodes) else [node("QuantizeLinear", "x scale zero", "q")]
    constants = {"scale": np.float32(0.1), "zero": np.int8(3), **dict(weights)}
    graph = helper.make_graph(
        [*first, *nodes],
        "rounding",
        list(inputs),
        [helper.make_tensor_value_info("y", output, None)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def node(operator, inputs, output, **attributes):
    return helper.make_node(operator, inputs.split(), [output], name=output, **attributes)


def same_results(model, changed):
    x = np.linspace(-20, 20, 97, dtype=np.float32)
    for optimization in ("none", "basic"):
        results = [open_session(each, optimization=optimization).run(None, {"x": x})[0] for each in (model, changed)]
        np.testing.assert_array_equal(*results)


def test_integers_and_zero_points_move_by_128():
    model = rounding(node("DequantizeLinear", "q scale zero", "y"))
    changed = with_unsigned_integers(model)
    (zero,) = [array for array in initializers(changed.graph).values() if array.dtype == np.uint8]
    assert zero == 131
    same_results(model, changed)


def test_weights_without_a_zero_point_get_one():
    weights = {"w": np.array([-128, 5, 127], np.int8), "w_scale": np.float32(0.5), "at": np.array([0, 1, 2])}
    nodes = [
        node("DequantizeLinear", "w w_scale", "w_float"),
        node("DequantizeLinear", "q scale zero", "q_float"),
        node("Gather", "q_float at", "three"),
        node("Add", "three w_float", "y"),
    ]
    model = rounding(*nodes, weights=weights)
    changed = with_unsigned_integers(model)
    assert not any(weight.data_type == TensorProto.INT8 for weight in changed.graph.initializer)
    assert [each.op_type for each in changed.graph.node][-1] == "Sum"
    same_results(model, changed)


def test_movements_are_followed():
    nodes = [node("Concat", "q q", "twice", axis=0), node("DequantizeLinear", "twice scale zero", "y")]
    model = rounding(*nodes)
    changed = with_unsigned_integers(model)
    assert changed is not model
    same_results(model, changed)


BODY = helper.make_graph(
    [node("Identity", "q", "b")], "body", [], [helper.make_tensor_value_info("b", TensorProto.INT8, None)]
)


@pytest.mark.parametrize(
    "model",
    [
        rounding(node("Cast", "q", "y", to=TensorProto.FLOAT)),
        rounding(node("Identity", "q", "y"), output=TensorProto.INT8),
        rounding(
            node("DequantizeLinear", "q scale zero", "y"),
            inputs=[helper.make_tensor_value_info("q", TensorProto.INT8, ["n"])],
        ),
        rounding(
            node("Constant", "", "c", value=numpy_helper.from_array(np.int8(3))),
            node("DequantizeLinear", "q scale c", "y"),
        ),
        rounding(
            node("If", "x", "r", then_branch=BODY, else_branch=BODY), node("DequantizeLinear", "r scale zero", "y")
        ),
    ],
    ids=["another reader", "a result", "an input", "a constant of a node", "a body"],
)
def test_other_uses_of_integers_leave_the_model_alone(model):
    assert with_unsigned_integers(model) is model


def test_float_models_are_left_alone_and_int8_ones_are_not_changed_in_place():
    float_model = rounding(node("Identity", "x", "y"), node("Identity", "x", "q"))
    del float_model.graph.initializer[:]
    assert with_unsigned_integers(float_model) is float_model
    model = static_int8(small())
    before = model.SerializeToString()
    assert with_unsigned_integers(model) is not model
    assert model.SerializeToString() == before


def test_sums_of_whole_numbers_stay():
    """A Sum of int64 is no operator: as GTCRN's recurrent layers compute their shapes, say."""
    nodes = [
        node("DequantizeLinear", "q scale zero", "q_float"),
        node("Shape", "x", "frames"),
        node("Add", "frames one", "more"),
        node("Sub", "more one", "frames_again"),
        node("Reshape", "q_float frames_again", "reshaped"),
        node("Add", "reshaped q_float", "y"),
    ]
    model = rounding(*nodes, weights={"one": np.array([1])})
    changed = with_unsigned_integers(model)
    assert [each.op_type for each in changed.graph.node if each.op_type in ("Add", "Sum")] == ["Add", "Sum"]
    same_results(model, changed)


def twice_the_same_weights(*, kind=np.int16):
    """ "q" counts in int16; two nodes read the same int8 weights, as scale and variance of a BatchNormalization may."""
    weights = {"w": np.array([-128, 5, 127], np.int8), "w_scale": np.float32(0.5), "w_zero": np.int8(0)}
    nodes = [
        node("QuantizeLinear", "x scale wide_zero", "q", output_dtype=0),
        node("DequantizeLinear", "q scale wide_zero", "q_float"),
        node("DequantizeLinear", "w w_scale w_zero", "once"),
        node("DequantizeLinear", "w w_scale w_zero", "again"),
        node("ReduceSum", "once", "sum", keepdims=0),
        node("ReduceMax", "again", "max", keepdims=0),
        node("Mul", "q_float sum", "product"),
        node("Add", "product max", "y"),
    ]
    model = rounding(*nodes, weights={**weights, "wide_zero": kind(3)})
    model.opset_import[0].version, model.ir_version = 21, 10
    return model


def test_a_type_that_is_left_to_the_zero_point_hinders_nothing():
    model = twice_the_same_weights()
    changed = with_unsigned_integers(model)
    assert not any(array.dtype == np.int8 for name, array in initializers(changed.graph).items() if name != "zero")
    same_results(model, changed)


def test_weights_that_are_read_twice_open_where_they_stay_signed():
    model = twice_the_same_weights()
    model.graph.output.append(helper.make_tensor_value_info("w_again", TensorProto.INT8, [3]))  # so all of them stay
    model.graph.node.append(node("Identity", "w", "w_again"))
    changed = with_unsigned_integers(model)
    weights = [name for name, array in initializers(changed.graph).items() if array.shape == (3,)]
    assert len(weights) == 3 and changed.graph.node[2].input[0] != changed.graph.node[3].input[0]
    same_results(model, changed)
    open_session(model)


def rows_through_products(*, form, inside, outside_too):
    """A Scan over rows, each of which goes through the same int8 weights twice, in QDQ form or in QOperators."""
    values = {
        "w": np.random.default_rng(0).integers(-127, 128, (64, 64)).astype(np.int8),
        "w_scale": np.float32(0.01), "w_zero": np.int8(0), "scale": np.float32(0.05), "zero": np.uint8(128),
    }  # fmt: skip
    weights = [numpy_helper.from_array(np.asarray(value), name) for name, value in values.items()]

    def product(source, name, output):
        rounding, scaled = "scale zero", f"{name}_r scale zero"
        q, d, w, m, r = (f"{name}_{part}" for part in "qdwmr")
        middle = {
            "QDQ": [
                node("DequantizeLinear", f"{q} {rounding}", d),
                node("DequantizeLinear", "w w_scale w_zero", w),
                node("MatMul", f"{d} {w}", m),
                node("QuantizeLinear", f"{m} {rounding}", r),
            ],
            "QOperator": [node("QLinearMatMul", f"{q} {rounding} w w_scale w_zero {rounding}", r)],
        }[form]
        return [
            node("QuantizeLinear", f"{source} {rounding}", q), *middle, node("DequantizeLinear", scaled, output)
        ]  # fmt: skip

    row = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, 64]) for name in ("before", "after")]
    body = helper.make_graph(
        [*product("before", "one", "between"), *product("between", "two", "after")],
        "body", row[:1], row[1:], weights if inside else [],
    )  # fmt: skip
    first = product("x", "outside", "rows") if outside_too else [node("Identity", "x", "rows")]
    graph = helper.make_graph(
        [*first, node("Scan", "rows", "y", body=body, num_scan_inputs=1)],
        "products",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 1, 64])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [] if inside else weights,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def exact_products(x, count):
    """What `rows_through_products` gives, in NumPy's integers: onnxruntime's as written saturate without VNNI."""
    weights = np.random.default_rng(0).integers(-127, 128, (64, 64))
    for _ in range(count):
        integers = np.clip(np.rint(x / np.float32(0.05)), -128, 127).astype(np.int64)
        x = (np.clip(np.rint(integers @ weights * 0.01), -128, 127) * 0.05).astype(np.float32)
    return x


@pytest.mark.parametrize("form", ["QDQ", "QOperator"])
@pytest.mark.parametrize(("inside", "outside_too"), [(True, False), (False, False), (False, True)])
def test_nodes_of_bodies_get_weights_that_onnxruntime_makes_unsigned(form, inside, outside_too, tmp_path):
    """Left signed they gave other masks on processors without VNNI, and two readers of one weight were refused."""
    model = rows_through_products(form=form, inside=inside, outside_too=outside_too)
    opened = open_session(model, optimized_model_path=tmp_path / "optimized.onnx")
    for graph in graphs_of(onnx.load(tmp_path / "optimized.onnx").graph):
        assert not [weight.name for weight in graph.initializer if weight.data_type == TensorProto.INT8]
    x = np.random.default_rng(1).standard_normal((3, 1, 64)).astype(np.float32)
    expected = exact_products(x, 3 if outside_too else 2)
    np.testing.assert_allclose(opened.run(None, {"x": x})[0], expected, atol=0.251)  # steps at products' edges
