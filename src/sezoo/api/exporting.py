"""`sezoo.export`: a model in the form that another runtime takes."""

from __future__ import annotations

from pathlib import Path

from sezoo.base.errors import UserError
from sezoo.base.shipped import model_file

__all__ = ["export"]


def export(
    model: str | Path,
    output: str | Path | None = None,
    *,
    fp16: bool = False,
    frames: int | None = None,
    streaming: bool = False,
) -> Path:
    """Write a model in the form that another runtime takes, checked against the original with onnxruntime.

    Parameters
    ----------
    model : ONNX file, float or int8.
    output : file to write; None is named after the model and the form, in the working directory.
    fp16 : floats of 16 bits inside, float32 at the ends; of float models.
    frames : fixes the axes to N frames and a batch of 1; None leaves them dynamic.
    streaming : one frame a call, with states as inputs and outputs; of float models of whole clips.

    Returns
    -------
    output : the file.

    Raises
    ------
    UserError : the model has no such form, or the file exists.
    """
    from sezoo.quantization.exported import default_name
    from sezoo.quantization.exported import export as export_file

    path = model_file(model)
    if frames is not None and frames < 1:
        raise UserError(f"frames: found {frames}; allowed: 1 or more")
    target = output if output is not None else default_name(path, fp16=fp16, frames=frames, stream=streaming)
    export_file(path, Path(target), fp16=fp16, frames=frames, stream=streaming)
    return Path(target)
