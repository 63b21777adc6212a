"""The names of files and folders of results in a run's folder."""

__all__ = [
    "BENCHMARK",
    "BEST_MODEL",
    "C_PACKAGE",
    "DEPLOYMENT",
    "ENVIRONMENT",
    "EVALUATION",
    "QUANTIZATION",
    "REPORT",
    "SCORED_CLIPS",
    "SCORED_CONDITIONS",
    "SNAPSHOT",
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
SNAPSHOT = f"{TRAINING}/training_snapshot.pth"
BEST_MODEL = "best_trained_model.onnx"
"""What a training writes at its end, in the folder of its models."""

SCORED_CLIPS, SCORED_CONDITIONS = "scored_clips.jsonl", "scored_conditions.jsonl"
