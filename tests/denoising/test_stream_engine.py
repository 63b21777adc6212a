"""A model played as the stream engine of the C package does it, by onnxruntime."""

import numpy as np
import pytest

import recurrent_graphs
from int8_graphs import FORMS, PATH
from mask_graphs import BINS
from sezoo.audio.stft import Stft
from sezoo.base.errors import UserError
from sezoo.denoising import Board, Stream, WholeClip, denoise, denoise_variants, normalization_peak, open_stream
from sezoo.denoising.silence_gate import MutedFrames, count_muted_frames, gate_warning
from sezoo.deployment.engine.qdq_reader import integer_graph_of
from sezoo.deployment.engine.reference import denoise_in_stream
from sezoo.deployment.engine.stream_plan import stream_plan
from sezoo.models.axes import with_dynamic_axes
from sezoo.models.mask_model import MaskModel
from sezoo.models.receptive_field import receptive_field_of, recurrent_lookahead
from sezoo.quantization.graph.static_shape import with_static_shape
from tiny_models import LOOKAHEAD, int8_model, static_model

STEP = 1 / 32768
"""Of int16."""

STFT = Stft(n_fft=22, hop_length=5, win_length=16)


class Unity:
    """A mask of ones."""

    batch = frames = input_quantizer = None

    def __call__(self, magnitude):
        return np.ones_like(magnitude)


def wave(samples, seed=0):
    """Noise that swells, as samples of 16 bits."""
    noise = np.random.default_rng(seed).uniform(-0.6, 0.6, samples) * np.linspace(0.02, 1, samples)
    return (np.rint(noise / STEP) * STEP).astype(np.float32)


def played(form):
    """A dynamic int8 model and its integer graph, how it is streamed, and its lag."""
    static = FORMS[form]()
    graph = integer_graph_of(static, PATH)
    lag = stream_plan(graph).lag[graph.output.name]
    return MaskModel(with_dynamic_axes(static, axes=("frames",)), PATH), graph, lag


@pytest.mark.parametrize("form", ["depthwise", "causal", "prologue: log"])
@pytest.mark.parametrize("threshold", [None, -22])
def test_masks_of_the_whole_clip_are_those_that_the_engine_computes_frame_by_frame(form, threshold):
    model, graph, lag = played(form)
    clip = wave(700)
    expected = denoise_in_stream(graph, clip, STFT, 3, threshold)
    found = denoise(clip, model, STFT, Stream((20, lag), 3, threshold))
    assert found.shape == expected.shape and found.dtype == np.float32
    np.testing.assert_array_equal(found, expected)
    assert (threshold is not None) == (not found[:15].any())
    assert np.abs(found - clip).max() > 100 * STEP


def test_a_recurrent_model_is_played_as_the_engine_runs_it():
    """The engine's curves are up to two steps of 16 bits from onnxruntime's functions, and that adds up over frames."""
    model = recurrent_graphs.dynamic_int8(recurrent_graphs.recurrent("GRU"))
    stft, clip = Stft(2 * (BINS - 1), 32, 64), wave(3000)
    graph = integer_graph_of(with_static_shape(model, 20), PATH)
    found = denoise(clip, MaskModel(model, PATH), stft, Stream((None, recurrent_lookahead(model, PATH))))
    assert np.abs(found - clip).max() > 100 * STEP
    assert np.abs(found - denoise_in_stream(graph, clip, stft, 1)).mean() < 2 * STEP


def test_without_bound_before_a_long_clip_is_run_in_pieces(monkeypatch):
    """No piece waits for more frames ahead than the model looks at."""

    class Before:
        """A mask of how many frames came before, at most three, and of the one after."""

        batch = frames = input_quantizer = None

        def __call__(self, magnitude):
            many = np.cumsum(np.pad(magnitude, [(0, 0), (0, 0), (3, 1)]), axis=2)
            return (many[:, :, 4:] - np.pad(many, [(0, 0), (0, 0), (1, 0)])[:, :, :-5]) / 50

    clip = wave(611)
    expected = denoise(clip, Before(), STFT, Stream((3, 1)))
    for name, frames in (("FRAMES", 11), ("CONTEXT", 3)):
        monkeypatch.setattr(f"sezoo.denoising.masking.UNBOUNDED_{name}", frames)
    np.testing.assert_allclose(denoise(clip, Before(), STFT, Stream((None, 1))), expected, atol=1.01 * STEP)


@pytest.mark.parametrize("pieces", [1, 7, 50])
def test_a_wave_in_pieces_is_the_wave_at_once(pieces):
    model, _, lag = played("depthwise")
    clip = wave(611)
    for play in (Stream((20, lag)), Stream((20, lag), 4, -22)):
        stream = open_stream(model, STFT, play)
        found = [stream.push(piece) for piece in np.array_split(clip, pieces)]
        found.append(stream.finish())
        np.testing.assert_array_equal(np.concatenate(found), denoise(clip, model, STFT, play))


