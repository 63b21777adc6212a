"""C packages with normalizations and softmaxes: equal to the reference in Python, here and on emulated cores."""

import ctypes
from ctypes import c_float, c_int32, c_void_p

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from c_builds import HOST_GCC, SOURCES, built, compiled, fixed_objects, needs_gcc, ran
from group_graphs import GROUPS, projected_cell
from int8_graphs import PATH
from operator_graphs import OPERATORS, cached_convolutions, static_int8
from selection_graphs import SELECTIONS
from sezoo.audio.stft import Stft
from sezoo.deployment.engine.group_operators import Normalize, Softmax
from sezoo.deployment.engine.interpreter import run_operator
from sezoo.deployment.engine.qdq_reader import integer_graph_of
from sezoo.deployment.engine.tensor import Tensor, padded
from sezoo.targets.c_compiler import build_program, find_compiler
from sezoo.targets.cores import CORES
from sezoo.targets.emulator import emulate, find_emulator
from shift_graphs import SHIFTS
from tiny_graphs import program_of, write_tiny_package
from tiny_loops import grouped_graph
from tiny_models import needs_arm_gcc, needs_qemu

F = np.float32
TYPES = {8: np.int8, 16: np.int16}


class Rounding(ctypes.Structure):
    _fields_ = [(name, c_int32) for name in ("zero_point", "lowest", "highest")]


class NormalizeOp(ctypes.Structure):
    _fields_ = [
        *((name, c_void_p) for name in ("factor", "offset")),
        *((name, c_float) for name in ("epsilon", "inverse")),
        ("rounding", Rounding),
        *((name, c_int32) for name in ("groups", "size", "input_row", "output_row", "input_bytes", "output_bytes")),
    ]


class SoftmaxOp(ctypes.Structure):
    _fields_ = [
        ("table", c_void_p),
        ("inverse", c_float),
        ("rounding", Rounding),
        *((name, c_int32) for name in ("groups", "size", "input_row", "output_row", "input_bytes", "output_bytes")),
    ]


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    folder = tmp_path_factory.mktemp("groups")
    words = ["-O1", "-ffp-contract=off", "-shared", "-fPIC", "-std=c99", f"-I{SOURCES / 'src'}"]
    compiled(*words, SOURCES / "src" / "sezoo_groups.c", "-lm", "-o", folder / "groups.so")
    return ctypes.CDLL(str(folder / "groups.so"))


def tensor(random, name, items, bits):
    end = 1 << (bits - 1)
    return Tensor(name, items, F(random.uniform(0.5, 4) / end), int(random.integers(-end, end)), bits)


def run(function, op, x, output):
    """A kernel on padded rows; what is behind the last item must not be touched."""
    frames, items = x.shape
    source = np.zeros(frames * padded(items) + 16, x.dtype)
    source[:-16].reshape(frames, -1)[:, :items] = x
    made = np.full(frames * padded(items), 77, output.dtype)
    function(ctypes.byref(op), c_void_p(source.ctypes.data), c_void_p(made.ctypes.data), frames)
    made = made.reshape(frames, -1)
    assert (made[:, items:] == 77).all()
    return made[:, :items]


shapes = given(st.integers(1, 3), st.integers(1, 5), st.integers(1, 40), st.integers(0, 10**6))


