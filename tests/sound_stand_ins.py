"""A stand-in for the package sounddevice: its documented interface, with a recording for a microphone.

Streams call back as PortAudio does, (indata, outdata, frames, time, status), and what they are given is collected.
"""

import types

import numpy as np

BUILT_IN = {"name": "Built-in", "hostapi": 0, "max_input_channels": 2, "max_output_channels": 2}
USB = {"name": "USB microphone", "hostapi": 0, "max_input_channels": 1, "max_output_channels": 0}
HDMI = {"name": "HDMI", "hostapi": 0, "max_input_channels": 0, "max_output_channels": 8}
DEVICES = [{**each, "default_samplerate": 48000.0} for each in (BUILT_IN, USB, HDMI)]


class PortAudioError(Exception):
    """What sounddevice raises."""


class CallbackAbort(Exception):  # noqa: N818 - its name in sounddevice
    """What a callback ends a stream by."""


class CallbackFlags:
    """The status of a call."""

    def __init__(self, *flags):
        self.flags = flags

    def __getattr__(self, name):
        if name not in ("input_underflow", "input_overflow", "output_underflow", "output_overflow", "priming_output"):
            raise AttributeError(name)
        return name in self.flags


def stand_in(sound, rates=(16000, 48000), devices=DEVICES, flags=None, blocks=None):
    """A module.

    Parameters
    ----------
    sound : what the microphone hears: (samples,) int16.
    rates : in Hz, that streams can have.
    flags : of calls, by their number.
    blocks : lengths of calls where a stream leaves that to the system, by turns.
    """
    module = types.ModuleType("sounddevice")
    module.PortAudioError, module.CallbackAbort, module.opened = PortAudioError, CallbackAbort, []
    defaults = [
        next((n for n, each in enumerate(devices) if each[f"max_{kind}_channels"]), -1) for kind in ("input", "output")
    ]
    module.default = types.SimpleNamespace(device=defaults)

    class Stream:
        """All of the sound goes through when it is started."""

        latency = (0.01, 0.02)

        def __init__(self, samplerate, blocksize, device, channels, dtype, latency, callback):
            if samplerate not in rates:
                raise PortAudioError("Error opening Stream: Invalid sample rate [PaErrorCode -9997]")
            self.samplerate, self.blocksize, self.device = samplerate, blocksize, device
            self.channels, self.dtype, self.callback = channels, dtype, callback
            self.heard, self.active, self.closed = np.zeros(0, np.int16), False, False
            module.opened.append(self)

        def start(self):
            self.active = True
            at, call = 0, 0
            while at < len(sound) and self.active:
                frames = self.blocksize or blocks[call % len(blocks)]
                if len(piece := sound[at : at + frames]) < frames:
                    break
                inside = np.zeros((frames, self.channels[0]), np.int16)
                inside[:, 0] = piece
                outside = np.full((frames, self.channels[1]), 1234, np.int16)
                try:
                    self.callback(inside, outside, frames, None, CallbackFlags(*(flags or {}).get(call, ())))
                except CallbackAbort:
                    self.active = False
                assert (outside == outside[:, :1]).all()
                self.heard = np.append(self.heard, outside[:, 0])
                at, call = at + frames, call + 1

        def stop(self):
            self.active = False

        def close(self):
            self.closed = True

    def query_devices(device=None, kind=None):
        if device is None and kind is None:
            return tuple(devices)
        if device is None:
            device = module.default.device[kind == "output"]
        if isinstance(device, str):
            matching = [n for n, each in enumerate(devices) if device.lower() in each["name"].lower()]
            if len(matching) != 1:
                raise ValueError(f"No {kind} device matching {device!r}")
            (device,) = matching
        if not 0 <= device < len(devices):
            raise PortAudioError(f"Error querying device {device}")
        if not devices[device][f"max_{kind}_channels"]:
            raise ValueError(f"Not an {kind} device: {devices[device]['name']!r}")
        return {**devices[device], "index": device}

    def check(device, channels, dtype, samplerate):
        if samplerate not in rates:
            raise PortAudioError("Invalid sample rate [PaErrorCode -9997]")

    module.Stream, module.query_devices = Stream, query_devices
    module.query_hostapis = lambda: ({"name": "ALSA"},)
    module.check_input_settings = module.check_output_settings = check
    return module
