"""How models hold up: quiet, loud, reverberant, band-limited, clipped and clean speech, SNRs of 0 to 20 dB, babble.

    NOISY=... CLEAN=... python benchmarks/robustness.py [MODEL ...] [--clips N] [--keep FOLDER]

NOISY and CLEAN are folders of test pairs, of which N are drawn at random, the same ones every time. Models are ONNX
files; the default is the four that come with sezoo, in float. Runs `sezoo evaluate --robustness`, and prints a
Markdown table of all models: PESQ and STOI in each condition, and how much of the speech they cut. FOLDER keeps the
runs with their pages.
"""

import argparse
import json
import os
import subprocess
import tempfile
from pathlib import Path

from measure import ROOT, SEZOO

ZOO = ROOT / "src" / "sezoo" / "zoo"
MODELS = [ZOO / name / f"{name}.onnx" for name in ("utcn", "utcn_small", "utcn_live_small", "stft_tcnn_medium")]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", type=Path, default=MODELS, metavar="MODEL")
    parser.add_argument("--clips", type=int, default=50, metavar="N", help="test pairs to draw (default: 50)")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="where the runs go; the default is temporary")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = (options.keep or Path(temporary)).resolve()
        found = {path.stem: robustness_of(path.resolve(), options.clips, folder / path.stem) for path in options.models}
    print("\n".join(table(found)))


def robustness_of(model, clips, run):
    """What the bench says of a model: the content of robustness.json."""
    words = [SEZOO, "evaluate", model, "--noisy", os.environ["NOISY"], "--clean", os.environ["CLEAN"]]
    words += ["--clips", clips, "--robustness", "--metrics", "pesq,stoi,si_snr", "--play-like", "whole", "-o", run]
    subprocess.run([str(word) for word in words], check=True, stdout=subprocess.DEVNULL)
    return json.loads((run / "robustness.json").read_text(encoding="utf-8"))


def table(found):
    """Lines of Markdown: a row a condition, scores worse than the noisy clips' in bold."""
    first = next(iter(found.values()))
    yield f"PESQ, STOI, share of the speech bins that are cut; {first['clips']} pairs in each condition"
    yield ""
    yield f"| | noisy | {' | '.join(found)} |"
    yield "|---" * (len(found) + 2) + "|"
    for row, condition in enumerate(first["conditions"]):
        noisy = condition["noisy"]
        cells = [f"{noisy['pesq']:.2f}, {noisy['stoi']:.3f}"]
        cells += [cell(content["conditions"][row]) for content in found.values()]
        yield f"| {condition['label']} | {' | '.join(cells)} |"


def cell(condition):
    ((version, scores),) = condition["versions"].items()
    worse = condition["worse_than_noisy"][version]
    texts = {"pesq": f"{scores['pesq']:.2f}", "stoi": f"{scores['stoi']:.3f}"}
    marked = [f"**{text}**" if metric in worse else text for metric, text in texts.items()]
    return f"{', '.join(marked)}; {100 * scores['speech_cut']:.0f} %"


if __name__ == "__main__":
    main()
