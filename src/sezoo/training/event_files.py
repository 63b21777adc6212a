"""TensorBoard's event files of a training: scalars, sounds and curves, as `tensorboard --logdir FOLDER` shows them."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sezoo.base.errors import UserError

__all__ = ["EventFiles", "check_tensorboard"]

SCORES = "validation"
GROUPS = {"train_loss": "loss/training", "val_loss": "loss/validation", "learning_rate": "learning rate"}
"""Where TensorBoard shows the columns that are no scores of the validation examples."""


def check_tensorboard() -> None:
    """Check that the package is installed, which `training.tensorboard` needs.

    Raises
    ------
    UserError : it is not.
    """
    if importlib.util.find_spec("tensorboard") is None:
        raise UserError(
            "training.tensorboard: found True, which needs the package tensorboard (pip install 'sezoo[tensorboard]')"
        )


class EventFiles:
    """Writes event files into a folder once there is something to write; those of a resumed training lie beside them.

    Parameters
    ----------
    folder : of the files; made if it is not there.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self._writer: Any = None

    def scalars(self, row: Mapping[str, Any]) -> None:
        """Write an epoch's numbers; those that could not be measured are left out.

        Parameters
        ----------
        row : of the history, `epoch` among its columns.
        """
        epoch = int(row["epoch"])
        writer = self._from(epoch)
        for name, value in row.items():
            if name != "epoch" and value is not None:
                writer.add_scalar(GROUPS.get(name, f"{SCORES}/{name}"), float(value), epoch)
        writer.flush()

    def sound(self, name: str, waveform: np.ndarray, sample_rate: int, epoch: int) -> None:
        """Write a waveform (samples,) of floats within -1 and 1, at `sample_rate` in Hz."""
        self._from(epoch).add_audio(name, np.clip(waveform, -1, 1)[None, :], epoch, sample_rate=sample_rate)

    def picture(self, name: str, path: Path, epoch: int) -> None:
        """Write a PNG file; one that is not there is left out."""
        if not path.is_file():
            return
        from PIL import Image

        with Image.open(path) as image:
            pixels = np.asarray(image.convert("RGB"))
        self._from(epoch).add_image(name, pixels, epoch, dataformats="HWC")

    def close(self) -> None:
        """Write what is not written yet."""
        if self._writer is not None:
            self._writer.close()

    def _from(self, epoch: int) -> Any:
        """The writer; what an interrupted training has written of this epoch and of later ones is not shown."""
        if self._writer is None:
            from torch.utils.tensorboard import SummaryWriter

            self._writer = SummaryWriter(str(self.folder), purge_step=epoch if epoch > 1 else None)
        return self._writer
