"""The board's processing against a straightforward implementation, sample by sample, with plain loops."""

import cmath
import math

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper, numpy_helper

from builders import Unity, mask_graph, noise
from sezoo.audio.board_input import from_int16, input_gain, to_int16
from sezoo.audio.stft import Stft
from sezoo.base.errors import UserError
from sezoo.denoising import Board, denoise
from sezoo.denoising.board import BoardStream, RingOverlapAdd, delay_of, is_silent
from sezoo.models.input_quantizer import InputQuantizer, input_quantizer_of
from sezoo.models.mask_model import MaskModel
from sezoo.quantization.graph.static_shape import with_static_shape

TINY = Stft(n_fft=16, hop_length=5, win_length=12)
"""Small enough for loops; the padding of 2 samples, the overlap of three frames and the odd hop are all there."""

UNGATED, GATED = Board(), Board(silence_threshold=-50)


def window_of(length):
    return [0.5 - 0.5 * math.cos(2 * math.pi * n / length) for n in range(length)]


def fourier(samples):
    n = len(samples)
    return [sum(x * cmath.exp(-2j * math.pi * k * i / n) for i, x in enumerate(samples)) for k in range(n // 2 + 1)]


def inverse(spectrum, n):
    """The real signal of length n (even) whose first n // 2 + 1 bins these are."""
    full = [*spectrum, *(value.conjugate() for value in reversed(spectrum[1:-1]))]
    return [sum(y * cmath.exp(2j * math.pi * k * i / n) for k, y in enumerate(full)).real / n for i in range(n)]


class LoopBoard:
    """Part by part what the board does, without any array operation."""

    def __init__(self, stft, board, mask_of, quantizer=None):
        self.stft, self.board, self.mask_of, self.quantizer = stft, board, mask_of, quantizer
        self.window = window_of(stft.win_length)
        self.padding = (stft.n_fft - stft.win_length) // 2
        self.buffer = [0] * (stft.win_length - stft.hop_length + board.length * stft.hop_length)
        self.ring, self.squares = [0.0] * stft.win_length, [0.0] * stft.win_length

    def patch(self, new):
        hop, length, padding = self.stft.hop_length, self.stft.win_length, self.padding
        for sample in new:
            self.buffer.pop(0)
            self.buffer.append(int(sample))
        peak = max(abs(sample) for sample in self.buffer)
        spectra, seen = [], []
        for f in range(self.board.length):
            x = [self.buffer[f * hop + n] / 32768 * self.window[n] for n in range(length)]
            spectrum = fourier([0.0] * padding + x + [0.0] * (self.stft.n_fft - length - padding))
            magnitude = [abs(value) for value in spectrum]
            if self.board.input_gain and peak > 2000:
                magnitude = [value * 32767 / peak for value in magnitude]
            if self.quantizer:
                magnitude = [self.rounded(value) for value in magnitude]
            spectra.append(spectrum)
            seen.append(magnitude)
        mask = self.mask_of(seen)
        out = []
        for f in range(self.board.lookahead, self.board.lookahead + self.board.frames):
            y = inverse([m * value for m, value in zip(mask[f], spectra[f], strict=True)], self.stft.n_fft)
            for n in range(length - padding):  # written late by the padding: the rest has no room in the ring
                self.ring[padding + n] += y[padding + n] * self.window[n]
                self.squares[padding + n] += self.window[n] ** 2
            for n in range(hop):
                value = self.ring[n] / self.squares[n] if self.squares[n] > 1e-30 else 0.0
                out.append(max(-32768, min(32767, round(value * 32768))))
            self.ring = self.ring[hop:] + [0.0] * hop
            self.squares = self.squares[hop:] + [0.0] * hop
        power = sum(s * s for s in out) / len(out)
        level = 10 * math.log10(power) - 90.309 if power else -math.inf
        threshold = self.board.silence_threshold
        return [0] * len(out) if threshold is not None and level < threshold else out

    def rounded(self, value):
        q = value / float(self.quantizer.scale) + self.quantizer.zero_point
        q = math.floor(abs(q) + 0.5) * (1 if q >= 0 else -1)
        q = max(self.quantizer.low, min(self.quantizer.high, q))
        return (q - self.quantizer.zero_point) * float(self.quantizer.scale)


class Weighted(Unity):
    """A mask that depends on the magnitudes of the frame and of its neighbours."""

    def __init__(self, quantizer=None):
        super().__init__()
        self.input_quantizer = quantizer

    def __call__(self, magnitude):
        loudness = magnitude.sum(axis=1)[0]
        return np.stack([np.full(magnitude.shape[1], m) for m in self.of(loudness)], axis=1)[np.newaxis].astype(
            np.float32
        )

    def loops(self, seen):
        return [[m] * len(seen[0]) for m in self.of([sum(frame) for frame in seen])]

    @staticmethod
    def of(loudness):
        padded = [0.0, *loudness, 0.0]
        return [1 / (1 + before + after) for before, after in zip(padded, padded[2:], strict=False)][: len(loudness)]


@settings(deadline=None, max_examples=15)
@given(
    st.integers(1, 5), st.integers(0, 3), st.sampled_from([-50.0, -20.0, None]), st.booleans(), st.booleans(),
    st.integers(0, 2**31),
)  # fmt: skip
def test_every_sample_is_that_of_the_loops(frames, lookahead, threshold, gain, quantized, seed):
    quantizer = InputQuantizer(np.float32(0.02), -128, -128, 127) if quantized else None
    board = Board(frames, lookahead, threshold, gain)
    model, rng = Weighted(quantizer), np.random.default_rng(seed)
    stream, loops = BoardStream(model, TINY, board), LoopBoard(TINY, board, model.loops, quantizer)
    for level in (300, 0, 8000, 30000, 100):
        new = (level * rng.uniform(-1, 1, frames * TINY.hop_length)).astype(np.int16)
        out, expected = stream.patch(new).tolist(), loops.patch(new)
        assert len(out) == len(expected)
        assert max(abs(one - other) for one, other in zip(out, expected, strict=True)) <= 1  # ties in float32


def test_the_buffer_holds_the_context_and_the_frames_are_not_padded():
    """A click moves by one hop from frame to frame, and no frame begins before the buffer."""
    model = Unity()
    stft, board = Stft(), Board(30, 5, silence_threshold=None, input_gain=False)
    stream = BoardStream(model, stft, board)
    assert len(stream.buffer) == 6640
    click = np.zeros(4800, np.int16)
    click[0] = 1000  # then at 1840 of the buffer
    stream.patch(click)
    energy = (model.seen[0][0] ** 2).sum(axis=0)
    assert model.seen[0].shape == (1, 257, 40)
    assert np.flatnonzero(energy > 1e-12).tolist() == [10, 11]  # 1600 and 1760; at 1840 - 1440 = 400 the window is over
    position = 1840 - 1600
    weight = 0.5 - 0.5 * np.cos(2 * np.pi * position / 400)
    np.testing.assert_allclose(model.seen[0][0, :, 10], weight * 1000 / 32768, rtol=1e-4)


@pytest.mark.parametrize(
    ("samples", "gain"),
    [([0, 0], 1), ([2000, -1999], 1), ([2001, 0], 32767 / 2001), ([-32768, 5], 32767 / 32768), ([-2001], 32767 / 2001)],
)
def test_input_gain_begins_above_a_peak_of_2000(samples, gain):
    assert input_gain(np.array(samples, np.int16)) == pytest.approx(gain, rel=1e-6)


def test_the_gain_is_for_the_model_alone():
    wave = np.clip(noise(1.0), -0.2, 0.2)
    with_gain, without = Unity(), Unity()
    one = denoise(wave, with_gain, Stft(), UNGATED)
    other = denoise(wave, without, Stft(), Board(silence_threshold=None, input_gain=False))
    np.testing.assert_array_equal(one, other)
    ratio = with_gain.seen[2].max() / without.seen[2].max()
    assert ratio == pytest.approx(32767 / np.abs(to_int16(wave)).max(), rel=1e-3)


@pytest.mark.parametrize(
    ("value", "integer"),
    [(0.5, 1), (1.5, 2), (2.5, 3), (0.49999997, 0), (1.4999999, 1), (200.5, 201), (255.5, 255), (1e9, 255), (0.0, 0)],
)
def test_halves_are_rounded_away_from_zero_and_what_is_too_large_saturates(value, integer):
    quantizer = InputQuantizer(np.float32(1), 0, 0, 255)
    assert quantizer.rounded_half_away(np.array([value], np.float32))[0] == integer


def test_with_a_zero_point_of_minus_128_halves_go_down_below_zero():
    """roundf sees mag / scale + zero_point, which is negative for the quiet half of the range."""
    quantizer = InputQuantizer(np.float32(0.5), -128, -128, 127)
    rounded = quantizer.rounded_half_away(np.array([0.25, 0.75, 64.25, 63.75], np.float32))
    assert rounded.tolist() == [0.0, 0.5, 64.5, 63.5]


@settings(deadline=None, max_examples=50)
@given(st.floats(1e-4, 10), st.integers(-128, 127))
def test_a_quantize_linear_keeps_what_was_rounded(scale, zero_point):
    quantizer = InputQuantizer(np.float32(scale), zero_point, -128, 127)
    values = np.linspace(0, 300 * scale, 999, dtype=np.float32)
    rounded = quantizer.rounded_half_away(values)
    exact = values / np.float32(scale) + np.float32(zero_point)
    integers = [max(-128, min(127, int(math.copysign(math.floor(abs(float(v)) + 0.5), v)))) for v in exact]
    again = np.clip(np.rint(rounded / np.float32(scale)) + zero_point, -128, 127)
    np.testing.assert_array_equal(again, integers)


def quantized_input(*, zero_type=np.int8, twice=False):
    """A mask model whose input is quantized with scale 0.125 and zero point -3 or 3."""
    model = mask_graph(bins=9)
    zero = np.array(3 if zero_type is np.uint8 else -3, zero_type)
    model.graph.initializer.extend(
        [numpy_helper.from_array(np.float32(0.125), "scale"), numpy_helper.from_array(zero, "zero")]
    )
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["dq"]),
    ]
    rest = list(model.graph.node)
    rest[0].input[0] = "dq"
    if twice:
        rest.append(helper.make_node("Abs", ["x"], ["unused"]))
    del model.graph.node[:]
    model.graph.node.extend([*nodes, *rest])
    onnx.checker.check_model(model)
    return model


