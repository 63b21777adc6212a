"""What a C package has besides its network."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["PackageSettings"]


@dataclass(frozen=True)
class PackageSettings:
    """What a package has besides its network.

    Attributes
    ----------
    input_gain : magnitudes of loud calls are scaled to the peak, as ST's application does.
    silence_threshold : in dBFS, below which a call's output is silent; None where there is no gate.
    attenuation_limit : in dB, what is taken away at most when a denoiser is new; None for no limit.
    model_hash : SHA-256 of the ONNX file, in hexadecimal digits.
    layers : build systems besides CMake that the package drops into; of `LAYERS`.
    """

    sample_rate: int
    input_gain: bool
    silence_threshold: float | None
    attenuation_limit: float | None = None
    model_hash: str = 64 * "0"
    layers: tuple[str, ...] = ()
