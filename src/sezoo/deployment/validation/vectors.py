"""Validation vectors: a static model's results for a few patches, layer by layer, to compare with a board's dump.

There are three files:

- `<model>_vectors.npz`: inputs and outputs in float32, `m_inputs_1` and `m_outputs_1`, each (samples, ...);
- `<model>_vectors_int8.npz`: the same, with quantized inputs and outputs as integers;
- `<model>_vectors_layers.npz`: the integers of all quantized tensors, with names, scales and zero points, which
  `sezoo compare` reads.

The names are those of ST's own validation file (`network_val_io.npz`): `m_` for the model, `c_` for the generated C
code, counted from 1 in the order of the graph's inputs and outputs. Such files can be passed to `stedgeai validate
--valinput`, float or int8, batch first. Not verified, as no ST program was available: whether all versions read
`m_outputs_1` from the same file or need a second one (`--valoutput`), and which order of axes a version expects for the
input of an ONNX model. Therefore these two files hold nothing else, and `sezoo compare` detects the order of axes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx

from sezoo.base.array_file import read_npz
from sezoo.base.errors import UserError
from sezoo.base.files import atomic_write
from sezoo.deployment.validation.layers import Layer, Vectors
from sezoo.models.input_quantizer import input_quantizer_of
from sezoo.models.onnx_file import graph_inputs, load_onnx, quantized_nodes
from sezoo.models.onnx_graph import axes_of, copy_model
from sezoo.models.onnx_session import open_session
from sezoo.models.states import frames_of, input_layout, magnitude_input, mask_output, states_of

__all__ = ["VectorFiles", "as_arrays", "read_vectors", "write_vectors"]

FLOATS, INTEGERS, LAYERS = "_vectors.npz", "_vectors_int8.npz", "_vectors_layers.npz"
"""Suffixes of the file names, after the model's name."""


@dataclass(frozen=True)
class VectorFiles:
    """Paths of the three files."""

    floats: Path
    integers: Path
    layers: Path


# -- computing and writing -------------------------------------------------------------------------------


def write_vectors(model_path: Path, patches: Sequence[np.ndarray], folder: Path) -> VectorFiles:
    """Run a static int8 model on patches, without graph optimizations, and write the three files.

    The input is first rounded to the grid of the model's input quantizer, halves away from zero as in C's `roundf`, so
    that the float and the int8 file agree for any rounding on the board. The states of a stateful model are inputs of
    each sample, so that samples are independent.

    Parameters
    ----------
    patches : one or more, each (1, bins, frames) float32 magnitudes of the model's length; for a stateful model,
        consecutive calls of one clip.
    folder : folder of the files, created if missing.

    Raises
    ------
    UserError : the model is not quantized and static, or the patches do not have its length.
    """
    model = load_onnx(model_path)
    axes = axes_of(magnitude_input(model))
    if input_layout(model).is_complex:
        raise UserError(
            f"{model_path}: vectors are made of magnitudes; input '{magnitude_input(model).name}' takes complex spectra"
        )
    if not quantized_nodes(model) or not all(isinstance(axis, int) for axis in axes):
        raise UserError(f"{model_path}: vectors are made of a static int8 model; its input is {tuple(axes)}")
    for patch in patches:
        if list(patch.shape) != axes:
            raise UserError(f"{model_path} takes patches of {tuple(axes)}; one of {patch.shape} was given")
    vectors = _compute(model, model_path, patches)
    ends = {"inputs": vectors.inputs, "outputs": vectors.outputs}
    floats, integers = {}, {}
    for kind, names in ends.items():
        for number, name in enumerate(names, 1):
            floats[f"m_{kind}_{number}"] = vectors.layer(name).real
            integers[f"m_{kind}_{number}"] = vectors.layer(name).values
    files = VectorFiles(*(folder / f"{model_path.stem}{ending}" for ending in (FLOATS, INTEGERS, LAYERS)))
    contents = {files.floats: floats, files.integers: integers, files.layers: as_arrays(vectors)}
    for path, arrays in contents.items():
        with atomic_write(path) as temporary:
            np.savez_compressed(temporary, **arrays)
    return files


def _compute(model: onnx.ModelProto, path: Path, patches: Sequence[np.ndarray]) -> Vectors:
    found = list(_quantized_activations(model))
    quantizer, states = input_quantizer_of(model), states_of(model)
    source, mask = magnitude_input(model).name, mask_output(model).name
    inputs, outputs = ([value.name for value in ends] for ends in (graph_inputs(model), model.graph.output))
    probe = copy_model(model)
    for name, element, _ in (at.integers for at in found):
        probe.graph.output.append(onnx.helper.make_tensor_value_info(name, element, None))
    session = open_session(probe, optimization="none")
    shapes = {value.name: value.shape for value in session.get_inputs()}
    fed = {name: np.zeros(shapes[name], np.float32) for name in states}
    samples: list[dict[str, np.ndarray]] = []
    wanted = [*outputs, *(at.integers[0] for at in found)]
    for patch in patches:
        on_grid = patch if quantizer is None else quantizer.rounded_half_away(patch)
        fed[source] = on_grid.astype(np.float32, copy=False)
        given = dict(zip(wanted, session.run(wanted, fed), strict=True))
        samples.append({**fed, **given})
        fed = {name: given[target] for name, target in states.items()}

    def layer(at: _Quantized) -> Layer:
        values = _stack([sample[at.integers[0]] for sample in samples])
        return Layer(at.name, at.made_by, at.aliases, values, at.scale, at.integers[2])

    def in_float(name: str, made_by: str) -> Layer:
        return Layer(name, made_by, (), _stack([sample[name] for sample in samples]), None, 0)

    quantized = {at.name for at in found}
    made_by = {name: f"{node.op_type} {node.name}".strip() for node in model.graph.node for name in node.output}
    layers = (
        *(in_float(name, "input") for name in inputs if name not in quantized),
        *(layer(at) for at in found),
        *(in_float(name, made_by.get(name, "")) for name in outputs if name not in quantized),
    )
    return Vectors(path, path.name, layers, tuple(inputs), tuple(outputs), mask, frames_of(model))


