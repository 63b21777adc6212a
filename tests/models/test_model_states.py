"""Models with states: the pairs, checked and guessed, and running call after call."""

import re
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import stateful_graphs as graphs
from mask_graphs import BINS, magnitudes, tcnn
from sezoo.base.errors import UserError
from sezoo.cli.main import main
from sezoo.config.validation import build_config
from sezoo.denoising.patch_lengths import patch_lengths
from sezoo.models.contract import Contract, check_contract, declared_contract
from sezoo.models.likely_states import guess_states
from sezoo.models.mask_model import MaskModel
from sezoo.models.receptive_field import receptive_field_of
from sezoo.models.state_loop import split_into_steps
from sezoo.models.states import states_of, with_states
from sezoo.models.summary import summary_of

PATH = Path("some_model.onnx")
LONGEST_CALL = 1000


@pytest.fixture(params=graphs.ALL)
def stateful(request):
    """A model that carries its states, the states, and the frames of a call."""
    model, states = graphs.ALL[request.param]
    frames = MaskModel(with_states(model, states)).frames or LONGEST_CALL
    return with_states(model, states), states, frames


# -- running ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("frames", [1, 4, 5, 23])
def test_a_clip_is_a_loop_of_calls_that_begins_with_zeros(stateful, frames):
    model, states, call = stateful
    mask_model = MaskModel(model, PATH)
    (magnitude,) = magnitudes(frames)
    expected = graphs.looped_mask(model, states, magnitude, min(call, frames) if call == LONGEST_CALL else call)
    for _ in range(2):  # nothing is left of the clip before
        np.testing.assert_array_equal(mask_model(magnitude), expected)


def test_a_fresh_start_goes_on_from_call_to_call_and_others_do_not_disturb_it(stateful):
    model, states, call = stateful
    mask_model, (magnitude, other) = MaskModel(model, PATH), magnitudes(20, 20)
    call = min(call, 10)
    expected = graphs.looped_mask(model, states, magnitude, call)
    run, disturbance = mask_model.fresh(), mask_model.fresh()
    masks = []
    for start in range(0, 20, call):
        masks.append(run(magnitude[:, :, start : start + call]))
        disturbance(other[:, :, start : start + call])
    np.testing.assert_array_equal(np.concatenate(masks, axis=2), expected)
    assert np.abs(run(magnitude[:, :, :call]) - expected[:, :, :call]).max() > 1e-3  # the states matter


def test_a_batch_has_states_of_its_own_for_each_clip():
    model = MaskModel(with_states(graphs.gru_layer(), graphs.GRU_STATES))
    clips = np.concatenate(magnitudes(12, 12))
    alone = np.concatenate([model(clip[np.newaxis]) for clip in clips])
    np.testing.assert_allclose(model(clips), alone, atol=1e-6)


def test_pairs_given_or_carried_are_the_same():
    model, states = graphs.ALL["lstm cell"]
    (magnitude,) = magnitudes(9)
    given = MaskModel(model, PATH, states)
    assert given.stateful
    assert (given.input, given.mask, given.frames, given.batch) == ("input", "mask", 1, 1)
    np.testing.assert_array_equal(given(magnitude), MaskModel(with_states(model, states))(magnitude))
    assert not MaskModel(tcnn()).stateful
    with pytest.raises(UserError, match=r"some_model.onnx: one input and one output besides states"):
        MaskModel(model, PATH)


