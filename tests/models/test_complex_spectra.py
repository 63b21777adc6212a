"""Models of complex spectra: recognised, run, quantized, and refused where only magnitudes are made."""

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from mask_graphs import Graph
from quantizers import ready
from sezoo.audio.stft import Stft
from sezoo.base.errors import UserError
from sezoo.config.sections import Quantization
from sezoo.denoising import Patches, Stream, WholeClip, denoise
from sezoo.denoising.masking import MaskStream
from sezoo.deployment.engine.qdq_reader import integer_graph_of
from sezoo.models.axes import with_dynamic_axes
from sezoo.models.contract import check_contract, check_power, declared_contract
from sezoo.models.likely_states import guess_states
from sezoo.models.mask_model import MaskModel
from sezoo.models.receptive_field import receptive_field_of
from sezoo.models.spectra import (
    COMPLEX_MASK,
    COMPLEX_SPECTRUM,
    MAGNITUDE_MASK,
    MAGNITUDES,
    PARTS_FIRST,
    PARTS_LAST,
    layout_of,
    random_input,
    with_kind,
)
from sezoo.models.states import with_states
from sezoo.quantization.calibration.ranges import calibrate
from sezoo.quantization.calibration.segments import Segment
from sezoo.quantization.fidelity.scorer import FidelityScorer, mask_function
from sezoo.quantization.graph.qdq import write_qdq
from sezoo.quantization.graph.static_shape import with_static_shape
from sezoo.quantization.options import calibration_options
from sezoo.quantization.plan import Plan
from sezoo.quantization.target import TARGETS
from speech_clips import noised, speech_like

BINS = 33
STFT = Stft(64, 32, 64, "sqrt_hann")
PATH = Path("complex.onnx")
LAYOUTS = {"last": PARTS_LAST, "first": PARTS_FIRST}


