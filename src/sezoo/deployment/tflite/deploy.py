"""The `tflite` backend: write a static int8 model as a TensorFlow Lite file, with the C code around it."""

from __future__ import annotations

import json
import logging
from collections import Counter
from pathlib import Path

from sezoo.audio.stft import stft_of
from sezoo.base.errors import UserError
from sezoo.base.files import atomic_folder, display_path, unused_path, write_text
from sezoo.base.progress import working
from sezoo.config.sections import Config
from sezoo.denoising.backend import STREAM, engine_of, stream_frames
from sezoo.denoising.backend import TFLITE as TFLITE_BACKEND
from sezoo.deployment.c_package.deploy import package_settings, reference_of
from sezoo.deployment.c_package.package import PackageSettings
from sezoo.deployment.c_package.program import Program
from sezoo.deployment.c_package.symbol_prefix import rename_symbols
from sezoo.deployment.c_package.vectors import vector_calls
from sezoo.deployment.checks import check_transform
from sezoo.deployment.engine.agreement import agreement
from sezoo.deployment.engine.arithmetic import ONNXRUNTIME
from sezoo.deployment.engine.qdq_reader import integer_graph_of
from sezoo.deployment.engine.tflite_arithmetic import TFLITE
from sezoo.deployment.engine_choice import engine_for
from sezoo.deployment.recording import Recording, patches_of, recording_of, report_gated_clips
from sezoo.deployment.tflite.array_source import array_header, array_source
from sezoo.deployment.tflite.c_package import program_around, write_package_around
from sezoo.deployment.tflite.flatbuffer import flatbuffer_of
from sezoo.deployment.tflite.lowerable import check_operators
from sezoo.deployment.tflite.lowering import LoweredGraph, lower_graph
from sezoo.deployment.tflite.memory import activation_bytes, arena_bytes
from sezoo.deployment.tflite.preparation import prepare_graph
from sezoo.deployment.tflite.proof import check_integers, has_litert, litert_outputs
from sezoo.deployment.tflite.readme import readme
from sezoo.deployment.tflite.side_file import side_file
from sezoo.deployment.tflite.tflm import Arena, has_tflm, tflm_arena, tflm_outputs
from sezoo.deployment.tflite.vectors import Vectors, vectors_of
from sezoo.metrics.checks import MetricError
from sezoo.metrics.measures.pesq import pesq
from sezoo.metrics.measures.snr import snr
from sezoo.models.contract import declared_contract
from sezoo.models.onnx_file import load_configured, load_onnx
from sezoo.results.deployment import Deployment, OnnxruntimeAgreement, TfliteModel
from sezoo.results.names import C_PACKAGE, TFLITE_FOLDER
from sezoo.run.run import Run

__all__ = ["ARRAY", "MODEL", "SIDE_FILE", "check_tflite", "deploy_tflite", "write_tflite"]

log = logging.getLogger(__name__)

MODEL, SIDE_FILE, ARRAY = "denoiser.tflite", "denoiser.json", "denoiser_tflite"


def check_tflite(config: Config) -> None:
    """Check the settings before the model exists.

    Raises
    ------
    UserError : a setting does not fit.
    """
    check_transform(config)
    settings = config.deployment
    if settings.dry_run:
        raise UserError("deployment.dry_run: found True; it is for deployment.backend: stm32n6, whose steps it shows")
    if engine_of(config) == STREAM:
        if settings.input_gain:
            raise UserError("deployment.input_gain: found True; deployment.engine: stream has no patches to scale")
        if (found := stream_frames(config)) != 1:
            raise UserError(
                f"deployment.frames_per_patch: found {found}; allowed: 1 with deployment.backend: tflite and "
                "deployment.engine: stream, whose file computes a frame a call"
            )


def write_tflite(low: LoweredGraph, model: str, folder: Path) -> bytes:
    """Write `denoiser.tflite` and its C array; return the content of the file."""
    data = flatbuffer_of(low.file, f"sezoo: {model}")
    (folder / MODEL).write_bytes(data)
    write_text(folder / f"{ARRAY}.h", array_header(ARRAY))
    write_text(folder / f"{ARRAY}.c", array_source(ARRAY, f"{ARRAY}.h", data))
    return data


