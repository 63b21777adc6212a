"""Reader of a board's dump, which matches its tensors to the PC's and determines the order of their axes."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np

from sezoo.base.array_file import check_file, read_npy, read_npz
from sezoo.base.errors import UserError
from sezoo.base.text import closest_match, pluralize
from sezoo.deployment.validation.layers import Layer, Vectors

__all__ = ["Dump", "Reading", "match_tensors", "read_dump", "read_like"]

ENDINGS = (".npz", ".npy", ".bin", ".raw")
MUCH_BETTER = 0.5
"""Largest share of the difference that another order of axes or type may leave to be preferred."""

NAMES_IN_A_MESSAGE = 6


@dataclass(frozen=True)
class Dump:
    """A file from the board.

    Attributes
    ----------
    tensors : tensors by name; "" for the only tensor of a file without names.
    raw : content of a file without types and shapes, which has no tensors.
    """

    path: Path
    tensors: Mapping[str, np.ndarray]
    raw: bytes | None = None


@dataclass(frozen=True)
class Reading:
    """A dumped tensor in the PC's order of axes.

    Attributes
    ----------
    steps : (samples, ...) float64 in LSB, 0 for the real value 0.
    kind : type that was read: "int8", "float32" ...
    order : order of axes in the dump, e.g. "(40, 257)", if it is different; else "".
    against_shape : whether the dump's shape declares another order than its values have.
    error : mean difference from the PC's values in LSB.
    """

    steps: np.ndarray
    kind: str
    order: str
    against_shape: bool
    error: float


def read_dump(path: Path) -> Dump:
    """Read a dump: .npz with named tensors, .npy with one tensor, .bin or .raw with the bytes of one tensor.

    Raises
    ------
    UserError : the file cannot be read, or has another ending.
    """
    check_file(path)
    match path.suffix.lower():
        case ".npz":
            return Dump(path, read_npz(path))
        case ".npy":
            return Dump(path, {"": read_npy(path)})
        case ".bin" | ".raw":
            return Dump(path, {}, path.read_bytes())
    raise UserError(f"{path}: found the ending {path.suffix!r}; a board's dump is one of {', '.join(ENDINGS)}")


# -- matching tensors ------------------------------------------------------------------------------------


def match_tensors(dump: Dump, vectors: Vectors) -> tuple[dict[str, Reading], list[str]]:
    """Match the tensors of a dump to those of the vectors.

    A tensor is matched by its name, by the name of its quantized form or of its node, also in C spelling, or by
    `c_outputs_1` and the like. A single tensor without such a name is matched by the file's name or by its size.

    Returns
    -------
    readings : readings by the layer's name, in graph order.
    others : names of the other tensors in the dump.

    Raises
    ------
    UserError : no tensor is one of the vectors', or one has another size.
    """
    if dump.raw is not None:
        layer, reading = _read_unnamed(dump, vectors, dump.raw)
        return {layer.name: reading}, []
    known = _names(vectors)
    by_c = {name: known[name] for name in dump.tensors if name.startswith("c_") and name in known}
    found: dict[str, str] = {layer: name for name, layer in by_c.items()}
    others = []
    for name in dump.tensors:
        layer = known.get(name) or known.get(_in_c(name))
        if layer is None:
            others.append(name)
        else:
            found.setdefault(layer, name)
    if not found and len(dump.tensors) == 1:
        (array,) = dump.tensors.values()
        layer, reading = _read_unnamed(dump, vectors, array)
        return {layer.name: reading}, []
    if not found:
        raise UserError(_no_names(dump, vectors))
    readings = {}
    for layer in vectors.layers:
        if layer.name in found:
            name = found[layer.name]
            readings[layer.name] = read_like(dump.tensors[name], layer, f"'{name}' of {dump.path}")
    return readings, others


def _names(vectors: Vectors) -> dict[str, str]:
    """Return the names of the layers by all of their aliases, except ambiguous ones."""
    found: dict[str, str] = {}
    for kind in ("inputs", "outputs"):
        for number, name in enumerate(getattr(vectors, kind), 1):
            found |= {f"{end}_{kind}_{number}": name for end in "cm"}
    exact = {layer.name: layer.name for layer in vectors.layers}
    loose: dict[str, set[str]] = {}
    for layer in vectors.layers:
        for alias in (*layer.aliases, *(_in_c(name) for name in (layer.name, *layer.aliases))):
            loose.setdefault(alias, set()).add(layer.name)
    return {**{alias: names.pop() for alias, names in loose.items() if len(names) == 1}, **found, **exact}


def _in_c(name: str) -> str:
    """Return a name as converters spell it in C: letters, digits and underscores."""
    return re.sub(r"[^0-9a-z]+", "_", name.lower()).strip("_")


def _no_names(dump: Dump, vectors: Vectors) -> str:
    names = [layer.name for layer in vectors.layers]
    near = next((close for name in dump.tensors if (close := closest_match(name, names))), None)
    return (
        f"{dump.path} has no tensor of {vectors.path.name}: it has {_some(list(dump.tensors))}; allowed: c_outputs_1 "
        f"and {_some(names)}{f' (did you mean {near}?)' if near else ''}"
    )


def _some(names: list[str]) -> str:
    more = len(names) - NAMES_IN_A_MESSAGE
    shown = ", ".join(repr(name) for name in names[:NAMES_IN_A_MESSAGE]) or "nothing"
    return f"{shown} and {more} more" if more > 0 else shown


def _read_unnamed(dump: Dump, vectors: Vectors, values: np.ndarray | bytes) -> tuple[Layer, Reading]:
    """Return the layer named by the file, else the mask, else the most similar layer, with its reading."""
    named = _names(vectors).get(_in_c(dump.path.stem))
    layers = [vectors.layer(named or vectors.mask)]
    if not any(_fits(values, layer) for layer in layers) and named is None:
        layers = [layer for layer in vectors.layers if _fits(values, layer)] or layers
    readings = [(layer, read_like(values, layer, str(dump.path))) for layer in layers]
    return min(readings, key=lambda pair: pair[1].error)


# -- order of values -------------------------------------------------------------------------------------


def _sample_shape(layer: Layer) -> tuple[int, ...]:
    """Return the axes of a sample that are longer than 1."""
    return tuple(axis for axis in layer.values.shape[1:] if axis > 1) or (1,)


def _samples(count: int, layer: Layer) -> int:
    """Return the number of samples of a layer in `count` values; 0 if it is not integral or exceeds the PC's."""
    size = prod(_sample_shape(layer))
    return count // size if count % size == 0 and count // size <= len(layer.values) else 0


