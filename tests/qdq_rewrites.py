"""Static QDQ models rewritten into the forms of other quantizers and exporters; the model given is not changed."""

import numpy as np
import onnx
from onnx import TensorProto, helper

from sezoo.models.onnx_graph import copy_model, initializers, layout, producers, set_weights


def _activation_zeros(model):
    """The names of the zero points of what depends on the input."""
    made = producers(model.graph)
    quantizers = [node for node in model.graph.node if node.op_type == "QuantizeLinear"]
    return {node.input[2] for node in quantizers} & initializers(model.graph).keys() - made.keys()


def with_unsigned_activations(model):
    """int8 and int16 activations as uint8 and uint16."""
    model, weights = copy_model(model), initializers(model.graph)
    wider = {"int8": (np.uint8, 128), "int16": (np.uint16, 32768)}
    for name in _activation_zeros(model):
        kind, offset = wider[weights[name].dtype.name]
        set_weights(model.graph, {name: (weights[name].astype(np.int32) + offset).astype(kind)})
    del model.graph.value_info[:]  # the types of integers among them
    return model


def _convolutions(model):
    """Conv nodes, and what dequantizes their weights."""
    made = producers(model.graph)
    return [(node, made[node.input[1]]) for node in model.graph.node if node.op_type == "Conv"]


def with_float_biases(model):
    """Biases that nothing has rounded."""
    model = copy_model(model)
    made, weights = producers(model.graph), initializers(model.graph)
    for node in model.graph.node:
        if node.op_type == "Conv" and len(node.input) > 2:
            integers, scale = (weights[name] for name in made[node.input[2]].input[:2])
            node.input[2] = f"{node.input[2]}/float"
            set_weights(model.graph, {node.input[2]: (integers * scale * np.float32(1.01)).astype(np.float32)})
    return model


def with_int4_weights(model):
    """The uppermost four bits of the weights."""
    model, weights = copy_model(model), initializers(model.graph)
    model.ir_version, model.opset_import[0].version = 10, 21
    for node, quantizer in _convolutions(model):
        bias = producers(model.graph)[node.input[2]]
        coarse = {bias.input[0]: np.rint(weights[bias.input[0]] / 16).astype(np.int32)}
        set_weights(model.graph, coarse | {bias.input[1]: weights[bias.input[1]] * np.float32(16)})
        names = [quantizer.input[0], quantizer.input[2]]
        values, scale = weights[names[0]], weights[quantizer.input[1]]
        kept = np.clip(np.rint(values.astype(np.float32) / 16), -8, 7)
        set_weights(model.graph, {quantizer.input[1]: scale * np.float32(16)})
        for weight in model.graph.initializer:
            if weight.name in names:
                array = kept if weight.name == names[0] else np.zeros(weights[names[1]].shape)
                weight.CopyFrom(
                    helper.make_tensor(weight.name, TensorProto.INT4, array.shape, array.ravel().astype(int))
                )
    del model.graph.value_info[:]
    return model


def with_weight_zero_points(model, zero, kind=np.int8):
    """Weights less by a number, which their zero points make good as far as the type goes."""
    model, weights = copy_model(model), initializers(model.graph)
    for _, quantizer in _convolutions(model):
        values, _, zeros = (weights[name] for name in quantizer.input)
        limits = np.iinfo(kind)
        moved = np.clip(values.astype(np.int32) + zero, limits.min, limits.max).astype(kind)
        set_weights(model.graph, {quantizer.input[0]: moved, quantizer.input[2]: np.full(zeros.shape, zero, kind)})
    del model.graph.value_info[:]
    return model


def with_quantizers_of_weights(model):
    """Float weights with a QuantizeLinear and a DequantizeLinear behind, as training with quantizers leaves them."""
    model, weights = copy_model(model), initializers(model.graph)
    nodes = []
    for _, quantizer in _convolutions(model):
        values, scale, _ = (weights[name] for name in quantizer.input)
        shape = (-1, *[1] * (values.ndim - 1)) if scale.ndim else ()
        name = quantizer.input[0]
        set_weights(model.graph, {f"{name}/float": values.astype(np.float32) * scale.reshape(shape)})
        quantizer.input[0] = f"{name}/integers"
        inputs = [f"{name}/float", *quantizer.input[1:]]
        nodes.append(helper.make_node("QuantizeLinear", inputs, [quantizer.input[0]], f"{name}/quantize", axis=0))
    rest = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend([*nodes, *rest])
    return model


