"""A bench for the steps of accuracy recovery without audio: spectra of given magnitudes and phases drawn at random."""

import numpy as np

from mask_graphs import BINS
from sezoo.audio.stft import Stft
from sezoo.quantization.calibration.ranges import calibrate
from sezoo.quantization.calibration.segments import Segment, SegmentPool
from sezoo.quantization.fidelity.context import RecoveryContext
from sezoo.quantization.fidelity.scorer import FidelityScorer, mask_function
from sezoo.quantization.graph.qdq import operators_to_quantize
from sezoo.quantization.options import calibration_options
from sezoo.quantization.plan import Plan

STFT = Stft(n_fft=2 * (BINS - 1), hop_length=BINS // 2, win_length=2 * (BINS - 1))
CALL_FRAMES = 8


def excerpts_of(clips, seed=0):
    """Each clip of magnitudes (1, bins, frames) with a complex spectrum to it."""
    rng = np.random.default_rng(seed)
    return [
        Segment((clip[0] * np.exp(2j * np.pi * rng.random(clip[0].shape))).astype(np.complex64), clip) for clip in clips
    ]


def bench_of(prepared, clips, settings):
    """The plan of the plain int8 model, and the bench that better ones are tried on.

    `clips` are magnitudes (1, bins, frames); what is fitted on and what is judged by is parted as the service does it.
    """
    op_types = operators_to_quantize(prepared, settings.op_types_to_quantize, "some_model.onnx")
    options = calibration_options(settings)
    ranges = calibrate(prepared, [[clip] for clip in clips], op_types, options, call_frames=CALL_FRAMES)
    fit, held_out = SegmentPool(excerpts_of(clips)).split_fit_holdout()
    masks = mask_function(prepared)
    judges = [FidelityScorer(masks, segments, STFT) for segments in (held_out, fit)]
    return Plan(prepared, prepared, ranges, tuple(op_types)), RecoveryContext(
        settings, options, fit, *judges, CALL_FRAMES
    )
