"""Quantizing: CPU time and peak memory against the number and the length of the clips.

    python benchmarks/quantization.py [--mlflow] [--no-recovery] [--no-report] [METHOD ...]

Prints one line a case. Reference service on a like machine: 9.4 CPU s and 814 MiB for 100 clips by MinMax,
726 MiB for 25 clips and 985 MiB for 240, ValueError by Entropy and Percentile.
"""

import argparse
import tempfile
from pathlib import Path

from measure import MODEL, SEZOO, cost_of, make_clips

CASES = [
    ("MinMax", 100, 437.0),
    ("MinMax", 25, 109.0),
    ("MinMax", 240, 1049.0),
    ("MinMax", 1, 3600.0),
    ("Percentile", 200, 874.0),
    ("Entropy", 200, 874.0),
    ("Distribution", 100, 437.0),
]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("methods", nargs="*", help="only these calibration methods")
    parser.add_argument(
        "--mlflow", action="store_true", help="with tracking in a folder, as the reference's YAML has it"
    )
    parser.add_argument("--no-recovery", action="store_true", help="quantization.accuracy_recovery: none")
    parser.add_argument("--no-report", action="store_true", help="general.report: False, without analysis and page")
    options = parser.parse_args()
    recovery = "none" if options.no_recovery else "auto"
    for method, count, seconds in CASES:
        if options.methods and method not in options.methods:
            continue
        with tempfile.TemporaryDirectory() as folder:
            folder = Path(folder)
            make_clips(folder / "clips", count, seconds)
            uri = "./mlruns" if options.mlflow else ""
            (folder / "user_config.yaml").write_text(
                f"""
operation_mode: quantization
model: {{onnx_path: {MODEL.as_posix()}}}
preprocessing: {{sample_rate: 16000, n_fft: 512, hop_length: 160, win_length: 400}}
quantization:
  noisy_quantization_files_path: clips
  num_quantization_samples:
  calibration_method: {method}
  op_types_to_quantize: [Conv, Add, Relu]
  accuracy_recovery: {recovery}
general: {{report: {not options.no_report}}}
mlflow: {{uri: {uri}}}
""",
                encoding="utf-8",
            )
            cost = cost_of([SEZOO], folder)
            print(f"{method:12s} {count:4d} clips {seconds:6.0f} s   {cost}", flush=True)
            if cost.exit_code:
                print((folder / "output.txt").read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
