"""How long the command takes to say anything: help, version, a configuration error.

python benchmarks/startup.py
"""

import argparse
import tempfile
from pathlib import Path

from measure import SEZOO, cost_of

REPEATS = 5


def main():
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        (folder / "user_config.yaml").write_text("operation_mode: quantisation\n", encoding="utf-8")
        for words in (["--help"], ["--version"], [], ["config", "--check", "user_config.yaml"]):
            costs = [cost_of([SEZOO, *words], folder) for _ in range(REPEATS)]
            best = min(costs, key=lambda cost: cost.wall_s)
            name = " ".join(["sezoo", *words]) + ("" if words else " (configuration error)")
            print(f"{name:45s} {best}")


if __name__ == "__main__":
    main()