@given(st.lists(st.integers(0, 12), max_size=5), st.integers(1, 7))
@settings(deadline=None, max_examples=50)
def test_calls_have_every_frame_once(lengths, frames):
    clip = np.arange(1, 1 + sum(lengths), dtype=np.float32)[np.newaxis, np.newaxis]
    pieces = np.split(clip, np.cumsum(lengths)[:-1], axis=2) if lengths else []
    calls = list(split_into_steps(pieces, frames))
    assert all(call.shape == (1, 1, frames) for call in calls)
    assert len(calls) == -(-clip.shape[2] // frames)
    joined = np.concatenate([np.zeros((1, 1, 0)), *calls], axis=2)[0, 0]
    np.testing.assert_array_equal(joined[: clip.shape[2]], clip[0, 0])
    assert not joined[clip.shape[2] :].any()


# -- the pairs ----------------------------------------------------------------------------------------


def test_models_with_states_fit_the_contract():
    found = {
        name: check_contract(with_states(model, states), PATH, n_fft=2 * (BINS - 1))
        for name, (model, states) in graphs.ALL.items()
    }
    assert found == {
        "lstm cell": Contract("input", "mask", BINS, 1, 1, graphs.LSTM_STATES),
        "gru cell": Contract("input", "mask", BINS, "batch", 1, graphs.GRU_STATES),
        "cached convolution": Contract("input", "mask", BINS, "batch", "seq_len", graphs.CACHE_STATES),
        "cached convolution of 5 frames": Contract("input", "mask", BINS, 1, 5, graphs.CACHE_STATES),
        "gru layer": Contract("input", "mask", BINS, "batch", "seq_len", graphs.GRU_STATES),
    }


def test_pairs_are_carried_by_the_file(tmp_path):
    model, states = graphs.ALL["lstm cell"]
    before = model.SerializeToString()
    onnx.save(with_states(model, states), tmp_path / "m.onnx")
    assert model.SerializeToString() == before
    assert states_of(onnx.load(tmp_path / "m.onnx")) == states
    assert [entry.value for entry in onnx.load(tmp_path / "m.onnx").metadata_props] == ['{"h": "h_new", "c": "c_new"}']
    assert states_of(with_states(with_states(model, states), {"h": "c_new"})) == {"h": "c_new"}
    assert with_states(model, {}) is model


@pytest.mark.parametrize("value", ["no JSON", "[1, 2]", '{"h": 1}', "null"])
def test_metadata_of_other_tools_are_left_alone(value):
    model = tcnn()
    model.metadata_props.add(key="states", value=value)
    assert states_of(model) == {}
    assert MaskModel(model)(magnitudes(5)[0]).shape == (1, BINS, 5)


def test_the_pairs_that_look_right_are_found():
    for model, states in graphs.ALL.values():
        assert guess_states(model) == states
        assert guess_states(with_states(model, states)) == states
    lstm = graphs.lstm_cell()
    assert guess_states(with_states(lstm, {"c": "c_new"})) == graphs.LSTM_STATES
    assert guess_states(tcnn()) == {}


def of(change, states, model=None):
    """An LSTM cell changed, that carries these pairs."""
    changed = onnx.ModelProto()
    changed.CopyFrom(model or graphs.lstm_cell())
    change({value.name: value.type.tensor_type for value in (*changed.graph.input, *changed.graph.output)}, changed)
    return with_states(changed, states)


def unchanged(types, model):
    pass


def of_integers(types, model):
    types["h"].elem_type = onnx.TensorProto.INT64


def half_out(types, model):
    types["c_new"].elem_type = onnx.TensorProto.FLOAT16


def without_shape(types, model):
    types["h"].ClearField("shape")


def of_two_dynamic_axes(types, model):
    for axis in types["c"].shape.dim:
        axis.dim_param = "any"


def wider(types, model):
    types["h_new"].shape.dim[1].dim_value = 99


def all_wider(types, model):
    for name in ("h_new", "c_new"):
        types[name].shape.dim[1].dim_value = 99


BOTH = graphs.LSTM_STATES


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            of(unchanged, {**BOTH, "hh": "h_new"}),
            r"states\.hh: some_model.onnx has no input 'hh'; its inputs are input, h",
        ),
        (of(unchanged, {"hidden": "x"}), r"states\.hidden: .* has no input 'hidden'; its inputs are input, h, c$"),
        (of(unchanged, {"inputs": "h_new"}), r"no input 'inputs'; its inputs are input, h, c \(did you mean input\?\)"),
        (
            of(unchanged, {"h": "h_neww"}),
            r"states\.h: .*no output 'h_neww'; .* mask, h_new, c_new \(did you mean h_new",
        ),
        (of(of_integers, BOTH), r"states\.h: input 'h' of some_model.onnx is int64; a state is float32"),
        (of(half_out, BOTH), r"states\.c: output 'c_new' of some_model.onnx is float16; a state is float32"),
        (of(without_shape, BOTH), r"states\.h: input 'h' .* has an unknown shape; a state has fixed axes, but for one"),
        (of(of_two_dynamic_axes, BOTH), r"states\.c: input 'c' .* has the shape \(any, any\); a state has fixed axes"),
        (
            of(wider, BOTH),
            r"states\.h: input 'h' .* is \(1, 12\), output 'h_new' \(1, 99\); .* have one shape: name c_new$",
        ),
        (of(unchanged, {"h": "h_new", "c": "h_new"}), r"states: output 'h_new' is named for more than one input"),
        (
            of(unchanged, {"h": "mask"}),
            r"states\.h: input 'h' .* is \(1, 12\), output 'mask' \(1, 33, 1\); .*: name h_new or c_new$",
        ),
        (
            of(all_wider, BOTH),
            r"states\.h: .* is \(1, 12\), .*: no output has it: export one that does$",
        ),
        (
            of(unchanged, {"h": "h_new"}),
            r"has 2 inputs besides 1 state \(input, c\); .* quantization\.states: \{h: h_new, c: c_new\}$",
        ),
        (of(unchanged, {}), r"has 3 inputs \(input, h, c\); the contract is one: .*\.states: \{h: h_new, c: c_new\}$"),
        (of(unchanged, {}, graphs.gru_cell()), r"has 2 inputs \(hidden, input\).*\.states: \{hidden: hidden_new\}$"),
    ],
)
def test_wrong_pairs_are_told_in_one_line(model, message):
    with pytest.raises(UserError, match=message) as raised:
        check_contract(model, PATH, n_fft=2 * (BINS - 1))
    assert "\n" not in str(raised.value)
    assert re.search(r"quantization\.states", str(raised.value))