def test_the_input_quantizer_is_read_from_the_graph():
    assert input_quantizer_of(quantized_input()) == InputQuantizer(np.float32(0.125), -3, -128, 127)
    assert input_quantizer_of(quantized_input(zero_type=np.uint8)) == InputQuantizer(np.float32(0.125), 3, 0, 255)
    assert input_quantizer_of(quantized_input(twice=True)) is None
    assert input_quantizer_of(mask_graph()) is None


def test_the_model_is_given_what_the_board_rounds():
    """Half a step above an integer: onnxruntime would go to the even one."""
    stft = Stft(n_fft=16, hop_length=5, win_length=12)
    model = MaskModel(with_static_shape(quantized_input(), 8))
    seen = []
    stream = BoardStream(model, stft, Board(4, 2, None, False))
    stream.model = lambda magnitude: seen.append(magnitude) or np.ones_like(magnitude)
    stream.patch((3000 * np.random.default_rng(0).uniform(-1, 1, 20)).astype(np.int16))
    steps = seen[0] / 0.125
    np.testing.assert_array_equal(steps, np.rint(steps))
    assert BoardStream(model, stft, Board(4, 2, half_away=False)).quantizer is None


@pytest.mark.parametrize(
    ("level", "silent"), [(104, False), (103, True), (0, True), (-104, False)]
)  # 10**(-50 / 20) of 32768 is 103.6
def test_the_gate_opens_at_minus_50_dbfs(level, silent):
    assert is_silent(np.full(4800, level, np.int16), -50.0) == silent


