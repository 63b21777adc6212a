"""What the C package takes on emulated Cortex-M: instructions, memory, and how exact it is; prints a Markdown table.

    python benchmarks/c_package.py [--keep DIR]
    python benchmarks/c_package.py --deadlines [--keep DIR]    the shipped int8 models, for the README

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


def deadlines(folder):
    """Print the deadlines of the shipped int8 models: one frame a call, what `sezoo benchmark` says of two seconds."""
    print("| | latency | core | instructions a call, worst | at 160, 400, 800 MHz | keeps up from | RAM | flash |")
    print("|---|---|---|---|---|---|---|---|")
    for model in sorted(path.parent.name for path in ZOO.glob("*/README.md")):
        words = [
            SEZOO,
            "benchmark",
            ZOO / model / f"{model}_int8_static.onnx",
            "--on",
            "cortex-m55,cortex-m7,cortex-m4",
        ]
        run = folder / model
        subprocess.run([*words, "-o", run], check=True, capture_output=True)
        for one in json.loads((run / "benchmark.json").read_text(encoding="utf-8"))["measurements"]:
            shares = ", ".join(f"{100 * share:.0f} %" for share in one["core_shares"].values())
            print(
                f"| {model} | {one['latency_ms']:.0f} ms | {one['target']} | {one['instructions'] / 1e6:.2f} M, "
                f"{one['worst_instructions'] / 1e6:.2f} M | {shares} | {one['lowest_clock_mhz']:.0f} MHz | "
                f"{one['ram'] / 1024:.0f} KiB | {one['flash'] / 2**20:.2f} MiB |",
                flush=True,
            )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", type=Path, help="folder for the runs")
    parser.add_argument("--deadlines", action="store_true", help="of the shipped int8 models, with one frame a call")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.keep or Path(scratch)
        if options.deadlines:
            deadlines(folder)
            return
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
