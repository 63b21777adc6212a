import pytest

from sezoo.base.errors import UserError
from sezoo.config.validation import build_config
from sezoo.denoising.patch_lengths import needed_lookahead, patch_lengths


def config(**sections):
    raw = {"operation_mode": "evaluation", "model": {"onnx_path": "m.onnx"}, "dataset": {"name": "demo"}}
    return build_config({**raw, "preprocessing": {}, **sections})


@pytest.mark.parametrize(
    ("length", "lengths"),
    [(40, (30, 5)), (58, (30, 14)), (30, (30, 0)), (41, (31, 5)), (20, (10, 5)), (3, (1, 1)), (1, (1, 0))],
)
def test_what_follows_from_the_length_of_the_model_alone(length, lengths):
    assert patch_lengths(config(), length) == lengths
    assert lengths[0] + 2 * lengths[1] == length


def test_without_any_length_they_are_the_boards():
    assert patch_lengths(config(), None) == (30, 5)
    assert patch_lengths(config(evaluation={"lookahead_frames": 14}), None) == (30, 14)
    assert patch_lengths(config(evaluation={"frames_per_patch": 10}), None) == (10, 5)


def test_where_nothing_is_set_the_network_says_how_much_look_ahead_it_needs():
    assert patch_lengths(config(), None, needed=16) == (30, 16)
    assert patch_lengths(config(quantization={}), None, needed=16) == (30, 16)
    assert patch_lengths(config(deployment={"frames_per_patch": 20}), None, needed=16) == (20, 16)
    assert patch_lengths(config(), 40, needed=16) == (30, 5)


@pytest.mark.parametrize(("field", "lookahead"), [((16, 9), 16), ((0, 0), 0), (None, 5), ((300, 2), 35)])
def test_the_look_ahead_that_is_needed_fits_a_model_of_100_frames(field, lookahead):
    assert needed_lookahead(field) == lookahead


def test_the_length_of_a_streams_calls_is_none_of_patches():
    stream = {"backend": "portable-c", "frames_per_patch": 1}
    assert patch_lengths(config(deployment=stream), 62) == (30, 16)
    assert patch_lengths(config(deployment={**stream, "lookahead_frames": 16, "frames_per_patch": 30}), 62) == (30, 16)
    with pytest.raises(UserError, match=r"deployment.frames_per_patch: found 1; the model has 62 frames"):
        patch_lengths(config(deployment={**stream, "engine": "patch"}), 62)


def test_a_dynamic_model_is_cut_as_its_static_one_will_be():
    assert patch_lengths(config(quantization={"static_sequence_length": 58}), None) == (30, 14)


def test_lengths_that_are_written_down_win_over_a_quantization_that_is_not_done():
    lengths = {"frames_per_patch": 20, "lookahead_frames": 3}
    assert patch_lengths(config(quantization={}, evaluation=lengths), None) == (20, 3)
    both = {"quantization": {"static_sequence_length": 40}, "evaluation": lengths, "operation_mode": "chain_qe"}
    with pytest.raises(UserError, match="20 new frames and two look-aheads are 26 frames, but quantization"):
        patch_lengths(config(**both), None)


def test_fixed_sequence_length_of_old_files():
    assert patch_lengths(config(evaluation={"fixed_sequence_length": 58}), None) == (30, 14)
    with pytest.raises(UserError, match=r"evaluation.fixed_sequence_length: found 58; the model's length is 40 frames"):
        patch_lengths(config(evaluation={"fixed_sequence_length": 58}), 40)


def test_the_deployment_section_where_evaluation_says_nothing():
    deployment = {"frames_per_patch": 20, "lookahead_frames": 10}
    assert patch_lengths(config(deployment=deployment), 40) == (20, 10)
    own = {"frames_per_patch": 38, "lookahead_frames": 1}
    assert patch_lengths(config(deployment=deployment, evaluation=own), 40) == (38, 1)
    assert patch_lengths(config(deployment={}), 58) == (30, 14)  # its defaults were not written down


def test_one_length_gives_the_other():
    assert patch_lengths(config(evaluation={"lookahead_frames": 14}), 40) == (12, 14)
    assert patch_lengths(config(evaluation={"frames_per_patch": 20}), 40) == (20, 10)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"lookahead_frames": 20}, "evaluation.lookahead_frames: found 20; the model has 40 frames, which leaves none"),
        ({"frames_per_patch": 41}, "evaluation.frames_per_patch: found 41; the model has 40 frames, and what is left"),
        ({"frames_per_patch": 31}, "two equal look-aheads, 30 new frames for example"),
        (
            {"frames_per_patch": 30, "lookahead_frames": 14},
            "evaluation.lookahead_frames: found 14; 30 new frames and two look-aheads are 58 frames, but the model has "
            "40: 5 fits 30 new frames",
        ),
        ({"frames_per_patch": 31, "lookahead_frames": 5}, "but the model has 40: 30 new frames fit that look-ahead"),
        ({"frames_per_patch": 41, "lookahead_frames": 25}, "but the model has 40$"),
    ],
)
def test_lengths_that_do_not_fit_the_model(settings, words):
    with pytest.raises(UserError, match=words):
        patch_lengths(config(evaluation=settings), 40)


def test_the_message_names_the_key_that_the_file_has():
    with pytest.raises(UserError, match=r"^deployment.lookahead_frames: found 30; the model has 40"):
        patch_lengths(config(deployment={"lookahead_frames": 30}), 40)
