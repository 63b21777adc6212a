"""Products of two tensors: kernels and packages equal to the reference in Python, here and on emulated cores."""

import ctypes
from ctypes import c_float, c_int32, c_void_p

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attention_graphs import ATTENTION
from c_builds import HOST_GCC, SOURCES, built, compiled, fixed_objects, needs_gcc, ran
from int8_graphs import PATH
from operator_graphs import static_int8
from sezoo.audio.stft import Stft
from sezoo.deployment.engine.interpreter import run_operator
from sezoo.deployment.engine.product import Product
from sezoo.deployment.engine.qdq_reader import integer_graph_of
from sezoo.deployment.engine.tensor import Tensor, padded
from sezoo.targets.c_compiler import build_program, find_compiler
from sezoo.targets.cores import CORES
from sezoo.targets.emulator import emulate, find_emulator
from tiny_graphs import program_of, write_tiny_package
from tiny_loops import product_graph
from tiny_models import needs_arm_gcc, needs_qemu

F = np.float32
TYPES = {8: np.int8, 16: np.int16}


class ProductOp(ctypes.Structure):
    _fields_ = [
        *((name, c_int32) for name in ("zero_point", "lowest", "highest")),
        ("multiplier", c_float),
        *((name, c_int32) for name in ("zero_point_a", "zero_point_b", "groups", "rows", "columns", "depth")),
        *((name, c_int32) for name in ("a_row", "b_row", "output_row", "input_bytes", "output_bytes")),
    ]


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    folder = tmp_path_factory.mktemp("products")
    words = ["-O1", "-ffp-contract=off", "-shared", "-fPIC", "-std=c99", f"-I{SOURCES / 'src'}"]
    compiled(*words, SOURCES / "src" / "sezoo_products.c", "-o", folder / "products.so")
    return ctypes.CDLL(str(folder / "products.so"))


def rows_of(random, tensor, frames):
    """Integers from end to end, padded, and those without the padding."""
    low, high = (tensor.low, tensor.high + 1) if random.random() < 0.5 else (tensor.low, tensor.low + 3)
    integers = random.integers(low, high, (frames, tensor.items)).astype(tensor.dtype)
    whole = np.full((frames, padded(tensor.items)), 77, tensor.dtype)
    whole[:, : tensor.items] = integers
    return integers, whole


@needs_gcc
@pytest.mark.parametrize(("bits", "output_bits"), [(8, 8), (8, 16), (16, 8), (16, 16)])
@settings(max_examples=40, deadline=None, derandomize=True)
@given(*[st.integers(1, 3)] * 2, *[st.integers(1, 19)] * 3, st.integers(0, 10**6))
def test_kernel(library, bits, output_bits, frames, groups, rows, columns, depth, seed):
    random = np.random.default_rng(seed)
    end = 1 << (bits - 1)

    def tensor(name, items, of=bits):
        half = 1 << (of - 1)
        zero = 0 if random.random() < 0.3 else int(random.integers(-half, half))
        return Tensor(name, items, F(random.uniform(0.5, 4) / half), zero, of)

    a, b = tensor("a", groups * rows * depth), tensor("b", groups * columns * depth)
    y = tensor("y", groups * rows * columns, output_bits)
    multiplier = F(2.0 ** round(np.log2((1 << output_bits) / (end * end * np.sqrt(depth)))) * random.choice([1, 0.7]))
    low, high = (y.low, y.high) if seed % 2 else (y.zero_point, y.high)
    operator = Product("p", a, b, y, groups, rows, columns, depth, multiplier, low, high)
    (p, padded_p), (q, padded_q) = rows_of(random, a, frames), rows_of(random, b, frames)
    made = np.full((frames, padded(y.items)), 77, y.dtype)
    op = ProductOp(
        y.zero_point, low - y.zero_point, high - y.zero_point, multiplier, a.zero_point, b.zero_point,
        groups, rows, columns, depth, *(padded(each.items) for each in (a, b, y)), bits // 8, output_bits // 8,
    )  # fmt: skip
    scratch = np.zeros(columns, np.int32)
    addresses = (c_void_p(each.ctypes.data) for each in (padded_p, padded_q, made))
    library.sezoo_run_product(ctypes.byref(op), *addresses, frames, c_void_p(scratch.ctypes.data))
    assert (made[:, y.items :] == 77).all()
    made = made[:, : y.items]
    np.testing.assert_array_equal(made, run_operator(operator, [p, q]))
    # by the definition, in whole numbers of any size
    left = p.reshape(frames, groups, rows, depth).astype(object) - a.zero_point
    right = q.reshape(frames, groups, columns, depth).astype(object) - b.zero_point
    sums = np.einsum("fgrd,fgcd->fgrc", left, right).astype(np.float64).reshape(frames, -1)
    real = sums * np.float64(multiplier) + y.zero_point
    np.testing.assert_allclose(made, np.clip(real, low, high), atol=0.51)


@pytest.fixture(scope="module")
def objects(tmp_path_factory):
    if HOST_GCC is None:
        pytest.skip("gcc is not installed on this computer")
    return fixed_objects(tmp_path_factory.mktemp("objects"))


@pytest.mark.parametrize(("seed", "new"), [(3, 1), (1, 4), (5, 2)])
def test_masks_are_those_of_the_reference(objects, tmp_path, seed, new):
    program = program_of(product_graph(seed, 17, new), Stft(32, 10, 30), new)
    package = write_tiny_package(program, tmp_path / "package")
    done = ran(built(package, "check_vectors", objects), folder=package / "test_vectors")
    assert done == (0, "all masks are equal\n")


@pytest.mark.parametrize(
    ("name", "bits"), [("attention over bins", 8), ("attention, einsum", 16), ("linear attention", 8)]
)
def test_networks_that_were_quantized(objects, tmp_path, name, bits):
    graph = integer_graph_of(static_int8(ATTENTION[name](), 3, bits=bits), PATH)
    assert sum(isinstance(each, Product) for each in graph.operators) == 2
    package = write_tiny_package(program_of(graph, Stft(22, 8, 22), 3), tmp_path / "package")
    done = ran(built(package, "check_vectors", objects), folder=package / "test_vectors")
    assert done == (0, "all masks are equal\n")


@needs_qemu
@needs_arm_gcc
@pytest.mark.parametrize("name", ["cortex-m55", "cortex-m4", "cortex-m33"])
def test_on_emulated_cores(tmp_path, name):
    program = program_of(product_graph(2, 17, 3), Stft(32, 10, 30), 3)
    package, elf = write_tiny_package(program, tmp_path / "package"), tmp_path / "check.elf"
    build_program(find_compiler(None), CORES[name], package, "check_vectors", elf, tmp_path / "build.log")
    folder, log = package / "test_vectors", tmp_path / "run.log"
    assert emulate(find_emulator(None), CORES[name], elf, folder, log, timeout=120) == "all masks are equal\n"
