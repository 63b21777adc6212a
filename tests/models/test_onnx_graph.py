import numpy as np
from onnx import TensorProto, helper, numpy_helper

from sezoo.models.onnx_graph import keep_needed
from sezoo.models.onnx_session import open_session


def test_only_what_outputs_depend_on_is_kept():
    x, y, branch = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n"]) for name in ("x", "y", "branch"))
    choose = helper.make_graph([helper.make_node("Mul", ["early", "two"], ["branch"])], "choose", [], [branch])
    nodes = [
        helper.make_node("Add", ["x", "one"], ["early"]),
        helper.make_node("Mul", ["early", "unused"], ["late"]),
        helper.make_node("If", ["yes"], ["y"], then_branch=choose, else_branch=choose),
    ]
    constants = {"one": np.float32(1), "two": np.float32(2), "unused": np.float32(3), "yes": np.bool_(True)}
    weights = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    model = helper.make_model(
        helper.make_graph(nodes, "g", [x], [y], weights), opset_imports=[helper.make_opsetid("", 17)], ir_version=8
    )
    keep_needed(model.graph)
    assert [node.op_type for node in model.graph.node] == ["Add", "If"]
    assert {weight.name for weight in model.graph.initializer} == {"one", "two", "yes"}
    np.testing.assert_array_equal(open_session(model).run(None, {"x": np.ones(3, "f")})[0], [4, 4, 4])
