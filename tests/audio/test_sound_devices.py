"""Microphone and loudspeaker by sounddevice, of which a stand-in is here: what is opened, and what cannot be."""

import sys

import numpy as np
import pytest

from sezoo.audio.sound_devices import Duplex, devices
from sezoo.base.errors import UserError
from sound_stand_ins import DEVICES, stand_in

RATE = 16000


@pytest.fixture
def installed(monkeypatch):
    def install(*args, **how):
        monkeypatch.setitem(sys.modules, "sounddevice", module := stand_in(*args, **how))
        return module

    return install


def sine(rate, seconds=1.0):
    return np.rint(9000 * np.sin(2 * np.pi * 440 * np.arange(int(seconds * rate)) / rate)).astype(np.int16)


def test_devices_are_told_with_what_they_are_the_default_for(installed):
    installed(sine(RATE))
    built_in, microphone, screen = devices()
    assert (built_in.name, built_in.system, built_in.default_for) == ("Built-in", "ALSA", ("microphone", "loudspeaker"))
    assert (microphone.microphones, microphone.loudspeakers, microphone.sample_rate) == (1, 0, 48000)
    assert (screen.index, screen.default_for) == (2, ())


def test_calls_go_through_as_they_are_and_missing_sound_is_counted(installed):
    flags = {0: ("priming_output",), 2: ("input_overflow",), 5: ("output_underflow", "input_overflow")}
    module = installed(sine(RATE), flags=flags)
    with Duplex(lambda samples: -samples, RATE, 160, microphone="usb", loudspeaker="2") as sound:
        pass
    (stream,) = module.opened
    assert (stream.samplerate, stream.blocksize, stream.device, stream.channels) == (RATE, 160, (1, 2), (1, 2))
    np.testing.assert_array_equal(stream.heard, -sine(RATE))
    assert sound.underruns == 2 and sound.names == ("USB microphone", "HDMI") and sound.buffers_ms == 30
    assert stream.closed and not sound.is_active and sound.error is None


def test_devices_of_another_rate_are_resampled_without_a_gap(installed):
    wave, sizes = sine(48000), []
    module = installed(wave, rates=(48000,), blocks=(512, 384, 700))

    def process(samples):
        sizes.append(len(samples))
        return samples

    with Duplex(process, RATE, 160) as sound:
        pass
    (stream,) = module.opened
    assert (stream.samplerate, stream.blocksize) == (48000, 0) and set(sizes) == {160}
    begin = np.flatnonzero(stream.heard)[0]
    assert begin < 0.08 * 48000 and sound.underruns == 0
    heard = stream.heard[begin + 2400 :].astype(float)
    spectrum = np.fft.rfft(heard * np.hanning(len(heard)))
    level = np.abs(spectrum) / np.abs(spectrum).max()
    assert level[np.abs(np.fft.rfftfreq(len(heard), 1 / 48000) - 440) > 20].max() < 1e-3  # no gaps, no jumps
    assert np.abs(heard).max() == pytest.approx(9000, rel=0.02)


def test_a_fault_ends_the_sound_and_is_kept(installed):
    module = installed(sine(RATE))

    def process(samples):
        raise ZeroDivisionError("a fault")

    with Duplex(process, RATE, 160) as sound:
        assert not sound.is_active
    assert isinstance(sound.error, ZeroDivisionError) and len(module.opened[0].heard) == 160
    assert not module.opened[0].heard.any()


@pytest.mark.parametrize(
    ("how", "choice", "message"),
    [
        ({"devices": []}, {}, "no microphone that PortAudio can find; sezoo live --devices"),
        ({"devices": DEVICES[1:2]}, {}, "no loudspeaker that PortAudio can find"),
        ({}, {"microphone": "studio"}, "--microphone studio: No input device matching 'studio'; sezoo live --devices"),
        ({}, {"microphone": "HDMI"}, "--microphone HDMI: Not an input device: 'HDMI'"),
        ({}, {"loudspeaker": "7"}, "--loudspeaker 7: Error querying device 7"),
        ({"rates": ()}, {}, r"Built-in and Built-in cannot be opened at 48000 Hz: .*Invalid sample rate"),
    ],
)
def test_what_cannot_be_opened(installed, how, choice, message):
    installed(sine(RATE), **how)
    with pytest.raises(UserError, match=message):
        Duplex(lambda samples: samples, RATE, 160, **choice)


def test_without_devices_the_list_says_so(installed):
    installed(sine(RATE), devices=[])
    with pytest.raises(UserError, match="no sound devices that PortAudio can find"):
        devices()


@pytest.mark.parametrize("missing", ["package", "library"])
def test_without_the_package_or_its_library(monkeypatch, tmp_path, missing):
    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    message = r"need the package sounddevice: pip install 'sezoo\[live\]'"
    if missing == "package":
        monkeypatch.setitem(sys.modules, "sounddevice", None)
    else:
        (tmp_path / "sounddevice.py").write_text("raise OSError('PortAudio library not found')\n", encoding="utf-8")
        monkeypatch.syspath_prepend(tmp_path)
        message = "cannot be used: PortAudio library not found; on Debian and Ubuntu: apt install libportaudio2"
    with pytest.raises(UserError, match=message):
        devices()
