"""The names of files that the report reads and writes in a run's folder."""

__all__ = ["BENCHMARK", "DEPLOYMENT", "ENVIRONMENT", "EVALUATION", "QUANTIZATION", "REPORT", "TRAINING"]

REPORT = "report.html"
ENVIRONMENT = "environment.json"
EVALUATION = "evaluation.json"
QUANTIZATION = "quantization_report.json"
BENCHMARK = "benchmark.json"
DEPLOYMENT = "deployment.json"
TRAINING = "training_logs"
