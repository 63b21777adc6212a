"""The names of files and folders of results in a run's folder."""

__all__ = [
    "BENCHMARK",
    "C_PACKAGE",
    "DEPLOYMENT",
    "ENVIRONMENT",
    "EVALUATION",
    "QUANTIZATION",
    "REPORT",
    "TFLITE_FOLDER",
    "TRAINING",
]

REPORT = "report.html"
ENVIRONMENT = "environment.json"
EVALUATION = "evaluation.json"
QUANTIZATION = "quantization_report.json"
BENCHMARK = "benchmark.json"
DEPLOYMENT = "deployment.json"
C_PACKAGE = "c_package"
TFLITE_FOLDER = "tflite"
TRAINING = "training_logs"
