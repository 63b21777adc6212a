"""Settings of a C package."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["PackageSettings"]


@dataclass(frozen=True)
class PackageSettings:
    """Settings of a package that are not part of the network.

    Attributes
    ----------
    input_gain : whether the magnitudes of loud calls are scaled down to the peak, as in ST's application.
    silence_threshold : level in dBFS below which the output of a call is muted; None for no gate.
    attenuation_limit : initial limit of the attenuation in dB; None for no limit.
    model_hash : SHA-256 of the ONNX file, in hexadecimal digits.
    layers : build systems besides CMake that the package supports, each in `LAYERS`.
    """

    sample_rate: int
    input_gain: bool
    silence_threshold: float | None
    attenuation_limit: float | None = None
    model_hash: str = 64 * "0"
    layers: tuple[str, ...] = ()
