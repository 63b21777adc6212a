"""Layers as matrices: weights times columns are the outputs that onnxruntime gives."""

import numpy as np
import onnx
import pytest

import foreign_graphs
import mask_graphs as graphs
from quantizers import ready
from sezoo.models.onnx_graph import float_weights
from sezoo.quantization.fidelity.probe import tensors_of
from sezoo.quantization.graph.linear_layers import linear_layers, without_layers_before

MODELS = {"tcnn": graphs.tcnn, "viewed": graphs.viewed, **foreign_graphs.PLAIN}


def outputs_at(layer, output, positions):
    """Channels by positions."""
    channels_last = np.moveaxis(output[0], 0, -1) if layer.op_type == "Conv" else output
    return channels_last.reshape(-1, channels_last.shape[-1])[positions].T


@pytest.mark.parametrize("name", MODELS)
def test_a_matrix_times_columns_is_the_output(name):
    prepared, _ = ready(MODELS[name](seed=3))
    layers, weights = linear_layers(prepared), float_weights(prepared.graph)
    assert layers
    names = [*(layer.input for layer in layers), *(layer.output for layer in layers)]
    ((_, values),) = tensors_of(prepared, names)(graphs.magnitudes(23)[0])
    for layer, value, output in zip(layers, values, values[len(layers) :], strict=False):
        matrix = layer.matrix(weights[layer.weight])
        assert matrix.shape == layer.matrix_shape
        np.testing.assert_array_equal(layer.stored(matrix), weights[layer.weight])
        total = layer.positions(output.shape)
        positions = np.sort(np.random.default_rng(0).choice(total, min(17, total), replace=False))
        made = matrix @ layer.columns(value, output.shape, positions)
        if layer.op_type != "MatMul" and layer.bias is not None:
            made += weights[layer.bias].reshape(layer.groups, -1, 1)
        np.testing.assert_allclose(
            made.reshape(-1, len(positions)), outputs_at(layer, output, positions), rtol=1e-3, atol=1e-4
        )


def test_strides_and_uneven_padding():
    graph = graphs.Graph(0)
    weight = graph.random("weight", 6, 11, 3, fan_in=33)
    settings = {"kernel_shape": [3], "dilations": [2], "pads": [3, 1], "strides": [2], "group": 3}
    graph.node("Conv", ["input", weight], "mask", **settings)
    model = onnx.shape_inference.infer_shapes(graph.model(declare_mask=False))
    (layer,) = linear_layers(model)
    magnitude = np.random.default_rng(1).random((1, 33, 21), np.float32)
    ((_, (output,)),) = tensors_of(model, ["mask"])(magnitude)
    positions = np.arange(layer.positions(output.shape))
    made = layer.matrix(float_weights(model.graph)["weight"]) @ layer.columns(magnitude, output.shape, positions)
    np.testing.assert_allclose(made.reshape(output.shape[1:]), output[0], rtol=1e-4, atol=1e-5)


def test_first_layers():
    prepared, _ = ready(graphs.tcnn(blocks=2))
    layers = linear_layers(prepared)
    assert without_layers_before(prepared, layers) == layers[:1]
