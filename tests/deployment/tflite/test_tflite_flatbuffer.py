"""The bytes of .tflite files, read back by LiteRT's own generated schema."""

import numpy as np
import pytest

from int8_graphs import FORMS, PATH
from sezoo.deployment.tflite.array_source import array_source
from sezoo.deployment.tflite.flatbuffer import flatbuffer_of
from sezoo.deployment.tflite.lowerable import tflite_graph_of
from sezoo.deployment.tflite.lowering import lower_graph


def written(form="depthwise"):
    file = lower_graph(tflite_graph_of(FORMS[form](), PATH), PATH).file
    return file, flatbuffer_of(file, "a model")


def test_every_table_is_read_back():
    schema = pytest.importorskip("ai_edge_litert.schema_py_generated")
    file, data = written()
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(data, 0))
    assert (model.version, model.description) == (3, b"a model")
    (graph,) = model.subgraphs
    assert [each.name.decode() for each in graph.tensors] == [each.name for each in file.tensors]
    for ours, theirs in zip(file.tensors, graph.tensors, strict=True):
        assert tuple(theirs.shape) == ours.shape
        if ours.scales is not None:
            np.testing.assert_array_equal(theirs.quantization.scale, ours.scales)
            assert set(theirs.quantization.zeroPoint) == {ours.zero_point}
            assert theirs.quantization.quantizedDimension == ours.axis
        if ours.data is not None:
            stored = np.asarray(model.buffers[theirs.buffer].data, np.uint8)
            assert stored.tobytes() == ours.data.tobytes()
    names = {value: name for name, value in vars(schema.BuiltinOperator).items()}
    options = {value: name for name, value in vars(schema.BuiltinOptions).items()}
    for ours, theirs in zip(file.operators, graph.operators, strict=True):
        code = model.operatorCodes[theirs.opcodeIndex]
        assert names[code.builtinCode] == ours.kind.name and code.version == ours.kind.version
        assert (tuple(theirs.inputs), tuple(theirs.outputs)) == (ours.inputs, ours.outputs)
        if ours.kind.name == "DEPTHWISE_CONV_2D":
            assert options[theirs.builtinOptionsType] == "DepthwiseConv2DOptions"
            told = theirs.builtinOptions
            assert (told.padding, told.strideW, told.depthMultiplier) == tuple(
                ours.options[name] for name in ("padding", "stride_w", "multiplier")
            )
            assert (told.dilationHFactor, told.fusedActivationFunction) == (
                ours.options["dilation_h"],
                ours.options["activation"],
            )


@pytest.mark.parametrize("form", ["depthwise", "tables", "images"])
def test_constants_are_aligned(form):
    file, data = written(form)
    assert data[4:8] == b"TFL3"
    for tensor in file.tensors:
        if tensor.data is not None and tensor.data.nbytes >= 32:  # shorter ones are there by chance, too
            assert data.index(tensor.data.tobytes()) % 16 == 0


def test_the_array_has_every_byte():
    source = array_source("model", "model.h", bytes(range(256)))
    body = source[source.index("{") + 1 : source.index("}")]
    assert [int(number) for number in body.split(",") if number.strip()] == list(range(256))
    assert "model_length = 256;" in source