def test_a_quiet_patch_is_zeroed_as_a_whole_and_the_ring_goes_on():
    wave = np.concatenate([noise(0.3), noise(0.8) * np.float32(0.001), noise(0.6)])
    gated, free = (denoise(wave, Unity(), Stft(), board) for board in (GATED, UNGATED))
    np.testing.assert_allclose(free, wave, atol=3e-5)
    patches = [np.pad(wave, (1096, 0)) for wave in (gated, free)]  # as the board gave them, delayed
    silenced = 0
    for start in range(0, len(patches[0]), 4800):
        one, other = (wave[start : start + 4800] for wave in patches)
        if np.array_equal(one, other):
            continue
        assert not one.any()
        silenced += 1
    assert silenced == 1


@pytest.mark.parametrize("frames_and_lookahead", [(30, 5), (30, 14), (1, 0), (7, 2)])
def test_a_unity_mask_reconstructs_the_input_exactly(frames_and_lookahead):
    board = Board(*frames_and_lookahead, silence_threshold=None)
    assert delay_of(Stft(), Board(30, 5)) == 1096
    samples = (8000 * np.random.default_rng(0).standard_normal(20000)).clip(-32768, 32767).astype(np.int16)
    np.testing.assert_array_equal(to_int16(denoise(from_int16(samples), Unity(), Stft(), board)), samples)


