"""Which way a model goes onto a board, and how evaluation plays it there."""

from pathlib import Path

import onnx
import pytest

from builders import evaluation_config, mask_graph, quantization_config
from sezoo import zoo
from sezoo.config.validation import build_config
from sezoo.denoising.backend import PORTABLE_C, STM32N6, backend_of, board_of, has_input_gain, with_input_gain
from sezoo.denoising.modes import Board
from sezoo.denoising.run_models import BOARD, RunModel
from sezoo.models.onnx_file import load_onnx
from sezoo.models.source import OnnxSource
from sezoo.quantization.target import target_of

F401 = {"hardware_setup": {"board": "NUCLEO-F401RE"}}


def configured(deployment=None, **sections):
    made = evaluation_config(**sections)
    return build_config(made if deployment is None else {**made, "deployment": deployment})


@pytest.mark.parametrize(
    ("deployment", "backend"),
    [
        (None, STM32N6),
        ({}, STM32N6),
        ({"hardware_setup": {"board": "STM32N6570-DK"}}, STM32N6),
        (F401, PORTABLE_C),
        ({"backend": "portable-c"}, PORTABLE_C),
        ({"backend": "stm32n6", **F401}, STM32N6),
    ],
)
def test_the_board_decides_where_the_file_does_not(deployment, backend):
    assert backend_of(configured(deployment)) == backend


@pytest.mark.parametrize(
    ("deployment", "calibrated_with_gain", "board"),
    [
        (None, False, Board(30, 5)),  # ST's application has gain and rounding whatever the model
        ({"output_silence_threshold": -60}, True, Board(30, 5, -60)),
        (F401, False, Board(30, 5, input_gain=False, half_away=False)),
        (F401, True, Board(30, 5, input_gain=True, half_away=False)),
        ({**F401, "input_gain": True}, False, Board(30, 5, input_gain=True, half_away=False)),
        ({**F401, "input_gain": False}, True, Board(30, 5, input_gain=False, half_away=False)),
    ],
)
def test_patches_are_played_as_the_backend_runs_them(deployment, calibrated_with_gain, board):
    assert board_of(configured(deployment), 30, 5, calibrated_with_gain=calibrated_with_gain) == board


def test_a_model_says_that_it_was_calibrated_with_the_gain(tmp_path):
    model = mask_graph()
    assert not has_input_gain(model)
    with_input_gain(model)
    with_input_gain(model)
    assert has_input_gain(model) and len(model.metadata_props) == 1
    onnx.save(model, tmp_path / "gain.onnx")
    onnx.save(mask_graph(), tmp_path / "plain.onnx")
    config = configured({**F401, "frames_per_patch": 30, "lookahead_frames": 5})
    for name, gain in (("gain", True), ("plain", False)):
        play = RunModel("int8", OnnxSource(tmp_path / f"{name}.onnx")).play(BOARD, config)
        assert play == Board(30, 5, input_gain=gain, half_away=False)


@pytest.mark.parametrize(
    ("mode", "deployment", "target"),
    [
        ("chain_qd", {}, "stm32n6"),
        ("chain_qd", {"backend": "portable-c"}, "cortex-m"),
        ("chain_qd", F401, "cortex-m"),
        ("chain_qd", {"backend": "portable-c", "hardware_setup": {"board": "STM32N6570-DK"}}, "cortex-m"),
        ("quantization", {}, "generic"),  # nobody has named a board
        ("quantization", F401, "cortex-m"),
    ],
)
def test_a_chain_quantizes_for_what_it_deploys_to(mode, deployment, target):
    config = build_config({**quantization_config(deployment=deployment), "operation_mode": mode})
    assert target_of(config).name == target


@pytest.mark.parametrize("name", ["stft_tcnn_medium", "utcn", "utcn_small"])
def test_shipped_models_say_what_they_were_calibrated_on(name):
    folder = Path(zoo.__file__).parent / name
    for ending, gain in (("int8", False), ("int8_static", False), ("stm32n6", True)):
        assert has_input_gain(load_onnx(folder / f"{name}_{ending}.onnx")) == gain, ending
