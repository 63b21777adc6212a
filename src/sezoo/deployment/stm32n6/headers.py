"""C files that describe the model to the board's application: constants and the STFT window."""

from __future__ import annotations

import re

import numpy as np

from sezoo.audio.stft_window import window_label, window_values
from sezoo.config.sections import Config

__all__ = ["CONFIG_HEADER", "HEADERS", "TABLES_HEADER", "TABLES_SOURCE", "header_texts"]

CONFIG_HEADER, TABLES_HEADER, TABLES_SOURCE = "ai_model_config.h", "user_mel_tables.h", "user_mel_tables.c"
HEADERS = (CONFIG_HEADER, TABLES_HEADER, TABLES_SOURCE)
"""File names that the application includes or compiles."""

NEVER_SILENT = -200.0
"""Threshold in dBFS that disables the gate: a single sample of 1 in a patch of 51,200 samples has -137 dBFS."""

WRITTEN_BY = "/* Written by sezoo, from the sections preprocessing and deployment of its configuration. */\n"
VALUES_A_LINE = 6


def header_texts(config: Config, model_name: str) -> dict[str, str]:
    """Return the content of each file by name.

    Parameters
    ----------
    model_name : name of the model on the board; characters unsafe in C or on a small display become `_`.
    """
    spectrum = config.preprocessing
    window = window_values(spectrum.window, spectrum.win_length).astype(np.float32)
    label = window_label(spectrum.window)
    declaration = f"extern const PREPROC_FLOAT_T user_win[{len(window)}];\n"
    return {
        CONFIG_HEADER: _with_guard("AI_MODEL_CONFIG_H", _model_config(config, model_name)),
        TABLES_HEADER: _with_guard("USER_MEL_TABLES_H", f'#include "preproc_dpu.h"\n\n{declaration}'),
        TABLES_SOURCE: f'{WRITTEN_BY}\n#include "{TABLES_HEADER}"\n\n{_window_table(label, window)}',
    }


def _model_config(config: Config, model_name: str) -> str:
    spectrum, deployment = config.preprocessing, config.deployment
    threshold = deployment.output_silence_threshold
    name = re.sub(r"[^A-Za-z0-9 ._+-]", "_", model_name)
    own, of_spectrum = "CTRL_X_CUBE_AI_", "CTRL_X_CUBE_AI_SPECTROGRAM_"
    macros = {
        "CTRL_AI_HW_SELECT": deployment.hardware_setup.board,
        f"{own}MODEL_NAME": f'"{name}"',
        # The project's prefix is MODE_ up to version 3 and MODEL_ later: the header defines both.
        f"{own}MODE_NB_OUTPUT": "(1U)",
        f"{own}MODE_OUTPUT_1": "(CTRL_AI_SPECTROGRAM)",
        f"{own}MODEL_NB_OUTPUT": "(1U)",
        f"{own}MODEL_OUTPUT_1": "(CTRL_AI_SPECTROGRAM)",
        f"{own}SENSOR_TYPE": "(COM_TYPE_MIC)",
        f"{own}AUDIO_OUT": "(COM_TYPE_HEADSET)",
        f"{own}SENSOR_NAME": '"imp34dt05"',
        f"{own}SENSOR_ODR": f"({spectrum.sample_rate}.0F)",
        f"{own}PREPROC": "(CTRL_AI_STFT)",
        f"{own}POSTPROC": "(CTRL_AI_ISTFT)",
        f"{of_spectrum}HOP_LENGTH": f"({spectrum.hop_length}U)",
        f"{of_spectrum}NFFT": f"({spectrum.n_fft}U)",
        f"{of_spectrum}WINDOW_LENGTH": f"({spectrum.win_length}U)",
        f"{of_spectrum}COL_NO_OVL": f"({deployment.frames_per_patch}U)",
        f"{of_spectrum}COL_OVL": f"({deployment.lookahead_frames}U)",
        f"{own}AUDIO_OUT_DB_THRESHOLD": f"({_float(NEVER_SILENT if threshold is None else threshold)})",
        f"{of_spectrum}WIN": "(user_win)",
        f"{own}OOD_THR": "(0.0F)",
        "CTRL_SEQUENCE": "{CTRL_CMD_PARAM_AI,0}",
    }
    width = max(len(macro) for macro in macros)
    return "".join(f"#define {macro:{width}} {value}\n" for macro, value in macros.items())


def _window_table(name: str, window: np.ndarray) -> str:
    """Return the definition of `user_win`; 9 significant digits represent every float32 exactly."""
    values = [_float(value) for value in window]
    lines = [values[start : start + VALUES_A_LINE] for start in range(0, len(values), VALUES_A_LINE)]
    body = ",\n".join("  " + ", ".join(line) for line in lines)
    comment = f"/* {re.sub(r'[^A-Za-z0-9_ ]', '_', name)}, periodic */\n"
    return f"{comment}const PREPROC_FLOAT_T user_win[{len(values)}] = {{\n{body}\n}};\n"


def _float(value: float) -> str:
    """Return a C constant of type float: `-50.0F`, `3.05175781e-05F`."""
    text = f"{value:.9g}"
    return f"{text}F" if "." in text or "e" in text else f"{text}.0F"


def _with_guard(guard: str, body: str) -> str:
    return f"{WRITTEN_BY}\n#ifndef {guard}\n#define {guard}\n\n{body}\n#endif /* {guard} */\n"