def _fits(values: np.ndarray | bytes, layer: Layer) -> bool:
    return any(_samples(array.size, layer) for array, _ in _interpretations(values, layer))


def _interpretations(values: np.ndarray | bytes, layer: Layer) -> Iterator[tuple[np.ndarray, str]]:
    """Yield the values in each possible type, most likely first."""
    if isinstance(values, bytes):
        integer = layer.values.dtype if layer.scale is not None else None
        if integer is not None and len(values) % integer.itemsize == 0:
            yield np.frombuffer(values, integer.newbyteorder("<")), str(integer)
        if len(values) % 4 == 0:
            yield np.frombuffer(values, "<f4"), "float32"
        return
    yield values, str(values.dtype)
    if values.dtype == np.uint8 and layer.values.dtype == np.int8:
        yield values.view(np.int8), "int8, declared as uint8"


def _in_steps(values: np.ndarray, kind: str, layer: Layer) -> Iterator[tuple[np.ndarray, str]]:
    if values.dtype.kind in "iu":
        if layer.scale is not None:
            yield values.astype(np.float64) - layer.zero_point, kind
        return
    yield values.astype(np.float64) / layer.step, kind
    finite = values[np.isfinite(values)]
    if layer.scale is not None and (finite == np.round(finite)).all() and np.abs(finite).max(initial=0) > 2:
        yield values.astype(np.float64) - layer.zero_point, f"integers in {kind}"


def read_like(values: np.ndarray | bytes, layer: Layer, what: str) -> Reading:
    """Return the values in the PC's order of axes, after trying each order of axes and each type of raw bytes.

    The dump's shape is trusted unless another order fits much better. Fewer samples than the PC's are its first ones.

    Parameters
    ----------
    what : name of the tensor, for messages.

    Raises
    ------
    UserError : another size, or a type that cannot hold such values.
    """
    if isinstance(values, np.ndarray) and values.dtype.kind not in "iuf":
        raise UserError(f"{what} is of type {values.dtype}; integers or floats are needed")
    best = None
    for array, kind in _interpretations(values, layer):
        count = _samples(array.size, layer)
        if not count:
            continue
        for steps, how in _in_steps(array, kind, layer):
            for reading in _readings(steps, how, layer, count, () if isinstance(values, bytes) else values.shape):
                if best is None or reading.error < MUCH_BETTER * best.error:
                    best = reading
    if best is not None:
        return best
    if isinstance(values, np.ndarray) and values.dtype.kind in "iu" and layer.scale is None and _fits(values, layer):
        raise UserError(f"{what} is {values.dtype}, but '{layer.name}' is float32 in the vectors: dump it in float")
    raise UserError(f"{what} {_size_text(values, layer)}")


def _size_text(values: np.ndarray | bytes, layer: Layer) -> str:
    size, shape = prod(_sample_shape(layer)), tuple(layer.values.shape[1:])
    most = pluralize(len(layer.values), "patch").replace("patchs", "patches")
    if isinstance(values, bytes):
        wide = layer.values.dtype.itemsize
        kinds = f"{4 * size} in float32"
        if layer.scale is not None:
            kinds = f"{wide * size} bytes in {layer.values.dtype}, {kinds}"
        return f"holds {len(values)} bytes; '{layer.name}' {shape} is {kinds}, times up to {most}"
    return f"has shape {tuple(values.shape)}; '{layer.name}' of the vectors is {shape}, up to {most} of it"


def _orders(axes: int) -> list[tuple[int, ...]]:
    """Return the orders to try: all permutations of up to three axes, else identity, first axis last, and reversed."""
    if axes <= 3:
        return list(itertools.permutations(range(axes)))
    return [tuple(range(axes)), (*range(1, axes), 0), tuple(range(axes))[::-1]]


def _readings(steps: np.ndarray, kind: str, layer: Layer, count: int, declared: tuple[int, ...]) -> Iterator[Reading]:
    """Yield the values in each possible order of axes, that of the declared shape first."""
    shape, reference = _sample_shape(layer), layer.steps[:count]
    orders = _orders(len(shape))
    squeezed = tuple(axis for axis in declared if axis > 1)
    squeezed = squeezed[1:] if count > 1 and squeezed[:1] == (count,) else squeezed

    def in_order(order: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(shape[axis] for axis in order)

    said = [order for order in orders if in_order(order) == squeezed]
    for order in [*said, *(order for order in orders if order not in said)]:
        back = np.argsort(order)
        values = steps.reshape(count, *in_order(order)).transpose(0, *(1 + back)).reshape(reference.shape)
        difference = np.nan_to_num(values - reference, nan=1e6, posinf=1e6, neginf=-1e6)
        text = "" if order == orders[0] else f"({', '.join(map(str, in_order(order)))})"
        yield Reading(values, kind, text, bool(said) and order not in said, float(np.abs(difference).mean()))