@pytest.mark.parametrize("samples", [0, 1, 4, 5, 100])
@pytest.mark.parametrize("frames", [1, 40])
def test_masks_of_one_change_nothing_whatever_the_length(samples, frames):
    clip = wave(samples)
    found = denoise(clip, Unity(), STFT, Stream((3, 3), frames))
    assert found.shape == clip.shape
    np.testing.assert_allclose(found, clip, atol=1.01 * STEP)


def test_a_gate_mutes_whole_calls_of_the_engine_and_nothing_else():
    """The calls are those of the delayed output: look-ahead, and a window less a hop."""
    clip, frames, lookahead = wave(600), 4, 2
    free, gated = (denoise(clip, Unity(), STFT, Stream((2, lookahead), frames, gate)) for gate in (None, -20))
    delay, size = lookahead * 5 + 16 - 5, frames * 5
    free, gated = (np.pad(each, (delay, -(len(each) + delay) % size)) for each in (free, gated))
    muted = []
    for one, other in zip(free.reshape(-1, size), gated.reshape(-1, size), strict=True):
        level = 10 * np.log10(np.mean(np.square(one, dtype=float)) + 1e-30)
        muted.append(level < -20)
        np.testing.assert_array_equal(other, 0 if muted[-1] else one)
    assert any(muted) and not all(muted)


def test_together_with_others_and_without_a_peak():
    clip = wave(300)
    play = Stream((3, 3))
    found = denoise_variants(clip, {"a": (Unity(), WholeClip()), "b": (Unity(), play)}, STFT)
    np.testing.assert_array_equal(found["b"], denoise(clip, Unity(), STFT, play))
    assert normalization_peak(clip, play, normalize=True) == 1


def test_a_transform_that_no_device_computes():
    with pytest.raises(UserError, match=r"preprocessing\.power: found 2"):
        open_stream(Unity(), Stft(power=2), Stream())


def test_the_receptive_field_of_an_int8_model_lags_as_its_integer_graph_does():
    """What the masks wait for is found on the ONNX graph here, and on the integers in the package."""
    static = integer_graph_of(static_model(), PATH)
    assert receptive_field_of(int8_model(), PATH)[1] == stream_plan(static).lag[static.output.name] == LOOKAHEAD


# -- what a gate mutes ---------------------------------------------------------------------------------------------


def test_muted_speech_is_counted_by_frames():
    clean = np.concatenate([np.full(30, 0.5), np.full(30, 0.001), np.full(40, 0.05)]).astype(np.float32)
    denoised = clean.copy()
    denoised[20:70] = 0
    assert count_muted_frames(denoised, clean, 10) == MutedFrames(
        2, 7
    )  # the quiet frames are 54 dB below the loud ones
    assert count_muted_frames(denoised, None, 10) == MutedFrames(5, 10, of_speech=False)
    assert count_muted_frames(denoised, np.zeros(100, np.float32), 10) == MutedFrames(0, 0)
    assert sum([MutedFrames(1, 4), MutedFrames(2, 4)], MutedFrames()).share == pytest.approx(3 / 8)
    assert MutedFrames().share == 0


def test_a_gate_is_told_with_its_key_and_what_it_mutes():
    assert gate_warning(-50, MutedFrames(86, 1000), "int8 on the board, 12 clips") == (
        "deployment.output_silence_threshold: -50: the silence gate mutes 8.6 % of the frames with speech (int8 on the "
        "board, 12 clips); leave the key empty for no gate"
    )
    assert "mutes 0.0 % of all frames" in gate_warning(-60, MutedFrames(0, 10, of_speech=False), "x")


class Combed(Unity):
    """A mask whose impulse response is longer than a window."""

    path, stateful = "combed", False

    def __call__(self, magnitude):
        """Let every other bin through."""
        return np.ones_like(magnitude) * (np.arange(magnitude.shape[1]) % 2 == 0)[:, np.newaxis]


@pytest.mark.parametrize(
    "mode",
    [Stream((0, 0), 6, -45.0), Board(6, 0, -45.0, input_gain=False, half_away=False)],
    ids=["stream", "patch"],
)
def test_the_first_call_does_not_open_the_gate_by_a_click(mode):
    """Divided by the edge of the first window alone, its first samples would be far louder than the rest."""
    quiet = wave(2000)[-300:] * np.float32(0.008)
    loud = np.concatenate([quiet, 100 * quiet])
    stft = Stft(64, 20, 50)
    assert denoise(loud, Combed(), stft, mode)[400:].any()
    assert not denoise(loud, Combed(), stft, mode)[:200].any()
