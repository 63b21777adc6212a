"""Calibration gives the same ranges and excerpts, bit for bit, whatever does the work."""

import functools
import importlib.util
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

import mask_graphs as graphs
from builders import RATE, mix, quantization_config, write_clips, write_speech_and_noise
from quantizers import ready
from sezoo.audio.stft import stft_of
from sezoo.base.errors import UserError
from sezoo.config.validation import build_config
from sezoo.denoising.modes import Board
from sezoo.quantization.calibration import magnitudes as module
from sezoo.quantization.calibration.clips import calibration_clips
from sezoo.quantization.calibration.magnitudes import CalibrationMagnitudes
from sezoo.quantization.calibration.options import CalibrationOptions
from sezoo.quantization.calibration.ranges import calibration_of

SPECTRUM = {"sample_rate": RATE, "n_fft": 64, "win_length": 64, "hop_length": 32}
METHODS = {
    "means of extremes": CalibrationOptions(moving_average=True, stride=2, averaging_constant=0.3),
    "percentile": CalibrationOptions("Percentile", percentile=99.9),
}


class Kept(ProcessPoolExecutor):
    """Processes that stay for the next run, as those of a cluster do: each has to import all that it works with."""

    def shutdown(self, wait=True, *, cancel_futures=False):
        pass

    def end(self):
        super().shutdown()


@functools.cache
def spawned():
    """As Windows starts processes."""
    return Kept(2, multiprocessing.get_context("spawn"))


@pytest.fixture(scope="module")
def places():
    """Where clips are looked at, by what the configuration says; the first is the reference."""
    found = [{"workers": 1}, {"workers": 3}, {"executor": f"{__name__}:spawned"}]
    with ExitStack() as stack:
        stack.callback(lambda: spawned().end())
        if importlib.util.find_spec("distributed") is not None:
            from distributed import LocalCluster

            cluster = stack.enter_context(LocalCluster(2, threads_per_worker=2, dashboard_address=":0"))
            found.append({"executor": f"dask:{cluster.scheduler_address}"})
        yield found


@pytest.fixture(scope="module")
def prepared():
    return ready(graphs.tcnn(blocks=1))


def config_of(dataset, *, workers=None, executor="local", amount=9, **quantization):
    settings = {"num_quantization_samples": amount, "num_workers": workers, **quantization}
    raw = quantization_config(dataset=None, quantization=settings, general={"executor": executor})
    return build_config({**raw, "dataset": dataset, "preprocessing": SPECTRUM})


def looked_at(config, prepared, options, **how):
    run = SimpleNamespace(config=config, progress=lambda items, total, what: items)
    found = CalibrationMagnitudes(run, calibration_clips(config), stft_of(config.preprocessing), **how)
    return found, found.ranges(calibration_of(*prepared, options))


def recordings(folder):
    """Nine clips, each louder than the last, of which one is silent."""
    for index, path in enumerate(write_clips(folder / "noisy", " ".join(f"{index}.wav" for index in range(9)))):
        waveform, _ = soundfile.read(path)
        soundfile.write(path, waveform[: 3000 + 500 * index] * (0.0 if index == 4 else 0.1 * (1 + index)), RATE)
    return {"name": "custom", "noisy_train_files_path": str(folder / "noisy"), "skip_bad_files": True}


@pytest.mark.parametrize("kind", ["recordings", "mix"])
def test_workers_change_nothing(tmp_path, places, prepared, kind):
    dataset = recordings(tmp_path) if kind == "recordings" else mix(write_speech_and_noise(tmp_path))
    how = {"board": Board(20, 4), "multiple": 4}
    for options in METHODS.values():
        first, expected = looked_at(config_of(dataset, **places[0]), prepared, options, **how)
        assert first.clips_read == (8 if kind == "recordings" else 9)
        for place in places[1:]:
            other, ranges = looked_at(config_of(dataset, **place), prepared, options, **how)
            assert ranges == expected, place
            assert (other.clips_read, other.seconds_read) == (first.clips_read, first.seconds_read)
            for one, two in zip(first.segments.kept, other.segments.kept, strict=True):
                np.testing.assert_array_equal(one.spectrum, two.spectrum)
                np.testing.assert_array_equal(one.magnitude, two.magnitude)


def test_long_clips_give_excerpts_evenly(tmp_path, prepared, monkeypatch):
    monkeypatch.setattr(module, "MAX_FRAMES", 20)
    monkeypatch.setattr(module, "MOST_FRAMES", 60)
    monkeypatch.setattr(module, "SEGMENT_FRAMES", 20)
    write_clips(tmp_path / "noisy", "a.wav b.wav c.wav", seconds=1)
    dataset = {"name": "custom", "noisy_train_files_path": str(tmp_path / "noisy")}
    found, _ = looked_at(config_of(dataset, workers=2, amount=3), prepared, METHODS["percentile"])
    frames = [segment.spectrum.shape[1] for segment in found.segments.kept]
    assert sum(frames) <= 3 * 40  # of 1500
    spectra = [stft_of(found.run.config.preprocessing).analyse(found.clips.read(index)[1]) for index in range(3)]
    firsts = [segment.spectrum for segment in found.segments.kept if segment.spectrum.shape[1] == 20]
    for whole in spectra:  # each clip has its part of them
        assert any(np.array_equal(first, whole[:, start : start + 20]) for first in firsts for start in (0, 20, 40))
    assert found.segments.patch(50).shape == (1, 33, 50)


@pytest.mark.parametrize("workers", [1, 3])
def test_a_bad_clip_ends_it_with_its_name(tmp_path, prepared, workers):
    dataset = recordings(tmp_path) | {"skip_bad_files": False}
    with pytest.raises(UserError, match=r"4\.wav: it is silent .*set dataset\.skip_bad_files"):
        looked_at(config_of(dataset, workers=workers), prepared, METHODS["percentile"])


@pytest.mark.parametrize("workers", [1, 3])
def test_the_first_clip_of_not_finite_activations_is_named(tmp_path, prepared, workers):
    dataset = recordings(tmp_path)
    config = config_of(dataset, workers=workers)
    clips = calibration_clips(config)

    class Poisoned:
        def __len__(self):
            return len(clips)

        def read(self, index):
            name, waveform = clips.read(index)
            return name, waveform * np.float32(np.nan if index in (5, 7) else 1)

    run = SimpleNamespace(config=config, progress=lambda items, total, what: items)
    found = CalibrationMagnitudes(run, Poisoned(), stft_of(config.preprocessing))
    with pytest.raises(UserError, match=r"becomes NaN or infinite, on .*5\.wav; .*1e-7"):
        found.ranges(calibration_of(*prepared, METHODS["means of extremes"]))
