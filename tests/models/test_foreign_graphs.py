import numpy as np
import onnx
import onnxruntime
import pytest

import foreign_graphs
from foreign_graphs import PLAIN, conv_net_of_opset, decomposed_lstm_with_states, gru_with_layer_norm
from mask_graphs import BINS, magnitudes
from sezoo.base.errors import UserError
from sezoo.models.onnx_checks import check_declarations
from sezoo.models.onnx_session import open_session

STATES = ("h_in", "c_in")


def streamed(session, clip, hidden=16):
    """The mask of a clip by a network of one frame a call, its states carried along."""
    states = dict.fromkeys(STATES, np.zeros((len(clip), hidden), np.float32))
    masks = []
    for frame in range(clip.shape[2]):
        mask, *after = session.run(None, {"input": clip[:, :, frame : frame + 1], **states})
        states = dict(zip(STATES, after, strict=True))
        masks.append(mask)
    return np.concatenate(masks, axis=2)


def varies_over_frames(mask):
    return mask.std(axis=2).mean() > 0.05


def op_types(model):
    return {node.op_type for node in model.graph.node}


@pytest.mark.parametrize("builder", PLAIN.values(), ids=PLAIN)
def test_a_valid_model_masks_any_number_of_clips_and_frames_and_follows_the_signal(builder):
    model = builder()
    onnx.checker.check_model(model, full_check=True)
    session = open_session(model)
    for length in (40, 101):
        clip = np.concatenate(magnitudes(length, length, seed=length))
        (mask,) = session.run(None, {"input": clip})
        assert mask.shape == clip.shape
        assert mask.min() >= 0
        assert mask.max() <= 1
        assert varies_over_frames(mask)
        assert np.allclose(mask[1:], session.run(None, {"input": clip[1:]})[0], atol=1e-5)


@pytest.mark.parametrize("builder", PLAIN.values(), ids=PLAIN)
def test_a_seed_makes_the_model(builder):
    assert builder(seed=3).SerializeToString() == builder(seed=3).SerializeToString()
    assert builder(seed=3).SerializeToString() != builder(seed=4).SerializeToString()


@pytest.mark.parametrize("slices", [False, True])
def test_the_network_with_states_runs_frame_by_frame_and_remembers(slices):
    model = decomposed_lstm_with_states(slices=slices)
    onnx.checker.check_model(model, full_check=True)
    assert ("Slice" in op_types(model)) == slices
    session = open_session(model)
    assert [source.name for source in session.get_inputs()] == ["input", "h_in", "c_in"]
    assert [target.name for target in session.get_outputs()] == ["mask", "h_out", "c_out"]
    for length in (40, 101):
        clip = np.concatenate(magnitudes(length, length, seed=length))
        mask = streamed(session, clip)
        assert varies_over_frames(mask)
        assert np.abs(mask[:, :, 20:] - streamed(session, clip[:, :, 20:])).max() > 0.01


def test_splits_and_slices_cut_the_same_gates():
    clip = magnitudes(20)[0]
    masks = [streamed(open_session(decomposed_lstm_with_states(slices=slices)), clip) for slices in (False, True)]
    assert np.allclose(*masks, atol=1e-6)


def test_the_decomposed_layer_norm_computes_what_the_operator_does():
    clip = magnitudes(30)[0]
    models = [gru_with_layer_norm(opset=opset) for opset in (16, 17)]
    assert [("LayerNormalization" in op_types(model)) for model in models] == [False, True]
    masks = [open_session(model).run(None, {"input": clip})[0] for model in models]
    assert np.allclose(*masks, atol=1e-4)


def test_every_opset_spells_the_same_network():
    clip = magnitudes(30)[0]
    models = [conv_net_of_opset(opset) for opset in range(11, 22)]
    masks = [open_session(model).run(None, {"input": clip})[0] for model in models]
    for model, mask in zip(models, masks, strict=True):
        onnx.checker.check_model(model, full_check=True)
        assert np.allclose(mask, masks[0], atol=1e-5)


def test_the_old_style_lists_its_weights_among_the_inputs():
    graph = foreign_graphs.opset_11().graph
    assert {weight.name for weight in graph.initializer} < {value.name for value in graph.input}


def test_onnxruntime_does_not_know_the_custom_operator():
    model = foreign_graphs.custom_operator()
    onnx.checker.check_model(model)
    with pytest.raises(Exception, match=r"com\.example\.speech"):
        onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


def test_a_custom_operator_is_named_with_what_to_do_about_it():
    with pytest.raises(UserError, match=r"the node Whiten 'node_white' is a custom operator.*standard operators"):
        check_declarations(foreign_graphs.custom_operator(), "custom.onnx")


def test_the_nan_shows_in_the_mask():
    model = foreign_graphs.nan_weights()
    onnx.checker.check_model(model)
    (mask,) = open_session(model).run(None, {"input": np.ones((1, BINS, 24), np.float32)})
    assert np.isnan(mask).any()
    assert not np.isnan(mask).all()
