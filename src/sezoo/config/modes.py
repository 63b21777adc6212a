"""The operation modes: single services and chains of them, and what each needs in the configuration."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from sezoo.config.sections import Config, Dataset, Model, NetworkShape, Training

__all__ = ["LETTERS", "OPERATION_MODES", "chain_problem", "mode_problems", "required_sections", "steps"]


class Letter(NamedTuple):
    """A service that a chain can have.

    `sections` are those that it needs in the file. The dataset of `q` may be replaced by
    quantization.noisy_quantization_files_path, that of `p` by prediction.input_path.
    """

    mode: str
    sections: tuple[str, ...]


LETTERS: dict[str, Letter] = {
    "t": Letter("training", ("model", "dataset", "preprocessing", "training")),
    "e": Letter("evaluation", ("model", "dataset", "preprocessing")),
    "q": Letter("quantization", ("model", "dataset", "preprocessing", "quantization")),
    "b": Letter("benchmarking", ("model", "benchmarking")),
    "d": Letter("deployment", ("model", "preprocessing", "deployment")),
    "p": Letter("prediction", ("model", "dataset", "preprocessing")),
}
"""The letters of chains, and the mode that does each alone."""

KNOWN_CHAINS = ("chain_tqe", "chain_tqeb", "chain_eqe", "chain_eqeb", "chain_qb", "chain_qd")
OPERATION_MODES: tuple[str, ...] = (*(letter.mode for letter in LETTERS.values()), *KNOWN_CHAINS)
"""The modes that have names of their own; other chains are made of the same letters."""

_LETTER_OF = {letter.mode: key for key, letter in LETTERS.items()}


def steps(mode: str) -> str:
    """Return the letters of a mode's services, in order: `quantization` -> `q`, `chain_tqe` -> `tqe`."""
    return _LETTER_OF.get(mode) or mode.removeprefix("chain_")


def chain_problem(mode: str) -> str | None:
    """Describe why a chain is invalid; None if it is valid or not a chain."""
    found = re.fullmatch(r"chain_(\w*)", mode)
    if not found:
        return None
    letters = found[1]
    if unknown := sorted(set(letters) - set(LETTERS)):
        known = ", ".join(f"{key} {letter.mode}" for key, letter in LETTERS.items())
        return f"there is no service {unknown[0]!r}; the letters are {known}"
    if len(letters) < 2:
        return "a chain has two letters or more"
    if "t" in letters[1:]:
        return "training comes first"
    for letter in "qbdp":
        if letters.count(letter) > 1:
            return f"{LETTERS[letter].mode} comes once"
    before, _, after = letters.partition("q")
    if early := set(before) & set("bdp") if after or "q" in letters else set():
        return f"{LETTERS[min(early)].mode} comes after quantization"
    if before.count("e") > 1 or after.count("e") > 1:
        return "evaluation comes once before quantization and once after it"
    return None


def required_sections(mode: str) -> tuple[str, ...]:
    """Return the sections that a mode needs; those whose keys all have defaults may be omitted from the file."""
    return tuple(dict.fromkeys(section for step in steps(mode) for section in LETTERS[step].sections))


def mode_problems(config: Config) -> list[str]:
    """List what is missing or contradictory for the operation mode, one line each."""
    mode = config.operation_mode
    own_clips = config.quantization is not None and config.quantization.noisy_quantization_files_path is not None
    # With clips of its own the quantization step needs no data set; the other steps still do.
    spared = ({"q"} if own_clips else set()) | ({"p"} if config.prediction.input_path is not None else set())
    needs_dataset = {step for step in steps(mode) if "dataset" in LETTERS[step].sections} - spared
    problems = []
    for section in required_sections(mode):
        if getattr(config, section) is not None or (section == "dataset" and not needs_dataset):
            continue
        instead = _INSTEAD_OF_A_DATASET.get("".join(needs_dataset), "") if section == "dataset" else ""
        problems.append(f"{section}: operation_mode {mode} needs the section {section}{instead}")
    if config.model is not None:
        problems += _model_problems(config.model, mode)
    if config.dataset is not None:
        problems += _validation_problems(config.dataset)
        problems += _dataset_problems(config.dataset, mode, needs_dataset)
    if config.training is not None and "t" in steps(mode):
        problems += _training_problems(config, config.training)
        problems += _aware_problems(config, config.training)
    return problems


_INSTEAD_OF_A_DATASET = {
    "q": " (or quantization.noisy_quantization_files_path)",
    "p": " (or prediction.input_path)",
}


def _model_problems(model: Model, mode: str) -> list[str]:
    letters = steps(mode)
    if letters.startswith("t") or model.onnx_path is not None:
        return []
    if letters == "e" and (model.function is not None or model.denoised_path is not None):
        return []
    if set(letters) <= {"e", "p"}:
        if model.state_dict_path is not None:
            return []
        return [f"model.onnx_path: not set; operation_mode {mode} needs it, or model.state_dict_path"]
    return [f"model.onnx_path: not set; operation_mode {mode} needs it"]


