"""What a model is for: rules of the targets, on written models and from the command."""

from dataclasses import replace

import numpy as np
import onnx
import pytest

import foreign_graphs
import mask_graphs as graphs
from builders import quantization_config
from int8_graphs import prologue
from quantizers import ours, quantization, ready
from recovery_bench import bench_of
from sezoo.base.errors import UserError
from sezoo.config.validation import build_config
from sezoo.quantization.graph.qdq import write_qdq
from sezoo.quantization.planning import _warn_of_sizes
from sezoo.quantization.prepared_model import prepared_model
from sezoo.quantization.recovery.recipe import recover
from sezoo.quantization.recovery.steps import int16_input, split_input
from sezoo.quantization.target import TARGETS, check_settings, check_target, load_target, target_of


def int8_model(build, step=None, **settings):
    prepared, op_types = ready(build(), quantization(**settings))
    clips = graphs.magnitudes(*[30] * 6)
    if step is None:
        return ours(prepared, clips, op_types, quantization(**settings))
    plan, context = bench_of(prepared, clips, quantization(**settings))
    return context.write_model(step(plan, context))


def broken(model, target):
    with pytest.raises(UserError) as caught:
        check_target(model, TARGETS[target], "int8.onnx")
    return str(caught.value)


def test_a_convolutional_network_fits_all():
    model = int8_model(graphs.tcnn)
    for target in TARGETS.values():
        check_target(model, target, "int8.onnx")


def test_operators_without_int8_form_are_named():
    for target in ("stm32n6", "cortex-m"):
        message = broken(int8_model(foreign_graphs.lstm_mask), target)
        assert f"not fit for quantization.target: {target}: " in message
        assert "operator LSTM" in message
    check_target(int8_model(foreign_graphs.lstm_mask), TARGETS["generic"], "int8.onnx")


@pytest.mark.parametrize(
    ("step", "words"), [(int16_input, "tensor 'input' is int16"), (split_input, "reads the input 'input' in float")]
)
def test_the_npu_has_one_int8_input(step, words):
    assert words in broken(int8_model(graphs.tcnn, step), "stm32n6")
    check_target(int8_model(graphs.tcnn, step), TARGETS["cortex-m"], "int8.onnx")


def test_layers_in_float_and_weights_with_a_zero_point():
    only_add = int8_model(graphs.tcnn, op_types_to_quantize=["Add"])
    assert "works in float on" in broken(only_add, "cortex-m")
    lopsided = int8_model(graphs.tcnn, per_channel=False, extra_options={"WeightSymmetric": False})
    assert "have a zero point" in broken(lopsided, "cortex-m")


def test_an_8_bit_input_is_made_for_the_npu():
    prepared, _ = ready(foreign_graphs.log_power_prologue())
    plan, context = bench_of(prepared, graphs.magnitudes(*[30] * 10), quantization())
    from sezoo.quantization.recovery.input_precision import with_int8_input

    result = recover(with_int8_input(plan, context.fit), context, TARGETS["stm32n6"])
    check_target(result.model, TARGETS["stm32n6"], "int8.onnx")


@pytest.mark.parametrize(
    ("target", "settings", "message"),
    [
        ("cortex-m", {"weight_type": "Int4"}, "quantization.weight_type: weights in Int4, which quantization.target: "),
        (
            "cortex-m",
            {"weight_bits": 4},
            "quantization.weight_bits: weights in Int4, which quantization.target: cortex",
        ),
        (
            "cortex-m",
            {"weight_overrides": [["w", {"quant_type": "Int4"}]]},
            "quantization.weight_overrides: 'w' in Int4, which quantization.target: cortex-m does not have for "
            "weights; allowed: Int8, or another target",
        ),
        ("stm32n6", {"activation_overrides": [["x", {"quant_type": "Int16"}]]}, "quantization.activation_overrides: "),
        (
            "stm32n6",
            {"static_sequence_length": 101},
            "quantization.static_sequence_length: found 101; the program for quantization.target: stm32n6 takes 100 "
            "frames at most; allowed: 100 or less, or another target",
        ),
        ("generic", {"activation_type": "Int4"}, "for activations; allowed: Int8, UInt8, Int16, UInt16, or another"),
    ],
)
def test_integers_that_a_target_does_not_have(target, settings, message):
    with pytest.raises(UserError) as raised:
        check_settings(quantization(**settings), TARGETS[target])
    assert message in str(raised.value)