def test_the_delay_is_1096_samples_behind_the_newest():
    stream = BoardStream(Unity(), Stft(), UNGATED)
    samples = (8000 * np.random.default_rng(0).standard_normal(3 * 4800)).clip(-32768, 32767).astype(np.int16)
    out = np.concatenate([stream.patch(new) for new in samples.reshape(3, 4800)])
    np.testing.assert_array_equal(out[1096:], samples[:-1096])
    assert not out[:1096].any()


@settings(deadline=None, max_examples=25)
@given(st.lists(st.integers(0, 9000), min_size=1, max_size=6))
def test_pieces_of_any_length_give_the_same(lengths):
    wave = noise(sum(lengths) / 16000)[: sum(lengths)]
    stream = BoardStream(Unity(), Stft(), Board())
    pieces = [stream.push(piece) for piece in np.split(wave, np.cumsum(lengths)[:-1])] + [stream.finish()]
    np.testing.assert_array_equal(np.concatenate(pieces), denoise(wave, Unity(), Stft(), Board()))
    assert sum(map(len, pieces)) == len(wave)


def test_the_end_of_the_window_is_left_out_of_both_sums():
    ring = RingOverlapAdd(Stft())
    assert len(ring.window) == 400 - 56
    spectrum = Stft(center=False).analyse(np.pad(noise(0.1), (56, 56)))
    ring.push(spectrum)
    assert ring.weight[-1] == pytest.approx(float(ring.window[-1]) ** 2, rel=1e-5)


def test_samples_beyond_full_scale_saturate():
    assert to_int16(np.array([1.5, -1.5, 0.5, 1 / 65536], np.float32)).tolist() == [32767, -32768, 16384, 0]


@pytest.mark.parametrize(
    ("stft", "words"),
    [(Stft(power=2.0), "preprocessing.power: found 2"), (Stft(512, 40, 160), "preprocessing.win_length: found 160")],
)
def test_a_transform_that_the_board_cannot_do_is_refused(stft, words):
    with pytest.raises(UserError, match=words):
        BoardStream(Unity(), stft, Board())


def test_a_model_of_the_wrong_length_says_so():
    model = MaskModel(with_static_shape(mask_graph(), 20))
    with pytest.raises(UserError, match=r"cannot be run on shape \(1, 257, 40\)"):
        denoise(noise(0.5), model, Stft(), Board())