def finished(graph, layout, output, frames="seq_len", states=()):
    axes = layout.axes("batch" if not states else 1, BINS, frames)
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, axes) for name in ("input", output)]
    more = [[helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in part] for part in states]
    before, after = more or ([], [])
    proto = helper.make_graph(graph.nodes, "complex", [ends[0], *before], [ends[1], *after], graph.weights)
    return onnx.shape_inference.infer_shapes(
        helper.make_model(proto, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    )


def gain(layout, output="out", factor=0.5):
    """Every number of the spectrum times a factor."""
    graph = Graph()
    graph.node("Mul", ["input", graph.weight("factor", np.float32(factor))], output)
    return finished(graph, layout, output)


def turning(layout, output="mask"):
    """A mask of 0.6 + 0.8i in all bins."""
    graph = Graph()
    zeros = graph.node("Sub", ["input", "input"], "zeros")
    shape = [1] * 4
    shape[layout.parts] = 2
    graph.node("Add", [zeros, graph.weight("turn", np.array([0.6, 0.8], np.float32).reshape(shape))], output)
    return finished(graph, layout, output)


def convolutions(layout, output="enhanced", seed=0):
    """The parts as channels of a 2-D network over frames and bins, whose tanh is a gain for both."""
    graph = Graph(seed)
    order = {"last": [0, 3, 2, 1], "first": [0, 1, 3, 2]}["last" if layout.parts == 3 else "first"]
    made = graph.node("Transpose", ["input"], "channels", perm=order)  # (batch, 2, frames, bins)
    for number, (inward, outward) in enumerate(((2, 6), (6, 2))):
        weight = graph.random(f"w{number}", outward, inward, 3, 3, fan_in=9 * inward)
        pads = [2, 1, 0, 1]
        made = graph.node("Conv", [made, weight], f"conv{number}", kernel_shape=[3, 3], pads=pads)
        made = graph.node("Relu" if number == 0 else "Tanh", [made], f"active{number}")
    back = graph.node("Transpose", [made], "back", perm=np.argsort(order).tolist())
    graph.node("Mul", [back, "input"], output)
    return finished(graph, layout, output)


def remembering(layout):
    """One frame a call: half of this frame and half of the one before, which is a state."""
    graph = Graph()
    both = graph.node("Add", ["input", "before"], "both")
    graph.node("Mul", [both, graph.weight("half", np.float32(0.5))], "enhanced")
    graph.node("Identity", ["input"], "after")
    axes = layout.axes(1, BINS, 1)
    model = finished(graph, layout, "enhanced", 1, ([("before", axes)], [("after", axes)]))
    return with_states(model, {"before": "after"})


def test_layouts_are_known_by_their_axes():
    assert layout_of(["b", 257, "t"]) is MAGNITUDES
    assert layout_of(["b", 257, "t", 2]) == layout_of([1, 257, 1, 2]) == PARTS_LAST
    assert layout_of(["b", 2, 257, "t"]) == layout_of([1, 2, 257, 2]) == PARTS_FIRST
    for other in (None, [1, 257], [2, 1, 33, 16], [1, "bins", "t", 2], [1, 3, 257, "t"]):
        assert layout_of(other) is None
    spectrum = random_input(0, (2, 5, 7), PARTS_LAST)
    for layout in LAYOUTS.values():
        parts = layout.given(spectrum)
        assert parts.dtype == np.float32 and list(parts.shape) == layout.axes(2, 5, 7)
        np.testing.assert_array_equal(np.take(parts, 1, axis=layout.parts), spectrum.imag)
        np.testing.assert_array_equal(layout.taken(parts), spectrum)


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize("mode", [WholeClip((0, 0)), WholeClip(), Patches(8, 2), Stream((0, 0))], ids=str)
def test_a_spectrum_and_a_mask_of_one_gain_are_the_wave_times_it(layout, mode):
    wave = noised(speech_like(0.25))
    expected = 0.5 * wave
    if isinstance(mode, Stream):
        expected = np.rint(expected * 2**15) / 2**15
    np.testing.assert_allclose(denoise(wave, MaskModel(gain(layout)), STFT, mode), expected, atol=4e-5)
    if isinstance(mode, WholeClip):  # at most 6.02 dB of a gain of 0: half of the noisy clip stays
        limited = replace(mode, attenuation_limit=20 * np.log10(2))
        silenced = denoise(wave, MaskModel(gain(layout, "enhanced", 0.0)), STFT, limited)
        np.testing.assert_allclose(silenced, 0.5 * wave, atol=1e-6)
    turned = denoise(wave, MaskModel(turning(layout)), STFT, WholeClip((0, 0)))
    by_hand = STFT.synthesise(STFT.analyse(wave) * np.complex64(0.6 + 0.8j), len(wave))
    np.testing.assert_allclose(turned, by_hand, atol=1e-6)


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_what_it_gives_is_told_found_in_the_name_or_tried(layout):
    assert MaskModel(gain(layout)).kind == COMPLEX_SPECTRUM  # grows with the spectrum
    assert MaskModel(turning(layout, "out")).kind == COMPLEX_MASK  # does not
    assert MaskModel(gain(layout, "crm")).kind == COMPLEX_MASK
    assert MaskModel(with_kind(gain(layout, "crm"), COMPLEX_SPECTRUM)).kind == COMPLEX_SPECTRUM
    assert MaskModel(gain(layout), kind=COMPLEX_MASK).kind == COMPLEX_MASK
    with pytest.raises(UserError, match=r"model.kind: found magnitude_mask; input 'input' of complex.onnx takes real"):
        declared_contract(with_kind(gain(layout), MAGNITUDE_MASK), PATH)


def test_magnitudes_are_not_said_to_be_complex():
    graph = Graph()
    graph.node("Sigmoid", ["input"], "mask")
    model = graph.model(axes=("batch", BINS, "seq_len"))
    with pytest.raises(UserError, match=r"model.kind: found complex_mask; input 'input' of complex.onnx has three"):
        declared_contract(with_kind(model, COMPLEX_MASK), PATH)
    assert MaskModel(model).kind == MAGNITUDE_MASK


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_the_contract(layout, caplog):
    caplog.set_level(logging.INFO)
    contract = check_contract(convolutions(layout), PATH, n_fft=64)
    assert (contract.kind, contract.bins, contract.frames, contract.batch) == (COMPLEX_SPECTRUM, 33, "seq_len", "batch")
    assert "output 'enhanced' is a complex spectrum (model.kind)" in caplog.text
    with pytest.raises(UserError, match=rf"axis {layout.bins} of input 'input' is 33, but preprocessing.n_fft: 512"):
        check_contract(convolutions(layout), PATH, n_fft=512)
    with pytest.raises(UserError, match=r"preprocessing.power: found 0.5; input 'input' of complex.onnx takes complex"):
        check_power(contract, 0.5, PATH)
    assert receptive_field_of(convolutions(layout), PATH) == (4, 0)
    fixed = with_static_shape(convolutions(layout), 20)
    assert receptive_field_of(fixed, PATH) == (4, 0)
    assert declared_contract(with_dynamic_axes(fixed, axes=("frames",)), PATH).frames == "seq_len"


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_states_are_fed_back_frame_by_frame(layout):
    model = remembering(layout)
    bare = onnx.ModelProto()
    bare.CopyFrom(model)
    del bare.metadata_props[:]
    assert guess_states(bare) == {"before": "after"}
    wave = noised(speech_like(0.2))
    spectrum = STFT.analyse(wave)
    shifted = np.pad(spectrum, [(0, 0), (1, 0)])[:, :-1]
    expected = STFT.synthesise((spectrum + shifted) / 2, len(wave))
    np.testing.assert_allclose(denoise(wave, MaskModel(model), STFT, WholeClip()), expected, atol=1e-5)


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_the_int8_model_is_close_and_its_static_form_gives_the_same_in_patches(layout):
    clips = [noised(speech_like(0.4, seed), seed=seed + 10) for seed in range(3)]
    excerpts = [Segment(spectrum, spectrum[np.newaxis]) for spectrum in map(STFT.analyse, clips)]
    settings = Quantization(op_types_to_quantize=["Conv", "Relu"])
    prepared, op_types = ready(with_kind(convolutions(layout), COMPLEX_SPECTRUM), settings, PATH)
    seen = ([excerpt.magnitude] for excerpt in excerpts)
    ranges = calibrate(prepared, seen, op_types, calibration_options(settings))
    loudest = max(np.abs(PARTS_LAST.given(excerpt.magnitude)).max() for excerpt in excerpts)
    assert max(abs(end) for end in ranges["channels"]) == pytest.approx(loudest, rel=0.5)  # a moving average
    int8 = write_qdq(Plan.initial(prepared, ranges, op_types), settings)
    assert MaskModel(int8).kind == COMPLEX_SPECTRUM  # in the file's metadata
    closeness = FidelityScorer(mask_function(prepared), excerpts, STFT, COMPLEX_SPECTRUM)
    assert 15 < closeness(mask_function(int8)) < 60
    static = with_static_shape(int8, 20)
    stream = MaskStream(MaskModel(static), Patches(12, 4), BINS)
    spectrum = excerpts[0].spectrum
    masked = np.concatenate([stream.push(spectrum, np.abs(spectrum)), stream.finish()], axis=1)
    # The frames before the clip are mirrored ones in patches: it looks four back.
    np.testing.assert_allclose(masked[:, 4:], MaskModel(int8)(spectrum[np.newaxis])[0][:, 4:], atol=1e-4)


def test_what_makes_magnitudes_refuses_it_and_the_c_package_takes_it():
    for name in ("tflite", "stm32n6"):
        assert "input 'input' takes complex spectra" in TARGETS[name].first_violation(gain(PARTS_LAST))
    settings = Quantization(op_types_to_quantize=["Conv"])
    prepared, op_types = ready(convolutions(PARTS_LAST), settings, PATH)
    ranges = calibrate(
        prepared, [[random_input(0, (1, BINS, 30), PARTS_LAST)]], op_types, calibration_options(settings)
    )
    static = with_static_shape(write_qdq(Plan.initial(prepared, ranges, op_types), settings), 20)
    with pytest.raises(UserError, match="Mul node 'node_enhanced' "):  # a product in float
        integer_graph_of(static, PATH)
