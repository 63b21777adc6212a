import pytest

from sezoo.base.errors import UserError
from sezoo.config.modes import LETTERS, OPERATION_MODES, chain_problem, required_sections, steps
from sezoo.config.validation import build_config


def test_letters_of_modes():
    assert steps("quantization") == "q"
    assert steps("chain_tqeb") == "tqeb"
    assert {steps(mode) for mode in OPERATION_MODES if not mode.startswith("chain_")} == set(LETTERS)


def test_required_sections():
    assert required_sections("quantization") == ("model", "dataset", "preprocessing", "quantization")
    assert required_sections("chain_qb") == ("model", "dataset", "preprocessing", "quantization", "benchmarking")
    assert required_sections("chain_qep") == ("model", "dataset", "preprocessing", "quantization")


@pytest.mark.parametrize(
    "mode",
    [*(mode for mode in OPERATION_MODES if mode.startswith("chain_")), *("chain_qe", "chain_qep", "chain_te"),
     *("chain_tq", "chain_eqebd", "chain_tqebdp", "chain_eb", "chain_ep", "chain_qdb", "quantization")],
)  # fmt: skip
def test_orders_that_make_sense(mode):
    assert chain_problem(mode) is None


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        ("chain_eqx", "there is no service 'x'; the letters are t training, e evaluation, q quantization"),
        ("chain_", "two letters or more"),
        ("chain_q", "two letters or more"),
        ("chain_qt", "training comes first"),
        ("chain_tt", "training comes first"),
        ("chain_qeq", "quantization comes once"),
        ("chain_qbb", "benchmarking comes once"),
        ("chain_bq", "benchmarking comes after quantization"),
        ("chain_pq", "prediction comes after quantization"),
        ("chain_ee", "evaluation comes once before quantization and once after it"),
        ("chain_qeeb", "evaluation comes once before quantization and once after it"),
    ],
)
def test_orders_that_do_not(mode, words):
    assert words in chain_problem(mode)


def test_a_chain_that_makes_no_sense_is_one_clear_line():
    with pytest.raises(UserError, match=r"^operation_mode: found 'chain_bq': benchmarking comes after quantization$"):
        build_config({"operation_mode": "chain_bq"})


def test_prediction_needs_no_dataset_with_files_of_its_own():
    raw = {"operation_mode": "prediction", "model": {"onnx_path": "m.onnx"}, "preprocessing": {}}
    with pytest.raises(UserError, match=r"needs the section dataset \(or prediction.input_path\)"):
        build_config(raw)
    build_config({**raw, "prediction": {"input_path": "recordings"}})


def test_a_test_set_may_have_no_clean_clips():
    raw = {
        "operation_mode": "evaluation", "model": {"state_dict_path": "m.pt"}, "preprocessing": {},
        "dataset": {"name": "custom", "noisy_test_files_path": "noisy"},
    }  # fmt: skip
    assert build_config(raw).dataset.clean_test_files_path is None


MIX = {"speech_path": "speech", "noise_path": "noise"}


@pytest.mark.parametrize(
    ("mode", "paths", "missing"),
    [
        ("training", MIX, None),
        ("quantization", MIX, None),
        ("quantization", {"speech_path": "speech"}, "noise_path"),
        ("evaluation", {"noisy_test_files_path": "noisy"}, None),
        ("evaluation", MIX, "noisy_test_files_path"),
        ("prediction", MIX, "noisy_test_files_path"),
        ("chain_tqe", MIX, "noisy_test_files_path"),
        ("chain_qe", {"noisy_test_files_path": "noisy", "noise_path": "noise"}, "speech_path"),
        ("chain_tqe", {**MIX, "noisy_test_files_path": "noisy"}, None),
    ],
)
def test_what_a_mix_needs(mode, paths, missing):
    raw = {"operation_mode": mode, "model": {"onnx_path": "m.onnx"}, "preprocessing": {}, "training": {}}
    raw |= {"quantization": {}, "dataset": {"name": "mix", **paths}}
    if missing is None:
        build_config(raw)
        return
    words = rf"^dataset\.{missing}: not set; operation_mode {mode} needs it with dataset\.name mix$"
    with pytest.raises(UserError, match=words):
        build_config(raw)


def test_a_mix_may_calibrate_on_clips_of_its_own():
    raw = {"operation_mode": "quantization", "model": {"onnx_path": "m.onnx"}, "preprocessing": {}}
    raw |= {"quantization": {"noisy_quantization_files_path": "noisy"}, "dataset": {"name": "mix"}}
    build_config(raw)