def deploy_tflite(run: Run, path: Path) -> None:
    """Write the .tflite file and its package into the run's folder, and report its agreement with the ONNX model.

    Parameters
    ----------
    path : path of the static int8 model.

    Raises
    ------
    UserError : the model or the settings do not fit, or LiteRT, if installed, computes other integers.
    """
    config = run.config
    check_tflite(config)
    given = config.model is not None and config.model.onnx_path == path
    model = load_configured(path) if given else load_onnx(path)
    stft = stft_of(config.preprocessing)
    original = integer_graph_of(model, path)
    check_operators(original, path)
    declared_contract(model, path, n_fft=stft.n_fft)
    program = Program(prepare_graph(original), engine_for(original, path, config), stft)
    settings = package_settings(config, model, path, program.engine)
    low = lower_graph(program.graph, path, program.engine.new if program.engine.is_stream else None)
    around = program_around(program, low)
    recording = recording_of(config)
    calls = vector_calls(program, recording.noisy)
    vectors = vectors_of(program, calls)

    with atomic_folder(unused_path(run.folder / TFLITE_FOLDER)) as folder:
        data = write_tflite(low, path.name, folder)
        with working("running the file on the test vectors", in_log=True):
            by_litert, by_tflm, arena = _verify(data, low, vectors)
        side = side_file(program, low, settings.sample_rate, path.name, arena)
        write_text(folder / SIDE_FILE, json.dumps(side, indent=1) + "\n")
        (folder / "test_vectors").mkdir()
        vectors.write(folder / "test_vectors")
        write_text(folder / "README.md", readme(program, low, len(data), path.name))
        write_package_around(program, low, settings, calls, vectors, folder / C_PACKAGE)
        rename_symbols(folder / C_PACKAGE, config.deployment.symbol_prefix)
    with working("comparing the operators with onnxruntime's", in_log=True):
        agreed = agreement(original, model, patches_of(recording, stft, original.frames))
    with working("denoising the recording in numpy, as the file does", in_log=True):
        waveforms = {
            name: reference_of(program, settings, recording, path, arithmetic)
            for name, arithmetic in (("reference", ONNXRUNTIME), ("tflite", TFLITE))
        }
    report_gated_clips(waveforms["tflite"], recording, stft, settings.silence_threshold)
    found = Deployment(
        model=path.name,
        backend=TFLITE_BACKEND,
        engine="stream" if program.engine.is_stream else "patch",
        frames_per_call=program.engine.new,
        latency_samples=program.engine.latency(stft),
        latency_ms=1000 * program.engine.latency(stft) / settings.sample_rate,
        arena_bytes=activation_bytes(low.file),
        state_bytes=sum(state.rows * state.tensor.items for state in low.states),
        macs_per_call=program.graph.macs_per_frame * program.engine.frames_computed,
        parameters=program.graph.parameters,
        onnxruntime=OnnxruntimeAgreement(agreed.share, agreed.largest, agreed.mean_mask_difference, agreed.operators),
        recording=recording.display_name,
        pesq=_pesq(recording, waveforms, settings),
        tflite=TfliteModel(
            file_bytes=len(data),
            operators=dict(Counter(operator.kind.name for operator in low.file.operators)),
            integers_compared_with_litert=by_litert,
            integers_compared_with_tflm=by_tflm,
            tflm_arena_bytes=arena and arena.total,
            ram_bytes=(arena.total if arena else arena_bytes(low.file)) + around.arena_bytes + around.state_bytes,
            wave_snr_db=_snr(waveforms),
        ),
    )
    found.write(run.folder)
    _log_results(found, run.folder / TFLITE_FOLDER)
    metrics = {"arena_bytes": found.arena_bytes, "tflite_bytes": len(data)}
    run.tracker.metrics(metrics | {f"pesq_{name}": value for name, value in found.pesq.items()})


def _verify(data: bytes, low: LoweredGraph, vectors: Vectors) -> tuple[int | None, int | None, Arena | None]:
    """Verify the integers of LiteRT and TFLite Micro; return their counts and the arena, None for a missing package."""
    by_litert = by_tflm = arena = None
    if has_litert():
        name = "LiteRT's reference kernels"
        by_litert = check_integers(name, litert_outputs(data, low, vectors), vectors)
        log.info("%s: %s integers of the test vectors equal numpy's, all of them", name, f"{by_litert:,}")
    if has_tflm():
        name = "TensorFlow Lite Micro"
        by_tflm = check_integers(name, tflm_outputs(data, low, vectors), vectors)
        log.info("%s: %s integers of the test vectors equal numpy's, all of them", name, f"{by_tflm:,}")
        arena = tflm_arena(data, low)
    if not has_litert() and not has_tflm():
        log.info("the file was not run: that takes pip install 'sezoo[litert]', or 'sezoo[tflm]'")
    return by_litert, by_tflm, arena


def _pesq(recording: Recording, waveforms: dict, settings: PackageSettings) -> dict[str, float]:
    if recording.clean is None:
        return {}
    try:
        return {name: pesq(recording.clean, waveform, settings.sample_rate) for name, waveform in waveforms.items()}
    except MetricError:
        return {}


def _snr(waveforms: dict) -> float | None:
    try:
        value = snr(waveforms["reference"], waveforms["tflite"])
    except MetricError:
        return None
    return value if abs(value) < float("inf") else None


def _log_results(found: Deployment, folder: Path) -> None:
    tflite = found.tflite
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(tflite.operators.items(), key=lambda each: -each[1]))
    log.info("TensorFlow Lite model: %s", display_path(folder / MODEL))
    log.info("%s bytes; %s", f"{tflite.file_bytes:,}", kinds)
    if tflite.tflm_arena_bytes:
        text = "arena of TFLite Micro, measured on this computer: %.1f KiB; a microcontroller's records are shorter"
        log.info(text, tflite.tflm_arena_bytes / 1024)
    else:
        text = "%.1f KiB for activations by our plan; TFLite Micro's records come on top (pip install 'sezoo[tflm]')"
        log.info(text, found.arena_bytes / 1024)
    if found.pesq:
        scores = (
            f"PESQ {found.pesq['tflite']:.3f} as TFLite Micro computes, {found.pesq['reference']:.3f} in the C package"
        )
        waveform = "" if tflite.wave_snr_db is None else f"; waveforms equal to {tflite.wave_snr_db:.0f} dB SNR"
        log.info("%s: %s%s", found.recording, scores, waveform)
