"""Every onnxruntime session of the package is opened here, so that all of them compute the same on every processor."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:  # onnxruntime takes a while to load
    import onnx
    import onnxruntime

__all__ = ["open_session"]

EXACT_8_BIT_PRODUCTS = "session.x64quantprecision"
"""On x86 processors without VNNI onnxruntime adds two products of a signed and an unsigned byte in 16 bits, which
saturate: masks were off by up to 0.055 there. This option (`kOrtSessionOptionsAvx2PrecisionMode` in
onnxruntime_session_options_config_keys.h) makes signed weights unsigned, whose products do not. It is for the models
that `with_unsigned_integers` leaves as they are."""

NO_8_BIT_PRODUCTS = "session.disable_quant_qdq"
"""Operators between quantizers are computed in float, as the graph is written."""

MAX_BYTES = 2**31
"""Of a message of protobuf."""

ANOTHER_TYPE = "output_dtype INT8 does not match y_zero_point type UINT8"

MOVES_QUANTIZERS = "QDQPropagationTransformer"
"""The part of onnxruntime's optimization that changes no number."""

TWO_TENSORS_OF_ONE_NAME = "Attempt to replace the existing tensor"


def open_session(
    model: onnx.ModelProto | Path,
    *,
    threads: int = 1,
    optimization: Literal["all", "basic", "none"] = "all",
    optimized_model_path: Path | None = None,
) -> onnxruntime.InferenceSession:
    """An onnxruntime session on the CPU that computes the integers of an int8 model exactly, on every processor.

    Optimized, a QDQ model's masks equal those of the integer engine bit for bit (`with_unsigned_integers`). There is no
    memory pattern, because clips differ in length and a pattern would be kept for each length.

    Parameters
    ----------
    model : the file, or the model as read from it.
    threads : of one operator; by default one, because work is spread over clips.
    optimization : all merges operators into integer kernels, basic folds constants, none runs the graph as it is
        written, so that every tensor of it exists.
    optimized_model_path : where to write the optimized graph to, if anywhere.

    Raises
    ------
    Exception : onnxruntime cannot load the model; its exceptions have no base class of their own.
    """
    import onnxruntime

    def session(*, in_integers: bool, left_out: Sequence[str] = ()) -> onnxruntime.InferenceSession:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.enable_mem_pattern = False
        options.log_severity_level = 4  # what goes wrong is raised, and need not be on the terminal as well
        options.add_session_config_entry(EXACT_8_BIT_PRODUCTS, "1" if in_integers else "0")
        options.add_session_config_entry(NO_8_BIT_PRODUCTS, "0" if in_integers else "1")
        levels = onnxruntime.GraphOptimizationLevel
        options.graph_optimization_level = {
            "all": levels.ORT_ENABLE_ALL,
            "basic": levels.ORT_ENABLE_BASIC,
            "none": levels.ORT_DISABLE_ALL,
        }[optimization]
        if optimized_model_path is not None:
            options.optimized_model_filepath = str(optimized_model_path)
        return onnxruntime.InferenceSession(
            source, options, providers=["CPUExecutionProvider"], disabled_optimizers=left_out
        )

    if optimization == "all":
        model = _as_it_runs(model)
    source = str(model) if isinstance(model, Path) else model.SerializeToString()
    try:
        return session(in_integers=True)
    except Exception as error:
        if ANOTHER_TYPE in str(error):
            # Quantizers that onnxruntime itself moves in front of a Slice, from opset 21 on, keep the signed type.
            return session(in_integers=True, left_out=[MOVES_QUANTIZERS])
        if TWO_TENSORS_OF_ONE_NAME not in str(error):
            raise
        # A fault of onnxruntime's own conversion to unsigned bytes, without which its products are not exact.
        return session(in_integers=False)


def _as_it_runs(model: onnx.ModelProto | Path) -> onnx.ModelProto | Path:
    """The model for a session that merges operators; a file that onnxruntime has to read itself stays a path.

    That is a broken one, which it refuses, and one whose weights are too large for a message of protobuf.
    """
    import onnx
    from google.protobuf.message import DecodeError

    from sezoo.models.frames_last import with_frames_last
    from sezoo.models.onnx_graph import drop_inner_shapes
    from sezoo.models.unsigned_integers import with_unsigned_integers

    if not isinstance(model, Path):
        return with_unsigned_integers(model)
    try:
        read = onnx.load(model, format="protobuf")
    except (DecodeError, OSError, ValueError):
        return model
    if read.ByteSize() >= MAX_BYTES:
        return model
    read = with_frames_last(read)  # as `load_onnx` does
    changed = with_unsigned_integers(read)
    if changed is read:
        drop_inner_shapes(read)
    return changed
