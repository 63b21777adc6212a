"""The one-frame form of models of whole clips, against the whole clip in onnxruntime."""

from itertools import pairwise

import numpy as np
import onnx
import pytest

from mask_graphs import BINS, Graph, magnitudes
from recurrent_graphs import dynamic_int8, layer, static_int8
from sezoo.base.errors import UserError
from sezoo.cli.main import main
from sezoo.models.likely_states import guess_states
from sezoo.models.mask_model import MaskModel
from sezoo.models.states import states_of, with_states
from sezoo.models.streaming import streaming


def convolution(graph, source, name, inward, outward, *, kernel=3, dilation=1, pads=(0, 0)):
    weight = graph.random(f"{name}.w", outward, inward, kernel, fan_in=kernel * inward)
    inputs = [source, weight, graph.random(f"{name}.b", outward, fan_in=16)]
    return graph.node("Conv", inputs, name, kernel_shape=[kernel], dilations=[dilation], pads=list(pads))


def ints(graph, name, *values):
    return graph.weight(name, np.array(values, np.int64))


def recurrent_layer(graph, kind, source, name, inputs, hidden, **attributes):
    graph.node("Transpose", [source], f"{name}.frames_first", perm=[2, 0, 1])
    made = layer(graph, kind, f"{name}.frames_first", inputs, name, hidden=hidden, **attributes)
    graph.node("Squeeze", [made, ints(graph, f"{name}.axis", 1)], f"{name}.states")
    return graph.node("Transpose", [f"{name}.states"], f"{name}.channels_first", perm=[1, 2, 0])


def causal(kind="GRU"):
    """Causal convolutions as they are exported, by pads, by Pad, and by cutting off the end; and a recurrent layer."""
    graph = Graph(3)
    graph.node("Relu", [convolution(graph, "input", "by_pads", BINS, 12, pads=(2, 0))], "relu")
    graph.node("Pad", ["relu", ints(graph, "pads", 0, 0, 4, 0, 0, 0)], "padded")
    convolution(graph, "padded", "by_pad", 12, 12, dilation=2)
    graph.node("Add", ["relu", "by_pad"], "sum")
    convolution(graph, "sum", "longer", 12, 12, pads=(2, 2))
    cut = [ints(graph, f"cut.{key}", value) for key, value in (("start", 0), ("end", -2), ("axis", 2))]
    graph.node("Slice", ["longer", *cut], "cut")
    made = recurrent_layer(graph, kind, "cut", "layer", 12, 10)
    graph.node("Sigmoid", [graph.conv(made, "head", 10, BINS)], "mask")
    return graph.model()


@pytest.mark.parametrize("kind", ["GRU", "LSTM"])
def test_frame_by_frame_it_gives_what_it_gives_on_a_whole_clip(kind):
    whole, (clip,) = causal(kind), magnitudes(70)
    made = streaming(whole, "whole.onnx")
    assert MaskModel(made).frames == 1
    np.testing.assert_allclose(MaskModel(made).whole(clip), MaskModel(whole)(clip), rtol=1e-5, atol=1e-7)


def in_pieces(model, clip, lengths):
    run, starts = MaskModel(model).fresh(), np.cumsum([0, *lengths])
    pieces = [run(clip[:, :, start:end]) for start, end in pairwise(starts)]
    return np.concatenate(pieces, axis=2)