def without_last_quantizer(model):
    """A mask in float: the pair before the output is taken out."""
    model = copy_model(model)
    made, mask = producers(model.graph), model.graph.output[0].name
    last = [made[mask]]
    while last[-1].op_type in ("DequantizeLinear", "QuantizeLinear"):
        last.append(made[last[-1].input[0]])
    *pair, function = last
    for node in pair:
        model.graph.node.remove(node)
    function.output[0] = mask
    return model


def with_pads_apart(model, *, rounded):
    """The convolutions' zeros are put there by Pad nodes, which have quantizers behind them or not."""
    model = copy_model(model)
    nodes = []
    for node in model.graph.node:
        pads = next((entry for entry in node.attribute if entry.name == "pads"), None)
        if node.op_type == "Conv" and pads is not None and any(pads.ints):
            half = len(pads.ints) // 2
            name, source = f"{node.output[0]}/pad", node.input[0]
            set_weights(model.graph, {f"{name}/pads": np.array([0, 0, *pads.ints[:half], 0, 0, *pads.ints[half:]])})
            nodes.append(helper.make_node("Pad", [source, f"{name}/pads"], [name], name))
            node.attribute.remove(pads)
            if rounded:
                constants = producers(model.graph)[source].input[1:]
                nodes.append(helper.make_node("QuantizeLinear", [name, *constants], [f"{name}/q"], f"{name}/q"))
                nodes.append(
                    helper.make_node("DequantizeLinear", [f"{name}/q", *constants], [f"{name}/dq"], f"{name}/dq")
                )
            node.input[0] = nodes[-1].output[0]
        nodes.append(node)
    nodes = [_copy(node) for node in nodes]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return model


def with_zeros_joined(model, value=0.0):
    """The zeros before the first frame come from a Concat: of convolutions over time with pads there alone."""
    model = copy_model(model)
    nodes = []
    for node in [_copy(node) for node in model.graph.node]:
        pads = next((entry for entry in node.attribute if entry.name == "pads"), None)
        if node.op_type == "Conv" and pads is not None and any(pads.ints):
            name, source = f"{node.output[0]}/joined", node.input[0]
            channels = layout(model)[source][1]
            set_weights(model.graph, {f"{name}/zeros": np.full((1, channels, pads.ints[0]), value, np.float32)})
            nodes.append(helper.make_node("Concat", [f"{name}/zeros", source], [name], name, axis=2))
            node.attribute.remove(pads)
            node.input[0] = name
        nodes.append(node)
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return model


def spliced(model, tensor, *nodes):
    """Nodes, each an operator, its inputs and its output, behind a tensor; its readers get what the last one makes."""
    model = copy_model(model)
    made = [helper.make_node(op_type, inputs, [output], output) for op_type, inputs, output in nodes]
    rest = [_copy(node) for node in model.graph.node]
    readers = [node for node in rest if tensor in node.input]
    for node in readers:
        node.input[:] = [made[-1].output[0] if name == tensor else name for name in node.input]
    at = rest.index(readers[0])
    del model.graph.node[:]
    model.graph.node.extend([*rest[:at], *made, *rest[at:]])
    return model


def rounded(source, scale, zero):
    """The nodes of a quantizer, as `spliced` takes them; what they make is called so with "_dq" behind."""
    return (
        ("QuantizeLinear", [source, scale, zero], f"{source}_q"),
        ("DequantizeLinear", [f"{source}_q", scale, zero], f"{source}_dq"),
    )


def with_activations(model, op_type, *limits):
    """An activation between every convolution but the last and its quantizer."""
    model = copy_model(model)
    nodes = [_copy(node) for node in model.graph.node]
    convs = [node for node in nodes if node.op_type == "Conv"][:-1]
    names = [f"limit/{number}" for number in range(len(limits))]
    set_weights(model.graph, {name: np.array(limit, np.float32) for name, limit in zip(names, limits, strict=True)})
    for conv in convs:
        inner, outer = f"{conv.output[0]}/inner", conv.output[0]
        conv.output[0] = inner
        nodes.insert(nodes.index(conv) + 1, helper.make_node(op_type, [inner, *names], [outer], f"{outer}/{op_type}"))
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return model


def _copy(node):
    copy = onnx.NodeProto()
    copy.CopyFrom(node)
    return copy
