"""What the C package takes on emulated Cortex-M: instructions, memory, and how exact it is; prints a Markdown table.

    python benchmarks/c_package.py [--keep DIR]

Needs arm-none-eabi-gcc and qemu-system-arm. The models are quantized on the demo's recordings: for what is measured
here it is of no importance on which.
"""

import argparse
import json
import subprocess
import tempfile
from pathlib import Path

from measure import ROOT, SEZOO

ZOO = ROOT / "src" / "sezoo" / "zoo"
BOARDS = {"M55": "STM32N6570-DK", "M7": "STM32H747I-DISCO", "M4": "STM32F469I-DISCO", "M33": "B-U585I-IOT02A"}
PLAIN, RECOVERED = {"accuracy_recovery": "none"}, {}
ROWS = [
    # model, settings of quantization, engine, frames a call, core; patches have the look-ahead that the network needs
    ("stft_tcnn_medium", PLAIN, "stream", 1, "M55"),
    ("stft_tcnn_medium", PLAIN, "stream", 4, "M55"),
    ("stft_tcnn_medium", PLAIN, "stream", 30, "M55"),
    ("stft_tcnn_medium", PLAIN, "patch", 30, "M55"),
    ("stft_tcnn_medium", RECOVERED, "stream", 4, "M55"),
    ("stft_tcnn_medium", PLAIN, "stream", 4, "M7"),
    ("stft_tcnn_medium", PLAIN, "stream", 4, "M4"),
    ("stft_tcnn_medium", PLAIN, "stream", 4, "M33"),
    ("utcn", RECOVERED, "patch", 30, "M55"),
    ("utcn", RECOVERED, "stream", 4, "M55"),
    ("utcn_small", RECOVERED, "stream", 1, "M55"),
    ("utcn_small", RECOVERED, "stream", 4, "M55"),
    ("utcn_small", RECOVERED, "stream", 4, "M4"),
]


def deployed(folder, model, quantization, engine, frames, core):
    """deployment.json of a run."""
    settings = {
        "operation_mode": "chain_qd",
        "+model.onnx_path": ZOO / model / f"{model}.onnx",
        "+dataset.name": "demo",
        **{f"+quantization.{key}": value for key, value in quantization.items()},
        "+deployment.backend": "portable-c",
        "+deployment.engine": engine,
        "+deployment.frames_per_patch": frames,
        "+deployment.hardware_setup.board": BOARDS[core],
        "hydra.run.dir": folder / "run",
    }
    folder.mkdir(parents=True)
    (folder / "user_config.yaml").write_text("operation_mode: chain_qd\npreprocessing: {}\n", encoding="utf-8")
    words = [f"{key}={value}" for key, value in settings.items()]
    subprocess.run([SEZOO, *words], cwd=folder, check=True, capture_output=True)
    return json.loads((folder / "run" / "deployment.json").read_text(encoding="utf-8"))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", type=Path, help="folder for the runs")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.keep or Path(scratch)
        print("| model | input | engine, frames | core | network | spectra | flash | arena | state | PESQ C / numpy |")
        print("|---|---|---|---|---|---|---|---|---|---|")
        for number, row in enumerate(ROWS):
            model, quantization, engine, frames, core = row
            found = deployed(folder / f"{number}", *row)
            done = found["emulated"]
            spectra = done["instructions_of_spectra_per_call"]
            network = sum(each["instructions_per_call"] for each in done["operators"])
            kind = "plain" if "accuracy_recovery" in quantization else "cortex-m"
            shape = f"{engine}, {frames}"
            scores = found["pesq"]
            print(
                f"| {model} | {kind} | {shape} | {core} | {network / 1e6:.2f} M | {spectra / 1e6:.2f} M | "
                f"{done['flash_bytes']:,} B | {found['arena_bytes']:,} B | {found['state_bytes']:,} B | "
                f"{scores['core']:.3f} / {scores['reference']:.3f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
