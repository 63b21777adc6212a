"""`sezoo live --audio`: a model between microphone and headphones, until Ctrl-C; the devices are a stand-in's."""

import re
import sys
import time

import numpy as np
import onnx
import pytest

import mask_graphs as graphs
import recurrent_graphs
from builders import RATE
from sezoo.audio.board_input import from_int16, to_int16
from sezoo.audio.sound_devices import Duplex
from sezoo.audio.stft import Stft
from sezoo.cli.live_audio import SECONDS, SECONDS_OF_LINES
from sezoo.cli.main import main
from sezoo.denoising import Stream, denoise
from sezoo.deployment.live.audio import LiveModel
from sezoo.models.mask_model import MaskModel
from sezoo.models.receptive_field import receptive_field_of
from sezoo.models.state_loop import StateLoop
from sound_stand_ins import stand_in
from tiny_models import int8_model, write_tiny_model

SPECTRUM = ["--n-fft", "64", "--hop", "30", "--win", "60"]
STFT = Stft(n_fft=64, hop_length=30, win_length=60)


@pytest.fixture
def noise():
    return np.random.default_rng(2).integers(-9000, 9000, RATE // 4, np.int16)


@pytest.fixture
def played(monkeypatch, capsys):
    """Plays some sound, and interrupts when it has ended: what was heard, and what was written."""

    def play(sound, *words, **how):
        monkeypatch.setitem(sys.modules, "sounddevice", module := stand_in(sound, **how))
        sleeps, asleep = iter([None]), time.sleep

        def sleep(seconds):
            if seconds not in (SECONDS, SECONDS_OF_LINES):  # of a process that is waited for
                asleep(seconds)
            elif next(sleeps, "over") == "over":
                raise KeyboardInterrupt

        monkeypatch.setattr(time, "sleep", sleep)
        main(["live", "--audio", *map(str, words)])
        return module.opened[0].heard, capsys.readouterr().out

    return play


@pytest.mark.parametrize("kind", ["static int8", "float"])
def test_it_is_heard_as_the_c_stream_plays_it(tmp_path, noise, played, kind):
    model, path = graphs.tcnn() if kind == "float" else int8_model(), tmp_path / "model.onnx"
    if kind == "float":
        onnx.save(model, path)
    else:
        write_tiny_model(path)
    heard, said = played(noise, path, *SPECTRUM, flags={3: ("output_underflow",)})
    before, after = receptive_field_of(model, path)
    expected = denoise(from_int16(noise), MaskModel(model, path), STFT, Stream((before, after)))
    delay = after * 30 + 30
    np.testing.assert_allclose(heard[delay:], to_int16(expected)[: len(heard) - delay], atol=1)
    latency = 1000 * (delay + 30) / RATE
    begin, about, line, end = said.strip().splitlines()
    assert begin == "Built-in -> model -> Built-in"
    assert about == f"latency {latency:.1f} ms, and 30 ms of the devices' buffers; use headphones; Ctrl-C ends"
    level = re.fullmatch(r"noisy [█·]{15}  (-\d+) dBFS  denoised .* load +\d+% \(longest .*\)  under-runs 1", line)[1]
    assert int(level) == round(10 * np.log10(np.mean(np.square(noise / 32768))))
    assert re.fullmatch(rf"[\d.]+ s, {len(noise) // 30} calls of .* ms: load .*, under-runs 1", end)


@pytest.fixture
def lengths(monkeypatch):
    """How many frames the model was given in each call."""
    given, call = [], StateLoop.__call__
    monkeypatch.setattr(StateLoop, "__call__", lambda self, frames: given.append(frames.shape[2]) or call(self, frames))
    return given


@pytest.mark.parametrize("frames", [1, 4])
@pytest.mark.parametrize("kind", ["float", "int8"])
def test_a_recurrent_network_computes_each_frame_once(tmp_path, noise, played, lengths, kind, frames):
    model, path = recurrent_graphs.recurrent("GRU", "LSTM", bins=33), tmp_path / "model.onnx"
    if kind == "int8":
        model = recurrent_graphs.dynamic_int8(model)
    onnx.save(model, path)
    heard, _ = played(noise, path, *SPECTRUM, "--frames", frames)
    calls = len(noise) // (30 * frames)
    assert lengths[-calls:] == [frames] * calls
    expected = to_int16(denoise(from_int16(noise), MaskModel(model, path), STFT, Stream((None, 0))))
    np.testing.assert_allclose(heard[30:], expected[: len(heard) - 30], atol=1)
    assert np.abs(expected).max() > 1000


def test_with_an_attenuation_limit_of_0_db_it_is_the_microphone_later(tmp_path, noise, played):
    path = write_tiny_model(tmp_path / "model.onnx")
    heard, _ = played(noise, path, *SPECTRUM, "--attenuation-limit", 0, "--frames", 4)
    delay = 3 * 30 + 30
    np.testing.assert_allclose(heard[delay:], noise[: len(heard) - delay], atol=1)
    assert len(heard) == len(noise) // 120 * 120


def test_a_fault_of_the_program_is_not_lost_in_the_thread_of_the_sound(tmp_path, noise, played, monkeypatch):
    monkeypatch.setattr(LiveModel, "process", lambda self, samples: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        played(noise, write_tiny_model(tmp_path / "model.onnx"), *SPECTRUM)


def test_a_device_that_is_unplugged_ends_it(tmp_path, noise, played, capsys, monkeypatch):
    monkeypatch.setattr(Duplex, "is_active", False)
    with pytest.raises(SystemExit) as ended:
        played(noise, write_tiny_model(tmp_path / "model.onnx"), *SPECTRUM)
    assert ended.value.code == 2 and "the sound has ended: was a device unplugged?" in capsys.readouterr().err


def test_devices_are_listed(noise, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "sounddevice", stand_in(noise))
    with pytest.raises(SystemExit) as ended:
        main(["live", "--devices"])
    lines = capsys.readouterr().out.splitlines()
    assert not ended.value.code
    assert any(re.search(r"0 +Built-in, ALSA +2 +2 +48,000 +microphone, loudspeaker", line) for line in lines)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--audio", "-o", "page.html"], "--audio writes nothing; leave -o and --json out"),
        (["--microphone", "usb"], "--microphone: a page uses the browser's"),
        (["--audio", "--attenuation-limit", "-3"], "attenuation_limit_db: found -3"),
        (["--audio", "--frames", "0"], "frames_per_patch: found 0"),
        (["--audio", "--loudspeaker", "studio"], "--loudspeaker studio: No output device matching"),
        (["--audio", "--n-fft", "128"], "bins"),
    ],
)
def test_bad_words(tmp_path, noise, monkeypatch, capsys, words, message):
    monkeypatch.setitem(sys.modules, "sounddevice", stand_in(noise))
    path = write_tiny_model(tmp_path / "model.onnx")
    with pytest.raises(SystemExit) as ended:
        main(["live", str(path), *SPECTRUM, *words])
    assert ended.value.code == 2 and message in capsys.readouterr().err
    assert not list(tmp_path.glob("*.html"))