def test_lengths_that_a_target_has():
    check_settings(quantization(static_sequence_length=100), TARGETS["stm32n6"])
    for name in ("generic", "cortex-m", "tflite"):
        check_settings(quantization(static_sequence_length=150), TARGETS[name])


@pytest.mark.parametrize(("zero_point", "fits"), [(None, True), (0, True), (3, False)])
def test_the_npu_takes_symmetric_weights_of_4_bits(zero_point, fits):
    override = {"quant_type": "Int4"} | ({} if zero_point is None else {"scale": 0.1, "zero_point": zero_point})
    settings = {"weight_overrides": [["b0.in.weight", override]]}
    check_settings(quantization(**settings), TARGETS["stm32n6"])
    model = int8_model(lambda: graphs.tcnn(opset=21), **settings)
    if fits:
        check_target(model, TARGETS["stm32n6"], "int8.onnx")
    else:
        assert "weights 'b0.in.weight_quantized' have a zero point" in broken(model, "stm32n6")


def config_of(**sections):
    return build_config(quantization_config(**sections))


def test_the_target_is_that_of_the_file_or_of_its_board():
    assert target_of(config_of()).name == "generic"
    assert target_of(config_of(quantization={"target": "cortex-m"})).name == "cortex-m"
    for board, name in (("STM32N6570-DK", "stm32n6"), ("NUCLEO-H743ZI2", "cortex-m")):
        assert target_of(config_of(benchmarking={"board": board})).name == name
        assert target_of(config_of(deployment={"hardware_setup": {"board": board}})).name == name
    assert target_of(config_of(deployment={"frames_per_patch": 30})).name == "generic"  # names no board
    both = config_of(quantization={"target": "generic"}, benchmarking={"board": "STM32N6570-DK"})
    assert target_of(both).name == "generic"


def test_files_of_the_model_zoo_are_for_its_board():
    network = {"onnx_path": "model.onnx", "model_type": "STFTTCNN"}
    assert target_of(config_of(model=network)).name == "stm32n6"
    assert target_of(config_of(model=network, benchmarking={"board": "NUCLEO-H743ZI2"})).name == "cortex-m"
    for settings in ({"target": "generic"}, {"per_channel": False}, {"accuracy_recovery": "none"}):
        assert target_of(config_of(model=network, quantization=settings)).name == "generic"
    assert target_of(config_of(model={**network, "model_type": "UTCN"})).name == "generic"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"per_channel": False}, "quantization.per_channel: found False; quantization.target: stm32n6 needs a scale"),
        (
            {"accuracy_recovery": ["int16_input"]},
            "accuracy_recovery: int16_input is not for quantization.target: stm32n6",
        ),
        (
            {"accuracy_recovery": ["split_input"]},
            "accuracy_recovery: split_input is not for quantization.target: stm32n6",
        ),
    ],
)
def test_settings_that_the_npu_cannot_have(settings, words):
    with pytest.raises(UserError, match=words):
        check_settings(quantization(**settings), TARGETS["stm32n6"])
    check_settings(quantization(**settings), TARGETS["cortex-m"])


def test_the_boards_gain_is_given_to_loud_patches():
    from sezoo.audio.stft import Stft
    from sezoo.denoising.board import gains_of_frames
    from sezoo.denoising.modes import Board

    stft, board = Stft(), Board(frames=30, lookahead=5)
    wave = np.zeros(16000 * 3, np.float32)
    wave[16000:17000] = 0.5
    gains = gains_of_frames(wave, stft, board)
    assert gains.shape == (stft.frames(len(wave)),)
    assert gains[105] == pytest.approx(32767 / 16384)
    assert gains[0] == gains[-1] == 1
    wave[16000:17000] = 0.01  # a peak of 328 is below 2000
    np.testing.assert_array_equal(gains_of_frames(wave, stft, board), 1)


