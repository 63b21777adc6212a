"""Where the files are that come with sezoo."""

from pathlib import Path

__all__ = ["DEMO_RECORDINGS", "ZOO"]

ZOO = Path(__file__).parents[1] / "zoo"
DEMO_RECORDINGS = Path(__file__).parents[1] / "demo" / "recordings"
