"""A folder of a run in which every name and every sentence is hostile."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import cycle
from pathlib import Path

__all__ = ["make_hostile"]

KEYS = {
    *("name", "label", "why", "reason", "advice", "does", "made_by", "sentence", "compiler", "clip", "how", "model"),
    *("kernels", "core", "op_type", "kind", "what", "text"),
}


def make_hostile(folder: Path, names: Sequence[str]) -> None:
    """Put these names, in turn, into all results of a run that has done all; what finds files keeps its name."""
    texts = cycle(names)
    for path in folder.rglob("*.json"):
        content = json.loads(path.read_text(encoding="utf-8"))
        if path.name == "index.json":
            for clip in content["clips"]:
                clip.update(name=next(texts), why=next(texts))
                for version in clip["versions"]:
                    version["label"] = next(texts)
        else:
            _rename(content, texts)
        path.write_text(json.dumps(content), encoding="utf-8")
    record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    record["warnings"] = [{"text": name} for name in names]
    (folder / "run.json").write_text(json.dumps(record), encoding="utf-8")


def _rename(value: object, texts: Iterator[str]) -> None:
    entries = (
        list(value.items()) if isinstance(value, dict) else list(enumerate(value)) if isinstance(value, list) else ()
    )
    for key, entry in entries:
        if isinstance(entry, str) and key in KEYS:
            value[key] = next(texts)
        else:
            _rename(entry, texts)
