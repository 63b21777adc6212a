"""The model with an index is edited as onnxruntime's own is, which goes through all of its nodes."""

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from onnxruntime.quantization.onnx_model import ONNXModel

from sezoo.quantization.graph.indexed_model import IndexedModel, find_by_name, onnxruntime_find_by_name

NAMES = [f"t{number}" for number in range(12)]
SOME = [f"n{number}" for number in range(0, 20, 3)]


def random_model(random):
    """Nodes that read any tensors, some of them twice and some none in between, and a few initializers."""
    nodes = [
        helper.make_node("Sum", list(random.choice([*NAMES, ""], 3)), [f"o{number}"], name=f"n{number}")
        for number in range(20)
    ]
    weights = [numpy_helper.from_array(np.float32([number]), NAMES[number]) for number in range(4)]
    return helper.make_model(helper.make_graph(nodes, "g", [], [], weights))


def edit(model, random):
    """One of the edits that a quantizer makes; what it gave."""
    kind, (old, new) = random.integers(10), random.choice(NAMES, 2)
    if kind == 0:
        return model.replace_input_of_all_nodes(old, new)
    if kind == 1:
        return model.replace_input_of_nodes(old, new, set(SOME))
    if kind == 2:
        return model.replace_node_input(model.nodes()[int(random.integers(len(model.nodes())))], old, new)
    if kind == 3:
        return model.add_nodes([helper.make_node("Relu", [old], [new], name=str(random.choice(SOME)))])
    if kind == 4:
        return model.add_initializer(numpy_helper.from_array(random.standard_normal(2), new))
    if kind == 5 and model.get_initializer(new) is None:
        return model.initializer_extend([numpy_helper.from_array(random.standard_normal(3), new)])
    if kind == 7:
        return model.replace_output_of_all_nodes(f"o{random.integers(20)}", new)
    if kind == 8 and len(model.nodes()) > 12:
        return model.remove_nodes([model.nodes()[int(random.integers(len(model.nodes())))]])
    tensor = model.get_initializer(old)
    if kind == 6 and tensor is not None:
        return model.remove_initializer(tensor)
    return tensor and tensor.SerializeToString()


def readers_of(model):
    """What reads each tensor, as often as it does."""
    return {name: sorted(str(node) for node in nodes) for name, nodes in model.input_name_to_nodes().items()}


def constants_of(model):
    """Each name's constant, as the quantizer asks for it."""
    find = find_by_name if isinstance(model, IndexedModel) else onnxruntime_find_by_name
    found = {name: find(name, model.initializer()) for name in NAMES}
    listed = [tensor.name for tensor in model.initializer()]
    return listed, {name: tensor and tensor.SerializeToString() for name, tensor in found.items()}


def test_other_lists_are_searched_as_onnxruntime_does():
    nodes = random_model(np.random.default_rng(0)).graph.node
    assert find_by_name("n3", nodes) is nodes[3]
    assert find_by_name("n20", nodes) is None


@pytest.mark.parametrize("seed", range(5))
def test_edits_are_those_of_onnxruntime(seed):
    source = random_model(np.random.default_rng(seed))
    models = [kind(onnx.ModelProto.FromString(source.SerializeToString())) for kind in (ONNXModel, IndexedModel)]
    for step in range(150):
        theirs, ours = (edit(model, np.random.default_rng([seed, step])) for model in models)
        assert theirs == ours
        theirs, ours = (readers_of(model) for model in models)
        assert theirs == ours
        theirs, ours = (constants_of(model) for model in models)
        assert theirs == ours
    theirs, ours = (model.model.SerializeToString(deterministic=True) for model in models)
    assert theirs == ours and theirs != source.SerializeToString(deterministic=True)
