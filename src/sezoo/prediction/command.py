"""Recordings denoised without a run: no folder of results, no log file, no tracking."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from sezoo.audio.stft import stft_of, warn_of_overlap
from sezoo.base.errors import UserError
from sezoo.base.files import reason_of
from sezoo.config.sections import Config
from sezoo.prediction.service import predict_targets
from sezoo.prediction.targets import Target, check_free, container_of, recordings_in, targets_for
from sezoo.run.run import Run
from sezoo.run.tracking import Trackers

__all__ = ["denoise_recordings"]

OVERWRITE_HINT = "use --overwrite to replace such files, or -o for another folder"


def denoise_recordings(
    paths: Sequence[Path],
    output: Path,
    config: Callable[[], Config],
    *,
    format: str | None = None,
    overwrite: bool = False,
) -> list[Path]:
    """Denoise files and the recordings of folders.

    Parameters
    ----------
    output : a folder, or a file for a file.
    config : gives the configuration, once it is known that recordings and targets will do.
    format : container of the denoised files, by its ending; None is that of the recording.
    overwrite : existing files.

    Returns
    -------
    written : the denoised files.

    Raises
    ------
    UserError : the model, a recording, a setting or a target is not fit for it.
    """
    if format is not None:
        container_of(format, "--format")
    sources = recordings_in(paths, "command line")
    try:
        targets = _targets(sources, output, format, overwrite)
    except OSError as error:  # a name that is too long, a folder that may not be looked into
        raise UserError(f"-o: {output} cannot be used: {reason_of(error)}") from error
    built = config()
    warn_of_overlap(stft_of(built.preprocessing))
    return predict_targets(Run(built, Path(), Trackers()), targets)


def _targets(sources: list[Path], output: Path, format: str | None, overwrite: bool) -> list[Target]:
    if not output.suffix or output.is_dir():
        return targets_for(sources, output, ending=format, overwrite=overwrite, hint=OVERWRITE_HINT)
    if len(sources) > 1:
        raise UserError(f"-o: {output} is one file, but there are {len(sources)} recordings; name a folder")
    container = container_of(output.suffix, "-o")
    if format is not None and container_of(format, "--format") != container:
        raise UserError(f"--format: found {format!r}, but -o {output} says {output.suffix}; leave one of them out")
    if output.exists() and output.samefile(sources[0]):
        raise UserError(f"{output} would be replaced by its own denoised version; name another file with -o")
    if not overwrite:
        check_free([output], OVERWRITE_HINT)
    return [Target(sources[0], output)]