def test_inputs_that_can_be_no_states_are_not_taken_for_them():
    model = tcnn()
    model.graph.input.append(onnx.helper.make_tensor_value_info("level", onnx.TensorProto.FLOAT, ("batch",)))
    with pytest.raises(
        UserError, match=r"has 2 inputs \(input, level\); .*call to call, would be in pairs of one shape; input 'level'"
    ):
        declared_contract(model, PATH)


def test_a_state_without_a_partner_is_named():
    model = graphs.lstm_cell()
    lone = next(place for place, value in enumerate(model.graph.output) if value.name == "c_new")
    del model.graph.output[lone]
    with pytest.raises(UserError, match=r"input 'c' \(1, 12\) has no output of its shape left for it: export the net"):
        declared_contract(model, PATH)


def test_a_state_that_grows_is_found_by_running_it():
    model = graphs.cached_convolution()
    for node in model.graph.node:
        if node.op_type == "Slice":
            node.op_type = "Identity"
            del node.input[1:]
    for value in (model.graph.input[1], model.graph.output[1]):
        value.type.tensor_type.shape.dim[0].dim_value = 1
        value.type.tensor_type.shape.dim[2].dim_param = "past"
    with pytest.raises(
        UserError, match=r"the state 'cache' has shape \(1, 33, 1\), but \(1, 33, 25\) afterwards; let.*Slice [^;]*$"
    ):
        check_contract(with_states(model, graphs.CACHE_STATES), PATH)


# -- what else is said of them ------------------------------------------------------------------------


def test_no_bound_of_the_receptive_field(stateful):
    model, _, _ = stateful
    assert receptive_field_of(model, PATH) is None


def test_the_command_says_stateful(tmp_path, capsys):
    model, states = graphs.ALL["lstm cell"]
    for name, content in (("carried.onnx", with_states(model, states)), ("guessed.onnx", model)):
        onnx.save(content, tmp_path / name)
        main(["model", str(tmp_path / name)])
    carried, guessed = capsys.readouterr().out.split("guessed.onnx")
    for printed in (carried, guessed):
        assert re.search(r"receptive field +without bound: stateful", printed)
        assert "quantization.states: {h: h_new, c: c_new}" in printed
    assert "named in the file" in carried
    assert "not named in the file" in guessed


@pytest.mark.parametrize("name", graphs.ALL)
def test_products_are_counted(name, tmp_path):
    model, states = graphs.ALL[name]
    onnx.save(with_states(model, states), tmp_path / "m.onnx")
    hidden = graphs.HIDDEN
    assert (
        summary_of(tmp_path / "m.onnx").macs_per_frame
        == {
            "lstm cell": 4 * hidden * (BINS + hidden) + hidden * BINS,
            "gru cell": 2 * hidden * (BINS + hidden) + hidden * BINS,
            "cached convolution": 16 * BINS * 3 + 16 * BINS,
            "cached convolution of 5 frames": 16 * BINS * 3 + 16 * BINS,
            "gru layer": 3 * hidden * (BINS + hidden) + hidden * BINS,
        }[name]
    )


def config(**sections):
    raw = {"operation_mode": "evaluation", "model": {"onnx_path": "m.onnx"}, "dataset": {"name": "demo"}}
    return build_config({**raw, "preprocessing": {}, **sections})


def test_patches_of_a_model_with_states_have_no_lookahead():
    assert patch_lengths(config(), 1, stateful=True) == (1, 0)
    assert patch_lengths(config(), None, stateful=True) == (30, 0)
    assert patch_lengths(config(deployment={}), 8, stateful=True) == (8, 0)
    assert patch_lengths(config(quantization={"static_sequence_length": 6}), None, stateful=True) == (6, 0)
    assert patch_lengths(config(evaluation={"frames_per_patch": 7}), None, stateful=True) == (7, 0)
    for sections, message in (
        ({"evaluation": {"lookahead_frames": 5}}, "evaluation.lookahead_frames: found 5; allowed: 0, as a model with"),
        ({"deployment": {"lookahead_frames": 3}}, "deployment.lookahead_frames: found 3; allowed: 0, as a model with"),
        ({"evaluation": {"frames_per_patch": 7}}, "frames_per_patch: found 7; allowed: 1, the frames of each call by"),
        ({"evaluation": {"fixed_sequence_length": 7}}, "fixed_sequence_length: found 7; the model's length is 1"),
    ):
        with pytest.raises(UserError, match=message):
            patch_lengths(config(**sections), 1, stateful=True)


def test_names_that_are_numbers():
    given = config(quantization={"states": {12: 345, "h": "h_new"}}).quantization.states
    assert given == {"12": "345", "h": "h_new"}
    for wrong in (["h", "h_new"], "h", {"h": None}, {"h": ["a"]}):
        with pytest.raises(UserError, match=r"quantization.states: found .*; allowed: a mapping of"):
            config(quantization={"states": wrong})
