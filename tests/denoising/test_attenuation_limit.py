"""An attenuation limit: so much of the noisy clip stays in the denoised one, whatever the mode."""

from dataclasses import replace

import numpy as np
import pytest

from sezoo.audio.stft import Stft
from sezoo.base.errors import UserError
from sezoo.config.validation import build_config
from sezoo.denoising import Board, Patches, Stream, WholeClip, denoise
from sezoo.denoising.backend import board_of, stream_of
from sezoo.deployment.service import check_deployment
from tiny_models import configuration

STFT = Stft(64, 16, 64)
MODES = [WholeClip((0, 0)), Patches(6, 2), Board(6, 2, input_gain=False, half_away=False), Stream((0, 0), 3)]


class Halved:
    """A mask of which low bins are open and high ones closed."""

    batch = frames = input_quantizer = None

    def __call__(self, magnitude):
        mask = np.zeros_like(magnitude)
        mask[:, :10] = 0.7
        return mask


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: type(mode).__name__)
@pytest.mark.parametrize("limit", [0.0, 6.0, 24.0])
def test_it_is_a_mix_with_the_noisy_clip(mode, limit):
    noisy = np.random.default_rng(1).uniform(-0.5, 0.5, 1000).astype(np.float32)
    noisy = np.rint(noisy * 32768).astype(np.float32) / 32768
    dry = 10 ** (-limit / 20)
    expected = dry * noisy + (1 - dry) * denoise(noisy, Halved(), STFT, mode)
    found = denoise(noisy, Halved(), STFT, replace(mode, attenuation_limit=limit))
    inner = slice(64, -64)  # a transform that is not centred has no whole windows at the ends
    np.testing.assert_allclose(found[inner], expected[inner], atol=2 / 32768)
    assert f"{limit:g} dB of attenuation" in str(replace(mode, attenuation_limit=limit)) or isinstance(mode, Board)


def test_devices_have_that_of_the_deployment():
    config = configuration(attenuation_limit_db=12)
    assert stream_of(config, (3, 3)).attenuation_limit == 12
    assert board_of(config, 6, 2, calibrated_with_gain=False).attenuation_limit == 12
    assert stream_of(configuration(), (3, 3)).attenuation_limit is None


def test_limits_that_are_none():
    with pytest.raises(UserError, match="attenuation_limit_db: found -1; allowed: a number, 0 or more"):
        configuration(attenuation_limit_db=-1)
    with pytest.raises(UserError, match=r"prediction\.attenuation_limit_db"):
        build_config({"operation_mode": "prediction", "prediction": {"attenuation_limit_db": "much"}})
    with pytest.raises(UserError, match="backend: stm32n6 has no such limit"):
        check_deployment(configuration(attenuation_limit_db=12, backend="stm32n6"))