@pytest.mark.parametrize("kind", ["GRU", "LSTM"])
def test_in_pieces_of_any_length_it_gives_what_it_gives_on_a_whole_clip(kind):
    whole, (clip,) = causal(kind), magnitudes(70)
    made = streaming(whole, "whole.onnx", None)
    found = in_pieces(made, clip, [1, 1, 2, 17, 3, 45, 1])
    np.testing.assert_allclose(found, MaskModel(whole)(clip), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("kind", ["GRU", "LSTM"])
@pytest.mark.parametrize("wide", [False, True], ids=["8 bits", "16 bits"])
def test_an_int8_model_gives_the_same_integers_in_pieces(kind, wide):
    whole, (clip,) = dynamic_int8(causal(kind), wide=wide), magnitudes(70)
    expected = MaskModel(whole)(clip)
    for frames, lengths in ((1, [1] * 70), (None, [1, 1, 2, 17, 3, 45, 1])):
        made = streaming(whole, "int8.onnx", frames)
        differing = np.mean(in_pieces(made, clip, lengths) != expected)
        assert differing <= (0.002 if wide else 0)  # onnxruntime has sums of 16 bits in floats, whose order counts
    assert len(np.unique(expected)) > 20


def test_a_static_int8_model_of_many_frames():
    static, (clip,) = static_int8(causal(), 20), magnitudes(20)
    made = streaming(static, "static.onnx")
    np.testing.assert_array_equal(in_pieces(made, clip, [1] * 20), MaskModel(static)(clip))


@pytest.mark.skipif(onnx.defs.onnx_opset_version() < 23, reason="RMSNormalization came with opset 23")
def test_products_in_einsteins_notation_and_norms_of_root_mean_squares():
    graph = Graph(5)
    convolution(graph, "input", "first", BINS, 12, pads=(2, 0))
    graph.node("Transpose", ["first"], "turned", perm=[0, 2, 1])
    factor = graph.weight("factor", graph.rng.uniform(0.5, 1.5, 12).astype(np.float32))
    graph.node("RMSNormalization", ["turned", factor], "norm", axis=-1)
    graph.node("Reshape", ["norm", ints(graph, "groups", 0, 0, 2, 6)], "grouped")
    graph.node("Einsum", ["grouped", graph.random("weight", 2, 6, 6, fan_in=6)], "made", equation="bthd, hde -> bthe")
    graph.node("Reshape", ["made", ints(graph, "flat", 0, 0, 12)], "joined")
    graph.node("Transpose", ["joined"], "channels_first", perm=[0, 2, 1])
    graph.node("Sigmoid", [graph.conv("channels_first", "head", 12, BINS)], "mask")
    whole, (clip,) = graph.model(opset=23), magnitudes(40)
    np.testing.assert_allclose(
        MaskModel(streaming(whole, "whole.onnx")).whole(clip), MaskModel(whole)(clip), rtol=1e-5, atol=1e-6
    )


NO_ATTENTION = pytest.mark.skipif(onnx.defs.onnx_opset_version() < 23, reason="Attention came with opset 23")


def one_attention(shape, order=(0, 1, 2, 3), mask=None, **attributes):
    """Queries, keys and values of one convolution's 48 channels, reshaped to `shape` behind (1, frames, 48)."""
    graph = Graph(6)
    heads = []
    for name in ("query", "key", "value"):
        graph.node("Transpose", [graph.conv("input", name, BINS, 48)], f"{name}.turned", perm=[0, 2, 1])
        graph.node("Reshape", [f"{name}.turned", ints(graph, f"{name}.shape", *shape)], f"{name}.shaped")
        heads.append(graph.node("Transpose", [f"{name}.shaped"], f"{name}.heads", perm=list(order)))
    if mask is not None:
        heads.append(graph.weight("bias", mask))
    graph.node("Attention", heads, "mixed", **attributes)
    graph.node("Transpose", ["mixed"], "back", perm=[order.index(axis) for axis in range(len(order))])
    graph.node("Reshape", ["back", ints(graph, "flat", 1, -1, 48)], "joined")
    graph.node("Transpose", ["joined"], "channels_first", perm=[0, 2, 1])
    graph.node("Sigmoid", [graph.conv("channels_first", "head", 48, BINS)], "mask")
    return graph.model(opset=23, axes=(1, BINS, "frames"))


@NO_ATTENTION
@pytest.mark.parametrize(
    ("shape", "order", "attributes"),
    [
        ((-1, 6, 2, 4), (0, 2, 1, 3), {}),
        ((-1, 6, 2, 4), (0, 2, 1, 3), {"mask": np.linspace(-2, 2, 36, dtype=np.float32).reshape(6, 6)}),
        ((1, -1, 6, 8), (0, 1, 2, 3), {}),
        ((-1, 6, 8), (0, 1, 2), {"q_num_heads": 2, "kv_num_heads": 2}),
    ],
    ids=["frames in the batch", "with a mask", "frames as heads", "heads as an attribute"],
)
def test_attention_within_a_frame_as_one_operator(shape, order, attributes):
    whole, (clip,) = one_attention(shape, order, **attributes), magnitudes(40)
    np.testing.assert_allclose(
        MaskModel(streaming(whole, "whole.onnx")).whole(clip), MaskModel(whole)(clip), rtol=1e-5, atol=1e-6
    )


@NO_ATTENTION
def test_attention_over_frames_as_one_operator():
    with pytest.raises(UserError, match=r"Attention .node_mixed. sets every frame against every other"):
        streaming(one_attention((1, -1, 4, 12), (0, 2, 1, 3)), "whole.onnx")


def test_the_states_are_carried_and_found_by_their_names():
    made = streaming(causal("LSTM"), "whole.onnx")
    states = states_of(made)
    assert len(states) == 5  # three convolutions, h and c
    bare = onnx.ModelProto()
    bare.CopyFrom(made)
    del bare.metadata_props[:]
    assert guess_states(bare) == states


def test_a_transposed_convolution_over_time():
    graph = Graph(1)
    weight = graph.random("up.w", BINS, BINS, 3, fan_in=BINS)
    graph.node("ConvTranspose", ["input", weight, graph.random("up.b", BINS, fan_in=16)], "up", kernel_shape=[3])
    cut = [ints(graph, f"cut.{key}", value) for key, value in (("start", 0), ("end", -2), ("axis", 2))]
    graph.node("Sigmoid", [graph.node("Slice", ["up", *cut], "cut")], "mask")
    whole, (clip,) = graph.model(), magnitudes(50)
    made = streaming(whole, "whole.onnx")
    np.testing.assert_allclose(MaskModel(made).whole(clip), MaskModel(whole)(clip), rtol=1e-5, atol=1e-7)


def late(graph, source, name, frames, *, first="Pad"):
    """Frames of zeros before a tensor (1, bins, frames), and as many taken off at the end."""
    pads, cut = ints(graph, f"{name}.pads", 0, 0, frames, 0, 0, 0), [0, -frames, 2]
    bounds = [ints(graph, f"{name}.{key}", value) for key, value in zip(("start", "end", "axis"), cut, strict=True)]
    if first == "Pad":
        return graph.node("Slice", [graph.node("Pad", [source, pads], f"{name}.long"), *bounds], name)
    return graph.node("Pad", [graph.node("Slice", [source, *bounds], f"{name}.short"), pads], name)


def this_frame_beside_two_others(graph):
    inner = graph.node("Relu", [graph.conv("input", "in", BINS, 12)], "inner")
    near, far = late(graph, inner, "near", 1, first="Slice"), late(graph, inner, "far", 3)
    both = graph.node("Concat", [inner, near, far], "both", axis=1)
    mixed = graph.conv(both, "mixed", 36, 12)
    return graph.node("Add", [graph.node("Add", [mixed, far], "one sum"), far], "summed")


def late_before_a_causal_convolution(graph):
    inner = graph.conv(late(graph, "input", "late", 2), "in", BINS, 12)
    wide = convolution(graph, graph.node("Sigmoid", [inner], "half"), "wide", 12, 12, pads=(5, 0))
    return graph.node("Slice", [wide, *(ints(graph, f"wide.{value}", value) for value in (0, -3, 2))], "cut")


def zeros_before_functions_before_a_causal_convolution(graph):
    padded = graph.node("Pad", ["input", ints(graph, "pads", 0, 0, 2, 0, 0, 0)], "padded")
    both = graph.node("Concat", [graph.node("Relu", [padded], "positive"), padded], "both", axis=1)
    return convolution(graph, both, "wide", 2 * BINS, 12, pads=(0, 0))


def late_before_a_layer(graph):
    turned = graph.node("Transpose", [late(graph, "input", "late", 2)], "frames first", perm=[2, 0, 1])
    states = graph.node("Squeeze", [layer(graph, "GRU", turned, BINS, "layer"), ints(graph, "one", 1)], "states")
    return graph.node("Transpose", [states], "channels first", perm=[1, 2, 0])


@pytest.mark.parametrize("frames", [1, None], ids=["frame by frame", "in pieces"])
@pytest.mark.parametrize(
    ("inner", "states"),
    [
        (this_frame_beside_two_others, 2),
        (late_before_a_causal_convolution, 3),
        (zeros_before_functions_before_a_causal_convolution, 1),
        (late_before_a_layer, 2),
    ],
)
def test_tensors_some_frames_late(inner, states, frames):
    graph = Graph(2)
    graph.node("Sigmoid", [graph.conv(inner(graph), "head", 12, BINS)], "mask")
    whole, (clip,) = graph.model(axes=(1, BINS, "frames")), magnitudes(50)
    made = streaming(whole, "whole.onnx", frames)
    assert len(states_of(made)) == states
    run = MaskModel(made).fresh()
    pieces = np.split(clip, range(1, 50) if frames else [2, 3, 40], axis=2)
    found = np.concatenate([run(piece) for piece in pieces], axis=2)
    np.testing.assert_allclose(found, MaskModel(whole)(clip), rtol=1e-5, atol=1e-7)


def look_ahead():
    graph = Graph(0)
    graph.node("Sigmoid", [convolution(graph, "input", "wide", BINS, BINS, pads=(1, 1))], "mask")
    return graph.model()


def bidirectional():
    graph = Graph(0)
    graph.node("Transpose", ["input"], "frames_first", perm=[2, 0, 1])
    weights = [graph.random(f"both.{part}", 2, *shape) for part, shape in (("w", (30, BINS)), ("r", (30, 10)))]
    graph.node("GRU", ["frames_first", *weights], "both", hidden_size=10, direction="bidirectional")
    graph.node("ReduceMean", ["both"], "mean", axes=[1], keepdims=0)
    made = graph.node("Transpose", ["mean"], "channels_first", perm=[1, 2, 0])
    graph.node("Sigmoid", [graph.conv(made, "head", 10, BINS)], "mask")
    return graph.model()


def mean_over_frames():
    graph = Graph(0)
    graph.node("ReduceMean", ["input"], "mean", axes=[2])
    graph.node("Sigmoid", [graph.node("Sub", ["input", "mean"], "centred")], "mask")
    return graph.model()


def attention():
    graph = Graph(0)
    graph.node("Transpose", ["input"], "turned", perm=[0, 2, 1])
    graph.node("Softmax", [graph.node("MatMul", ["turned", "input"], "scores")], "weights", axis=-1)
    graph.node("Sigmoid", [graph.node("MatMul", ["input", "weights"], "attended")], "mask")
    return graph.model()


def not_from_zeros():
    graph = Graph(0)
    graph.node("Transpose", ["input"], "frames_first", perm=[2, 0, 1])
    start = graph.weight("start", np.ones((1, 1, 12), np.float32))
    layer(graph, "GRU", "frames_first", BINS, "layer", initial=[start])
    graph.node("Squeeze", ["layer", ints(graph, "axis", 1)], "states")
    made = graph.node("Transpose", ["states"], "channels_first", perm=[1, 2, 0])
    graph.node("Sigmoid", [graph.conv(made, "head", 12, BINS)], "mask")
    return graph.model(axes=(1, BINS, "seq_len"))


@pytest.mark.parametrize(
    ("made", "node", "remedy"),
    [
        (look_ahead, "Conv 'node_wide' looks 1 frame ahead", "causal convolution"),
        (bidirectional, "GRU 'node_both' is bidirectional over frames", "one direction"),
        (mean_over_frames, "ReduceMean 'node_mean' works over all frames", "running mean"),
        (attention, "MatMul 'node_scores' sets every frame against every other", "look back only"),
        (not_from_zeros, "GRU 'layer' begins with a state that is not zero", "begin with zeros"),
    ],
)
def test_what_cannot_be_made_is_one_line_with_node_and_remedy(made, node, remedy):
    with pytest.raises(UserError) as error:
        streaming(made(), "whole.onnx")
    assert node in str(error.value) and remedy in str(error.value) and "\n" not in str(error.value)


def test_a_product_in_einsteins_notation_over_frames():
    graph = Graph(5)
    graph.node("Einsum", ["input", "input"], "scores", equation="bft,bfs->bts")
    graph.node("Softmax", ["scores"], "shares", axis=-1)
    graph.node("Einsum", ["input", "shares"], "mask", equation="bfs,bts->bft")
    with pytest.raises(UserError, match=r"Einsum .node_scores. sets every frame against every other"):
        streaming(graph.model(), "whole.onnx")


def test_one_that_has_states_already():
    model = with_states(look_ahead(), {"input": "mask"})
    with pytest.raises(UserError, match="states of its own already"):
        streaming(model, "whole.onnx")


def test_by_the_command(tmp_path, capsys):
    path = tmp_path / "whole.onnx"
    onnx.save(causal(), path)
    main(["model", str(path), "--streaming"])
    assert "one frame a call, with 4 states" in " ".join(capsys.readouterr().out.split())
    assert MaskModel(tmp_path / "whole_streaming.onnx").stateful
    with pytest.raises(SystemExit, match="2"):
        main(["model", str(path), "--streaming"])
    assert "already exists" in capsys.readouterr().err