@needs_gcc
@pytest.mark.parametrize(("bits", "output_bits"), [(8, 8), (8, 16), (16, 8), (16, 16)])
@settings(max_examples=25, deadline=None, derandomize=True)
@shapes
def test_normalization(library, bits, output_bits, frames, groups, size, seed):
    random = np.random.default_rng(seed)
    x, y = (tensor(random, name, groups * size, each) for name, each in (("x", bits), ("y", output_bits)))
    factor, offset = (random.uniform(-1, 1, groups * size).astype(F) for _ in range(2))
    low, high = (y.low, y.high) if seed % 2 else (y.zero_point, y.high)
    given = (factor, offset, F(random.uniform(0, 50)), F(1) / y.scale, low, high)
    operator = Normalize("n", x, y, groups, *given)
    end = 1 << (bits - 1)
    rows = random.integers(*((-end, end) if seed % 3 else (-2, 3)), (frames, groups * size)).astype(TYPES[bits])
    rows[0] = rows[0, 0]  # all the same: no deviation
    pointers = [c_void_p(values.ctypes.data) for values in (factor, offset)]
    rounding = Rounding(y.zero_point, low - y.zero_point, high - y.zero_point)
    row = padded(groups * size)
    op = NormalizeOp(*pointers, *given[2:4], rounding, groups, size, row, row, bits // 8, output_bits // 8)
    made = run(library.sezoo_run_normalize, op, rows, y)
    np.testing.assert_array_equal(made, run_operator(operator, [rows]))
    # by the definition, in float64
    q = rows.reshape(frames, groups, size).astype(float)
    deviation = np.sqrt(size**2 * q.var(axis=2, keepdims=True) + float(given[2]))
    real = ((size * (q - q.mean(axis=2, keepdims=True)) / deviation).reshape(frames, -1)) * factor + offset
    np.testing.assert_allclose(made, np.clip(real / y.scale + y.zero_point, low, high), atol=0.6)


@needs_gcc
@pytest.mark.parametrize(("bits", "output_bits"), [(8, 8), (8, 16), (16, 8), (16, 16)])
@settings(max_examples=25, deadline=None, derandomize=True)
@shapes
def test_softmax(library, bits, output_bits, frames, groups, size, seed):
    random = np.random.default_rng(seed)
    x, y = (tensor(random, name, groups * size, each) for name, each in (("x", bits), ("y", output_bits)))
    end = 1 << (bits - 1)
    distance = np.arange(256.0) if bits == 8 else np.outer([1, 256], np.arange(256.0)).ravel()
    table = np.rint(np.exp(-distance * x.scale * (1 if seed % 2 else 9)) * 2**20).astype(np.int32)
    operator = Softmax("s", x, y, groups, table, F(1) / y.scale, y.low, y.high)
    rows = random.integers(-end, end, (frames, groups * size)).astype(TYPES[bits])
    rounding, row = Rounding(y.zero_point, y.low - y.zero_point, y.high - y.zero_point), padded(groups * size)
    op = SoftmaxOp(table.ctypes.data, operator.inverse, rounding, groups, size, row, row, bits // 8, output_bits // 8)
    made = run(library.sezoo_run_softmax, op, rows, y)
    np.testing.assert_array_equal(made, run_operator(operator, [rows]))
    powers = np.exp(rows.reshape(frames, groups, size) * float(x.scale) * (1 if seed % 2 else 9))
    real = (powers / powers.sum(axis=2, keepdims=True)).reshape(frames, -1)
    np.testing.assert_allclose(made, np.clip(real / y.scale + y.zero_point, y.low, y.high), atol=0.6)


@pytest.fixture(scope="module")
def objects(tmp_path_factory):
    if HOST_GCC is None:
        pytest.skip("gcc is not installed on this computer")
    return fixed_objects(tmp_path_factory.mktemp("objects"))


@pytest.mark.parametrize(("seed", "new"), [(3, 1), (4, 4)])
def test_masks_are_those_of_the_reference(objects, tmp_path, seed, new):
    program = program_of(grouped_graph(seed, 17, new), Stft(32, 10, 30), new)
    package = write_tiny_package(program, tmp_path / "package")
    done = ran(built(package, "check_vectors", objects), folder=package / "test_vectors")
    assert done == (0, "all masks are equal\n")


@pytest.mark.parametrize(
    ("name", "bits"),
    [
        *(
            ("caches", 8),
            ("caches", 16),
            ("projected LSTM", 16),
            ("transposed in groups", 16),
            ("norm of bins, affine", 8),
            ("max pooling", 16),
        ),
        *(("shrunk", 16), ("norm behind a function", 8), ("bins left out", 8), ("choice of two", 8), ("L2 norm", 16)),
        *(
            ("rms norm of channels", 8),
            ("rms norm of a layer", 16),
            ("einsum by group, dots", 8),
            ("outer product", 16),
        ),
        *(("matrix for each bin, left", 8), ("largest behind Sqrt", 16), ("pooling behind Tanh", 8)),
        *(("frames late", 8), ("frames late", 16), ("a frame early", 8), ("magnitudes a frame late", 16)),
        *(("zeros, then a sigmoid", 16), ("root of padded magnitudes", 8), ("negative power by bin", 8)),
    ],
)
def test_networks_that_were_quantized(objects, tmp_path, name, bits):
    of_one_frame = {"caches": cached_convolutions, "projected LSTM": projected_cell}
    model = (OPERATORS | SELECTIONS | GROUPS | SHIFTS | of_one_frame)[name]()
    graph = integer_graph_of(static_int8(model, 1 if name in of_one_frame else 3, bits=bits), PATH)
    package = write_tiny_package(program_of(graph, Stft(22, 8, 22), 3), tmp_path / "package")
    done = ran(built(package, "check_vectors", objects), folder=package / "test_vectors")
    assert done == (0, "all masks are equal\n")


@needs_qemu
@needs_arm_gcc
@pytest.mark.parametrize(
    ("name", "network"),
    [("cortex-m55", "groups"), ("cortex-m4", "groups"), ("cortex-m55", "transposed over frames")],
)
def test_on_emulated_cores(tmp_path, name, network):
    if network == "groups":
        program = program_of(grouped_graph(2, 17, 3), Stft(32, 10, 30), 3)
    else:
        graph = integer_graph_of(static_int8(OPERATORS[network](), 3, bits=16), PATH)
        program = program_of(graph, Stft(22, 8, 22), 3)
    package, elf = write_tiny_package(program, tmp_path / "package"), tmp_path / "check.elf"
    build_program(find_compiler(None), CORES[name], package, "check_vectors", elf, tmp_path / "build.log")
    folder, log = package / "test_vectors", tmp_path / "run.log"
    assert emulate(find_emulator(None), CORES[name], elf, folder, log, timeout=120) == "all masks are equal\n"