def test_cortex_m_takes_what_its_reader_takes():
    """A model that fits can be deployed: the reader of the C package has the last word."""
    graph = foreign_graphs.Graph(0)
    frames_first = graph.node("Transpose", ["input"], "frames_first", perm=[0, 2, 1])
    hidden = graph.node("MatMul", [frames_first, graph.random("w1", graphs.BINS, 16, fan_in=16)], "hidden")
    relu = graph.node("Relu", [graph.node("Add", [hidden, graph.random("b1", 16)], "biased")], "relu")
    out = graph.node("MatMul", [relu, graph.random("w2", 16, graphs.BINS, fan_in=16)], "out")
    graph.node("Sigmoid", [graph.node("Transpose", [out], "bins_first", perm=[0, 2, 1])], "mask")
    axes = ("batch", graphs.BINS, "frames")
    products = graph.model((("input", axes),), (("mask", axes),))
    target = TARGETS["cortex-m"]
    check_target(int8_model(lambda: products), target, "int8.onnx")
    assert target.can_read(int8_model(graphs.tcnn))
    pooled = int8_model(foreign_graphs.gru_with_layer_norm)
    assert not target.can_read(pooled) and TARGETS["generic"].can_read(pooled)
    assert "not fit for quantization.target: cortex-m: " in broken(pooled, "cortex-m")


def test_a_level_in_front_stays_in_float_for_cortex_m_without_any_recovery(tmp_path):
    model = prologue("padded level")
    onnx.save(model, tmp_path / "model.onnx")
    content = quantization_config(quantization={"target": "cortex-m", "accuracy_recovery": "none"})
    content["preprocessing"] |= {"n_fft": 22, "win_length": 22, "hop_length": 11}
    config = build_config(content)
    ready, target = prepared_model(tmp_path / "model.onnx", config)
    assert {"Pow", "MaxPool", "Div"} <= {node.op_type for node in ready.model.graph.node if node.name in ready.in_float}
    plan = ready.plan(dict.fromkeys((value.name for value in ready.model.graph.value_info), (-1, 1)))
    plan = replace(plan, ranges=plan.ranges | {"input": (0, 1), "mask": (0, 1)})
    assert target.name == "cortex-m" and target.read_problem(write_qdq(plan, config.quantization)) is None


def test_sizes_that_sts_application_does_not_take_are_warned_of(caplog):
    _warn_of_sizes(n_fft=512, frames=100)
    assert caplog.messages == []
    _warn_of_sizes(n_fft=1024, frames=130)
    bins, frames = caplog.messages
    assert "preprocessing.n_fft: found 1024, which makes 513 bins; allowed: 512 or less" in bins
    assert "takes 300 bins at most: the model has to be trained with it" in bins
    assert frames.startswith("the static model has 130 frames; the board's program takes 100 at most")
    assert "quantization.static_sequence_length (--frames) to 100 or less" in frames


def test_a_users_target(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code = "from dataclasses import replace\nfrom sezoo.quantization.target import CORTEX_M\n"
    code += "NARROW = replace(CORTEX_M, name='narrow', words='4-bit weights', weight_types=('Int4',))\nnothing = 5\n"
    (tmp_path / "boards.py").write_text(code, encoding="utf-8")
    target = load_target("boards.py:NARROW")
    assert target.name == "narrow"
    with pytest.raises(UserError, match=r"quantization\.target: narrow does not have for weights"):
        check_settings(quantization(), target)
    with pytest.raises(UserError, match=r"boards\.py:nothing is int; a sezoo\.quantization\.target\.Target is needed"):
        load_target("boards.py:nothing")