def _stack(values: Sequence[np.ndarray]) -> np.ndarray:
    """Concatenate samples along a batch axis of length 1, or stack them along a new first axis."""
    return np.concatenate(values) if values[0].shape[:1] == (1,) else np.stack(values)


@dataclass(frozen=True)
class _Quantized:
    """A quantized activation; `integers` are the name, ONNX type and zero point of the quantized tensor."""

    name: str
    made_by: str
    aliases: tuple[str, ...]
    scale: float
    integers: tuple[str, int, int]


def _quantized_activations(model: onnx.ModelProto) -> Iterator[_Quantized]:
    """Yield the quantized activations in graph order, once each even if every reader has its own quantizer.

    Activations with per-channel scales, which no quantizer writes, are omitted.
    """
    weights = {weight.name: weight for weight in model.graph.initializer}
    makers = {name: node for node in model.graph.node for name in node.output}
    outputs, seen = {value.name for value in model.graph.output}, set()
    for node in model.graph.node:
        source = node.input[0] if node.input else ""
        if node.op_type != "QuantizeLinear" or source in weights or source in seen or node.input[1] not in weights:
            continue
        scale = onnx.numpy_helper.to_array(weights[node.input[1]])
        zero = weights.get((*node.input, "")[2])
        if scale.size != 1:
            continue
        seen.add(source)
        behind = [
            reader.output[0]
            for reader in model.graph.node
            if reader.op_type == "DequantizeLinear" and reader.input[0] == node.output[0]
        ]
        name = next((each for each in behind if each in outputs), source)
        maker = makers.get(source)
        made_by = "input" if maker is None else f"{maker.op_type} {maker.name}".strip()
        others = (source, node.output[0], *behind, maker.name if maker is not None else "")
        aliases = tuple(dict.fromkeys(each for each in others if each and each != name))
        element = onnx.TensorProto.UINT8 if zero is None else zero.data_type
        zero_point = 0 if zero is None else int(onnx.numpy_helper.to_array(zero).item())
        yield _Quantized(name, made_by, aliases, float(scale.item()), (node.output[0], element, zero_point))


# -- layers file -----------------------------------------------------------------------------------------


def as_arrays(vectors: Vectors) -> dict[str, np.ndarray]:
    """Return the content of the layers file, in plain arrays without pickled objects."""
    layers = vectors.layers
    return {
        "model": np.array(vectors.model),
        "names": np.array([layer.name for layer in layers]),
        "made_by": np.array([layer.made_by for layer in layers]),
        "aliases": np.array(["\n".join(layer.aliases) for layer in layers]),
        "scales": np.array([layer.scale or 0 for layer in layers], np.float32),  # 0 for float
        "zero_points": np.array([layer.zero_point for layer in layers], np.int32),
        "inputs": np.array(vectors.inputs),
        "outputs": np.array(vectors.outputs),
        "mask": np.array(vectors.mask),
        "frames": np.array(vectors.frames),
        **{f"layer_{index:03}": layer.values for index, layer in enumerate(layers)},
    }


def read_vectors(path: Path) -> Vectors:
    """Read the layers file; given one of the other two files, read the layers file written with it.

    Raises
    ------
    UserError : the file cannot be read, or is not one of the three.
    """
    arrays = read_npz(path)
    if "names" not in arrays and (beside := _layers_beside(path)) is not None:
        path, arrays = beside, read_npz(beside)
    try:
        scales = arrays["scales"].tolist()
        layers = tuple(
            Layer(
                str(name),
                str(arrays["made_by"][index]),
                tuple(str(arrays["aliases"][index]).split("\n")) if arrays["aliases"][index] else (),
                arrays[f"layer_{index:03}"],
                scales[index] or None,
                int(arrays["zero_points"][index]),
            )
            for index, name in enumerate(arrays["names"])
        )
        ends = [tuple(str(name) for name in arrays[kind]) for kind in ("inputs", "outputs")]
        return Vectors(path, str(arrays["model"]), layers, *ends, str(arrays["mask"]), int(arrays["frames"]))
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise UserError(
            f"{path} is not one of the files with validation vectors (<model>{LAYERS}) that a deployment writes; "
            f"it has {', '.join(arrays) or 'no arrays'}"
        ) from error


def _layers_beside(path: Path) -> Path | None:
    for ending in (INTEGERS, FLOATS):
        if path.name.endswith(ending):
            beside = path.with_name(path.name.removesuffix(ending) + LAYERS)
            return beside if beside.is_file() else None
    return None
