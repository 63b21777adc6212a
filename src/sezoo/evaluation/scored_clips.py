"""A line for each clip as it is scored, from which a run that was ended goes on.

`scored_clips.jsonl` has the clips as they are, `scored_conditions.jsonl` those of the robustness bench. The first line
says what was scored and how; the runs of a test set in parts (`evaluation.shard`) are joined by it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TextIO

from sezoo.audio.clip import BadClipError
from sezoo.base.errors import UserError
from sezoo.base.files import json_lines, reason_of
from sezoo.base.foreign_text import to_encodable, to_one_line
from sezoo.base.version import __version__
from sezoo.denoising.silence_gate import MutedFrames
from sezoo.evaluation.scoring import ScoredClip
from sezoo.results.names import SCORED_CLIPS
from sezoo.run.executors import ConnectionLostError

__all__ = ["ClipKey", "Outcome", "ScoredClips", "read_part", "scored_clips"]

FORMAT = 1

Outcome = ScoredClip | BadClipError


@dataclass(frozen=True)
class ClipKey:
    """Key of a clip in a test set: the names and sizes of its files, and its condition.

    Attributes
    ----------
    clean : None where there is no clean clip.
    sizes : bytes of both files.
    condition : of the robustness bench; None as it is.
    """

    noisy: str
    clean: str | None
    sizes: tuple[int, ...]
    condition: str | None = None


@dataclass
class ScoredClips:
    """The clips that are scored already, and the file that takes the next ones."""

    path: Path
    known: dict[ClipKey, Outcome]
    file: TextIO = field(repr=False)

    def add(self, key: ClipKey, outcome: Outcome) -> None:
        """Write a clip's line; it is on the disk when this returns, or a run that is killed has not scored it."""
        self._write({**asdict(key), **_plain(outcome)})

    def finish(self) -> None:
        """Say that the run has come to its end."""
        self._write({"finished": True})

    def _write(self, line: Mapping[str, object]) -> None:
        try:
            self.file.write(json.dumps(line) + "\n")
            self.file.flush()
        except OSError as error:
            raise UserError(f"cannot write {self.path}: {reason_of(error)}") from error


@contextmanager
def scored_clips(path: Path, scoring: Mapping[str, Any]) -> Iterator[ScoredClips]:
    """Open a run's file of scored clips, with those that an interrupted run with the same settings had scored.

    It stays where the run was killed, or has lost its workers; bad input and Ctrl-C remove it.

    Parameters
    ----------
    scoring : what a score depends on besides the clip, in plain values; clips that were scored otherwise are not taken.
    """
    first = {"format": FORMAT, "sezoo": __version__, "scoring": scoring}
    lines = list(json_lines(path))
    is_the_same = len(lines) > 1 and lines[0] == json.loads(json.dumps(first)) and not _is_finished(lines)
    known = _outcomes(lines[1:]) if is_the_same else {}
    is_open = False
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", encoding="utf-8", newline="\n") as file:  # anew: the last line may be torn
            clips = ScoredClips(path, known, file)
            clips._write(first)
            for key, outcome in known.items():
                clips.add(key, outcome)
            is_open = True
            yield clips
    except (UserError, KeyboardInterrupt) as error:
        if not isinstance(error, ConnectionLostError):  # the run has no result, and leaves nothing
            path.unlink(missing_ok=True)
        raise
    except OSError as error:
        if is_open:  # not of this file: what is written to it says so itself
            path.unlink(missing_ok=True)
            raise UserError(f"{error.filename or 'while clips were scored'}: {reason_of(error)}") from error
        raise UserError(f"cannot write {path}: {reason_of(error)}") from error


def _is_finished(lines: Sequence[Mapping[str, Any]]) -> bool:
    return bool(lines[-1].get("finished"))


def read_part(path: Path, scoring: Mapping[str, Any]) -> dict[ClipKey, Outcome]:
    """The clips that another run has scored.

    Parameters
    ----------
    path : the folder of a run, or its file.

    Raises
    ------
    UserError : it is no such file, one of a newer sezoo, or of clips that were scored otherwise.
    """
    file = path / SCORED_CLIPS if path.is_dir() else path
    lines = list(json_lines(file))
    if not lines or "scoring" not in lines[0]:
        raise UserError(f"evaluation.parts: no scored clips in {file}; name folders of evaluations")
    if lines[0].get("format") != FORMAT:
        raise UserError(f"{file}: written by sezoo {lines[0].get('sezoo')}, whose format is unknown here; update sezoo")
    other, own = lines[0]["scoring"], json.loads(json.dumps(scoring))
    if differing := [key for key in own if own[key] != other.get(key)]:
        key = differing[0]
        raise UserError(
            f"{file}: scored otherwise, with {key} {to_one_line(json.dumps(other.get(key)))}; here it is "
            f"{to_one_line(json.dumps(own[key]))}"
        )
    return _outcomes(lines[1:])


def _plain(outcome: Outcome) -> dict[str, Any]:
    if isinstance(outcome, BadClipError):
        return {"left_out": outcome.reason, "path": to_encodable(str(outcome.path))}
    return {
        "name": outcome.name,
        "seconds": outcome.seconds,
        "scores": outcome.scores,
        "not_scored": outcome.not_scored,
        "muted": {name: asdict(muted) for name, muted in outcome.muted.items()},
    }


def _outcomes(lines: list[dict[str, Any]]) -> dict[ClipKey, Outcome]:
    found: dict[ClipKey, Outcome] = {}
    for line in lines:
        try:
            key = ClipKey(line["noisy"], line["clean"], tuple(line["sizes"]), line["condition"])
            found[key] = _outcome(line)
        except (KeyError, TypeError):  # the line that ends the file, or none of ours
            continue
    return found


def _outcome(line: Mapping[str, Any]) -> Outcome:
    if "left_out" in line:
        return BadClipError(Path(line["path"]), line["left_out"])
    muted = {name: MutedFrames(**entry) for name, entry in line["muted"].items()}
    return ScoredClip(line["name"], line["seconds"], line["scores"], line["not_scored"], muted)