_TEST_PATHS = {letter: ("noisy_test_files_path",) for letter in "ep"}  # without clean ones: metrics that need none
_PATHS: dict[str, dict[str, tuple[str, ...]]] = {
    "valentini": {letter: ("root_folder",) for letter in "teqp"},
    "custom": {
        "t": ("clean_train_files_path", "noisy_train_files_path"),
        "q": ("noisy_train_files_path",),
        **_TEST_PATHS,
    },
    "shards": {"t": ("shards_path",), "q": ("shards_path",), **_TEST_PATHS},
    "mix": {"t": ("speech_path", "noise_path"), "q": ("speech_path", "noise_path"), **_TEST_PATHS},
    "demo": {},
}
"""The keys of the data sets that each step needs."""


def _dataset_problems(dataset: Dataset, mode: str, needing_steps: set[str]) -> list[str]:
    paths = _PATHS.get(dataset.name, {})  # a layout of a user's own asks for what it needs
    keys = dict.fromkeys(key for step in "teqp" if step in needing_steps for key in paths.get(step, ()))
    return [
        f"dataset.{key}: not set; operation_mode {mode} needs it with dataset.name {dataset.name}"
        for key in keys
        if getattr(dataset, key) is None
    ]


def _validation_problems(dataset: Dataset) -> list[str]:
    """Check that validation folders are set in pairs, and only for data sets of pairs."""
    keys = ("noisy_valid_files_path", "clean_valid_files_path")
    there = [key for key in keys if getattr(dataset, key) is not None]
    if there and dataset.name == "mix":
        return [f"dataset.{there[0]}: dataset.name mix validates on clips that it mixes; leave it empty"]
    return [f"dataset.{key}: not set, but dataset.{there[0]} is" for key in keys if there and key not in there]


def _training_problems(config: Config, training: Training) -> list[str]:
    problems = []
    spectrum = config.preprocessing
    bins = spectrum.n_fft // 2 + 1
    network = config.model_specific
    if isinstance(network, NetworkShape) and network.in_channels != bins:
        problems.append(
            f"model_specific.in_channels: found {network.in_channels}; "
            f"preprocessing.n_fft {spectrum.n_fft} needs {bins} (n_fft // 2 + 1)"
        )
    if training.lr_scheduler.scheduler is not None and training.lr_schedule != "constant":
        problems.append(
            f"training.lr_schedule: found {training.lr_schedule!r}; training.lr_scheduler.scheduler sets the learning "
            "rate too: leave one of them out"
        )
    if training.loss in ("wave_mse", "wave_snr", "wave_sisnr") and not spectrum.center:
        problems.append(f"training.loss: found {training.loss!r}; it needs preprocessing.center True")
    if training.reference_metric == "pesq" and not training.select_by and spectrum.sample_rate not in (8000, 16000):
        problems.append(
            f"training.reference_metric: found 'pesq', which is defined for preprocessing.sample_rate 8000 and 16000, "
            f"not for {spectrum.sample_rate}; stoi, snr, si-snr, wave_mse and train_loss are for any"
        )
    if training.loss in ("perceptual", "guarded") and spectrum.sample_rate != 16000:
        problems.append(
            f"training.loss: found {training.loss!r}; it needs preprocessing.sample_rate 16000, not "
            f"{spectrum.sample_rate}"
        )
    return [*problems, *_selection_problems(training, spectrum.sample_rate)]


def _aware_problems(config: Config, training: Training) -> Iterator[str]:
    """Check the requirements of quantization-aware training."""
    if not training.quantization_aware:
        return
    key = "training.quantization_aware"
    if config.model is not None and config.model.state_dict_path is None and config.model.onnx_path is None:
        yield f"{key}: it fine-tunes a trained network: set model.state_dict_path, or model.onnx_path"
    if config.quantization is None:
        yield f"quantization: not there; {key} needs the section, as it trains with the integers that it writes"
    for name in ("weight_clipping_max", "activation_regularization"):
        if getattr(training.regularization, name) is not None:
            yield f"training.regularization.{name}: leave it out, as {key} trains with the ranges themselves"


def _selection_problems(training: Training, sample_rate: int) -> Iterator[str]:
    for metric, change in training.guards.items():
        lower_is_better = metric in ("wave_mse", "train_loss", "speech_cut")
        if change and (change < 0) == lower_is_better:
            which = "0 or more, as less of it is better" if lower_is_better else "0 or less, as more of it is better"
            yield f"training.guards.{metric}: found {change:g}; allowed: {which}"
    for key in ("select_by", "guards"):
        for metric in getattr(training, key):
            if metric in ("pesq", "csig", "cbak", "covl") and sample_rate not in (8000, 16000):
                yield f"training.{key}: {metric} is defined for 8000 and 16000 Hz, not for {sample_rate}"
