"""The C kernels, compiled as plain C for this computer, against numpy."""

import ctypes
from ctypes import c_float, c_int32, c_uint32, c_void_p

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from c_builds import FIXED, SOURCES, STRICT, compiled, needs_gcc
from sezoo.deployment.c_package.arrays import depthwise_weights, matrix_weights, padded_outputs
from sezoo.deployment.engine.interpreter import run_operator
from sezoo.deployment.engine.operators import Curve
from sezoo.deployment.engine.prologue import BINARY, UNARY, quantize_magnitudes
from sezoo.deployment.engine.tensor import Tensor, padded

pytestmark = needs_gcc

LANES = 4
F = np.float32

SHIM = """
#include "sezoo_math.h"
#define UNARY(name) \\
    void do_##name(const float *x, float *y, int n) { for (int i = 0; i < n; ++i) y[i] = sezoo_##name(x[i]); }
#define BINARY(name) \\
    void do_##name(const float *a, const float *b, float *y, int n) \\
    { for (int i = 0; i < n; ++i) y[i] = sezoo_##name(a[i], b[i]); }
UNARY(sqrt) UNARY(log) UNARY(exp) UNARY(abs) UNARY(round) UNARY(relu)
BINARY(max) BINARY(min) BINARY(pow)
void do_quantized(const float *x, int32_t *y, int n, float scale, int zero_point, int low, int high)
{
    for (int i = 0; i < n; ++i) y[i] = sezoo_quantized(x[i], scale, zero_point, low, high);
}
"""


class Rounding(ctypes.Structure):
    _fields_ = [(name, c_int32) for name in ("zero_point", "lowest", "highest")]


class Matrix(ctypes.Structure):
    _fields_ = [
        *((name, c_void_p) for name in ("weights", "bias", "multiplier")),
        *((name, c_int32) for name in ("depth", "outputs", "pieces", "piece", "is_wide")),
    ]


CONV_NUMBERS = (
    *(
        "input_row",
        "output_row",
        "input_bytes",
        "output_bytes",
        "dense",
        "groups",
        "channels_in",
        "positions_in",
        "positions_out",
    ),
    *("taps", "dilation_time", "kernel", "stride", "dilation", "pad", "input_zero_point"),
)


class Conv(ctypes.Structure):
    _fields_ = [("matrix", Matrix), ("rounding", Rounding), *((name, c_int32) for name in CONV_NUMBERS)]


DEPTHWISE_NUMBERS = (
    *("input_row", "output_row", "input_bytes", "output_bytes", "channels", "positions_in", "positions_out"),
    *("taps", "dilation_time", "kernel", "stride", "dilation", "pad", "input_zero_point"),
)


class Depthwise(ctypes.Structure):
    _fields_ = [
        *((name, c_void_p) for name in ("weights", "bias", "multiplier")),
        ("rounding", Rounding),
        *((name, c_int32) for name in DEPTHWISE_NUMBERS),
    ]


class Elementwise(ctypes.Structure):
    _fields_ = [
        ("rounding", Rounding),
        *((name, c_int32) for name in ("zero_point_a", "zero_point_b")),
        *((name, c_float) for name in ("scale_a", "scale_b", "inverse")),
        *((name, c_int32) for name in ("row", "factor_a", "factor_b", "offset")),
    ]


class Fft(ctypes.Structure):
    _fields_ = [("n_fft", c_int32), ("cosine", c_void_p), ("reverse", c_void_p)]


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kernels")
    (folder / "shim.c").write_text(SHIM, encoding="utf-8")
    sources = [SOURCES / "src" / f"sezoo_{name}.c" for name in FIXED]
    words = ["-O1", "-ffp-contract=off", "-shared", "-fPIC", f"-I{SOURCES / 'src'}"]
    compiled(*words, "-std=c99", folder / "shim.c", *sources, "-lm", "-o", folder / "kernels.so")
    return ctypes.CDLL(str(folder / "kernels.so"))


def at(values):
    """The address of an array, which has to live on."""
    return c_void_p(values.ctypes.data)


def rows(values, kind=np.int8):
    """(frames, items) as the kernels have them: padded, here with what must not matter, and with room behind."""
    frames, items = values.shape
    whole = np.random.default_rng(9).integers(-128, 128, frames * padded(items) + 16).astype(kind)
    whole[:-16].reshape(frames, -1)[:, :items] = values
    return whole


def unpadded(whole, frames, items):
    return whole[: frames * padded(items)].reshape(frames, -1)[:, :items]


def rounded(steps, zero_point, low, high):
    """Half to even, in float32, between two integers."""
    return np.clip(np.rint(steps.astype(F)).astype(np.int64) + zero_point, low, high)


# -- the Fourier transform ---------------------------------------------------------------------------------------


def transform_of(n_fft):
    """The transform with its tables, by their definitions; the tables too, which have to live on."""
    cosine = np.cos(2 * np.pi * np.arange(n_fft) / n_fft).astype(F)
    reverse = np.zeros(n_fft // 2, np.uint16)
    for bit in range(int(np.log2(n_fft)) - 1):
        reverse = reverse * 2 + (np.arange(n_fft // 2) >> bit & 1).astype(np.uint16)
    return Fft(n_fft, at(cosine), at(reverse)), reverse, cosine


@pytest.mark.parametrize("n_fft", [16, 32, 64, 128, 256, 512, 1024, 2048])
def test_fourier_transforms_of_four_signals(library, n_fft):
    signals = np.random.default_rng(n_fft).standard_normal((LANES, n_fft)).astype(F)
    fft, reverse, _cosine = transform_of(n_fft)
    z = np.zeros((n_fft // 2, 2, LANES), F)
    z[reverse, 0], z[reverse, 1] = signals[:, ::2].T, signals[:, 1::2].T
    library.sezoo_fft_forward(ctypes.byref(fft), at(z))
    spectra = np.zeros((LANES, n_fft // 2 + 1), complex)
    spectra[:, :-1] = (z[:, 0] + 1j * z[:, 1]).T
    spectra[:, 0], spectra[:, -1] = z[0, 0], z[0, 1]
    expected = np.fft.rfft(signals.astype(np.float64))
    loudest = np.abs(expected).max()
    np.testing.assert_allclose(spectra, expected, rtol=0, atol=5e-7 * loudest)

    library.sezoo_fft_inverse(ctypes.byref(fft), at(z))
    back = z.transpose(2, 0, 1).reshape(LANES, n_fft) / (n_fft // 2)
    np.testing.assert_allclose(back, signals, rtol=0, atol=2e-6)


@pytest.mark.parametrize("n_fft", [32, 64, 128, 512, 1024])
def test_the_transform_of_one_signal_is_that_of_four_bit_by_bit(library, n_fft):
    signal = np.random.default_rng(n_fft).standard_normal(n_fft).astype(F)
    fft, reverse, _cosine = transform_of(n_fft)
    four, one, work = np.zeros((n_fft // 2, 2, LANES), F), signal.copy(), np.zeros(n_fft, F)
    four[reverse, 0], four[reverse, 1] = signal[::2, np.newaxis], signal[1::2, np.newaxis]
    library.sezoo_fft_forward(ctypes.byref(fft), at(four))
    library.sezoo_fft_forward_one(ctypes.byref(fft), at(one), at(work))
    np.testing.assert_array_equal(one.reshape(2, -1), four[:, :, 3].T)
    library.sezoo_fft_inverse(ctypes.byref(fft), at(four))
    library.sezoo_fft_inverse_one(ctypes.byref(fft), at(one), at(work))
    np.testing.assert_array_equal(work.reshape(-1, 2), four[:, :, 3])


@pytest.mark.parametrize("n_fft", [16, 64, 512])
def test_the_inverse_of_a_single_bin_is_a_cosine(library, n_fft):
    fft, _reverse, _cosine = transform_of(n_fft)
    n = np.arange(n_fft)
    for bin_ in (0, 1, n_fft // 4, n_fft // 2 - 1, n_fft // 2):
        z = np.zeros((n_fft // 2, 2, LANES), F)
        z[bin_ % (n_fft // 2), bin_ // (n_fft // 2), 2] = 1
        library.sezoo_fft_inverse(ctypes.byref(fft), at(z))
        found = z.transpose(2, 0, 1).reshape(LANES, n_fft)
        one_of_two = 0.5 if bin_ in (0, n_fft // 2) else 1.0
        np.testing.assert_allclose(found[2], one_of_two * np.cos(2 * np.pi * bin_ * n / n_fft), atol=1e-6)
        assert not found[[0, 1, 3]].any()


# -- functions of one float ----------------------------------------------------------------------------------------

# What the network's prologue can be fed with: neither infinite nor no number at all.
any_floats = arrays(F, 64, elements=st.floats(width=32, allow_nan=False, allow_infinity=False))
SPREAD = np.concatenate([np.geomspace(1e-38, 1e38, 4001), np.linspace(-130, 130, 4001), [0.0, 1.0, -1.0, 1e-45]])
SPREAD = np.unique(np.concatenate([SPREAD, -SPREAD])).astype(F)


def same_bits(found, expected):
    """Equal to the last bit; zeros of either sign are one."""
    assert found.dtype == expected.dtype == F
    np.testing.assert_array_equal((found + F(0)).view(np.int32), (expected + F(0)).view(np.int32))


def computed(library, name, *operands):
    operands = [np.ascontiguousarray(operand, F) for operand in operands]
    made = np.empty_like(operands[0])
    getattr(library, f"do_{name}")(*map(at, operands), at(made), len(made))
    return made


@settings(max_examples=50, deadline=None, derandomize=True)
@given(values=any_floats)
@pytest.mark.parametrize("name", ["sqrt", "log", "exp", "abs", "round", "relu"])
def test_functions_are_those_of_the_prologue_bit_by_bit(library, name, values):
    for x in (values, SPREAD):
        if name == "sqrt":
            x = np.abs(x)
        if name == "round":  # halves beyond are left as they are
            x = x[(np.abs(x) < 2**22) | (np.abs(x) >= 2**23)]
        with np.errstate(over="ignore"):
            same_bits(computed(library, name, x), UNARY[name](x))


@settings(max_examples=50, deadline=None, derandomize=True)
@given(a=any_floats, b=any_floats, exponent=st.floats(0.0625, 4, width=32))
def test_functions_of_two_floats(library, a, b, exponent):
    for name in ("max", "min"):
        same_bits(computed(library, name, a, b), BINARY[name](a, b))
    for x in (a, SPREAD):
        power = np.full_like(x, exponent)
        with np.errstate(over="ignore"):
            same_bits(computed(library, "pow", x, power), BINARY["pow"](x, power))


@settings(max_examples=50, deadline=None, derandomize=True)
@given(values=any_floats, scale=st.floats(2**-20, 4, width=32), bits=st.sampled_from([8, 16]), place=st.floats(0, 1))
def test_quantizing_rounds_half_to_even_and_saturates(library, values, scale, bits, place):
    low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    zero_point = round(low + place * (high - low))
    halves = (np.arange(-300, 300) + F(0.5)) * F(scale)
    x = np.concatenate([values, halves]).astype(F)
    made = np.empty(len(x), np.int32)
    library.do_quantized(at(x), at(made), len(x), c_float(scale), zero_point, low, high)
    with np.errstate(over="ignore"):
        expected = quantize_magnitudes(x, Tensor("t", 1, F(scale), zero_point, bits))
    np.testing.assert_array_equal(made, expected)


# -- convolutions --------------------------------------------------------------------------------------------------


def naive_conv(x, weights, bias, zero_point, *, positions, stride, dilation, pad, dilation_time, first):
    """Accumulators by the definition: (frames out, positions, outputs); what is beyond an edge is the zero point."""
    groups, outputs, taps, kernel, size = weights.shape
    frames_out, frames_in, positions_in = x.shape[0], x.shape[0], x.shape[1]
    total = np.zeros((frames_out, positions, groups * outputs), np.int64) + bias
    for tap in range(taps):
        for j in range(kernel):
            for group in range(groups):
                w = weights[group, :, tap, j].astype(np.int64)
                for t in range(frames_out):
                    for f in range(positions):
                        frame, place = first + t + tap * dilation_time, f * stride - pad + j * dilation
                        if 0 <= frame < frames_in and 0 <= place < positions_in:
                            values = x[frame, place, group * size : (group + 1) * size].astype(np.int64) - zero_point
                            total[t, f, group * outputs : (group + 1) * outputs] += w @ values
    return total


conv_shapes = st.fixed_dictionaries(
    {
        "frames": st.integers(1, 7),
        "groups": st.integers(1, 3),
        "outputs": st.integers(1, 5),
        "size": st.integers(1, 20),
        "positions_in": st.integers(1, 6),
        "taps": st.integers(1, 3),
        "kernel": st.integers(1, 3),
        "stride": st.integers(1, 2),
        "dilation": st.integers(1, 2),
        "pad": st.integers(0, 2),
        "dilation_time": st.integers(1, 3),
        "late": st.integers(0, 6),
        "seed": st.integers(0, 1000),
    }
)


@settings(max_examples=250, deadline=None, derandomize=True)
@given(
    shape=conv_shapes,
    bits=st.sampled_from([8, 8, 16]),
    kind=st.sampled_from(["rows", "depthwise", "depthwise s16", "s8", "s16"]),
    of_pieces=st.booleans(),
)
def test_convolutions(library, shape, bits, kind, of_pieces):
    depthwise, dense = kind.startswith("depthwise"), kind in ("s8", "s16")
    output_bits = 16 if kind.endswith("s16") else 8
    random = np.random.default_rng(shape["seed"])
    frames, positions_in = shape["frames"], shape["positions_in"]
    groups, outputs, size = shape["groups"], shape["outputs"], shape["size"]
    if depthwise:
        groups, outputs, size = size + 1, 1, 1
    taps, kernel, stride, dilation, pad = (shape[name] for name in ("taps", "kernel", "stride", "dilation", "pad"))
    positions = (positions_in + 2 * pad - (kernel - 1) * dilation - 1) // stride + 1
    if positions < 1:
        kernel, positions = 1, (positions_in + 2 * pad - 1) // stride + 1
    dtype, end = (np.int8, 128) if bits == 8 else (np.int16, 32768)
    zero_point = int(random.integers(-end, end))
    x = random.integers(-end, end, (frames, positions_in, groups * size)).astype(dtype)
    weights = random.integers(-128, 128, (groups, outputs, taps, kernel, size)).astype(np.int8)
    bias = random.integers(-5000, 5000, groups * outputs)
    exact = 2.0 ** -round(np.log2(2 * np.sqrt(taps * kernel * size) * end))  # makes ties
    multiplier = (exact * random.choice([1, 1, 0.7, 1.3], groups * outputs)).astype(F)
    first = -min(shape["late"], (taps - 1) * shape["dilation_time"])
    place = {"stride": stride, "dilation": dilation, "pad": pad, "dilation_time": shape["dilation_time"]}
    sums = naive_conv(x, weights, bias, zero_point, positions=positions, first=first, **place)
    out_end = 1 << (output_bits - 1)
    multiplier *= F(out_end / 128)
    out_zero, low = int(random.integers(-out_end, out_end)), int(random.integers(-out_end, 0))
    high = int(random.integers(0, out_end))
    expected = rounded(sums.astype(F) * multiplier, out_zero, low, high).reshape(frames, -1)

    items = positions * groups * outputs
    source = rows(x.reshape(frames, -1), dtype)
    made = rows(np.zeros((frames, items)), np.int8 if output_bits == 8 else np.int16)
    pieces = taps if of_pieces and groups == 1 and (dilation == 1 or kernel == 1) else 1
    depth = pieces * padded(taps * kernel * size // pieces)
    scratch = np.full(4 * depth + 16 + 8 * depth + 16 + 2 * padded(groups) + 16, 77, np.int8)
    folded = bias - zero_point * weights.sum(axis=(2, 3, 4), dtype=np.int64).ravel()
    numbers = {
        "input_row": padded(positions_in * groups * size),
        "output_row": padded(items),
        "input_bytes": bits // 8,
        "output_bytes": output_bits // 8,
        "positions_in": positions_in,
        "positions_out": positions,
        "taps": taps,
        "kernel": kernel,
        "input_zero_point": zero_point,
        **place,
    }
    rounding = Rounding(out_zero, low - out_zero, high - out_zero)
    if depthwise:
        behind = (0, padded(groups) - groups)
        constants = [depthwise_weights(weights), np.pad(folded, behind).astype(np.int32), np.pad(multiplier, behind)]
    else:
        of_outputs = (values.reshape(groups, outputs) for values in (folded.astype(np.int32), multiplier))
        constants = [matrix_weights(weights.reshape(groups, outputs, pieces, -1))]
        constants += [padded_outputs(values) for values in of_outputs]
    constants = [np.ascontiguousarray(constant) for constant in constants]
    if depthwise:
        conv = Depthwise(*map(at, constants), rounding, channels=groups, **numbers)
        run = library.sezoo_run_depthwise
    else:
        matrix = Matrix(*map(at, constants), depth, outputs, pieces, taps * kernel * size // pieces, 0)
        conv = Conv(matrix, rounding, groups=groups, channels_in=size, dense=int(dense), **numbers)
        run = library.sezoo_run_conv
    run(ctypes.byref(conv), at(source), frames, first, at(made), frames, at(scratch))
    np.testing.assert_array_equal(unpadded(made, frames, items), expected)


def test_accumulators_of_a_matrix_product_are_rounded_half_to_even(library):
    x = np.arange(-128, 128, dtype=np.int8)[:, np.newaxis]
    weights = np.array([[[[1]], [[3]]]], np.int8)
    bias, multiplier = np.zeros((1, 4), np.int32), np.full((1, 4), 0.5, F)
    ordered, source, made = np.ascontiguousarray(matrix_weights(weights)), rows(x), rows(np.zeros((256, 2)))
    scratch = np.zeros(4 * 16 + 16, np.int8)
    matrix, rounding = Matrix(at(ordered), at(bias), at(multiplier), 16, 2, 1, 1, 0), Rounding(3, -131, 124)
    library.sezoo_matmul_s8(
        ctypes.byref(matrix), ctypes.byref(rounding), at(source), 16, 16, 256, at(made), 16, at(scratch)
    )
    whole = x.astype(np.int64)
    halves = [whole // 2 + (whole % 2 & (whole // 2) % 2), (3 * whole) // 2 + (3 * whole % 2 & (3 * whole // 2) % 2)]
    expected = np.clip(np.concatenate(halves, axis=1) + 3, -128, 127)
    np.testing.assert_array_equal(unpadded(made, 256, 2), expected)


# -- operators of one integer at a time ------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None, derandomize=True)
@given(frames=st.integers(1, 4), items=st.integers(1, 40), seed=st.integers(0, 1000))
@pytest.mark.parametrize("name", ["add", "add_s16", "mul"])
def test_additions_and_multiplications(library, name, frames, items, seed):
    random = np.random.default_rng(seed)
    dtype, end = (np.int16, 32768) if name == "add_s16" else (np.int8, 128)
    a = random.integers(-end, end, (frames, items)).astype(dtype)
    b = random.integers(-128, 128, (frames, items)).astype(np.int8)
    zero_a, zero_b, zero = int(random.integers(-end, end)), *random.integers(-128, 128, 2).tolist()
    scale_a, scale_b = F(random.uniform(0.5, 2) / end), F(-random.uniform(0.5, 2) / 128)
    inverse, low, high = F(random.uniform(20, 200)), int(random.integers(-128, 0)), int(random.integers(0, 128))
    x, y = (a.astype(np.int64) - zero_a).astype(F) * scale_a, (b.astype(np.int64) - zero_b).astype(F) * scale_b
    expected = rounded((x * y if name == "mul" else x + y) * inverse, zero, low, high)
    wide, narrow, made = rows(a, dtype), rows(b), rows(np.zeros((frames, items)))
    op = Elementwise(Rounding(zero, low - zero, high - zero), zero_a, zero_b, scale_a, scale_b, inverse, padded(items))
    getattr(library, f"sezoo_run_{name}")(ctypes.byref(op), at(wide), at(narrow), at(made), frames)
    np.testing.assert_array_equal(unpadded(made, frames, items), expected)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(steep=st.booleans(), bits=st.sampled_from([8, 16]), seed=st.integers(0, 1000))
def test_curves_go_through_their_points_in_straight_lines(library, steep, bits, seed):
    random = np.random.default_rng(seed)
    slopes = random.integers(*((-40000, 40000) if steep else (-519, 520)), 1024)
    table = np.clip(np.concatenate([[0], np.cumsum(slopes)]), -32768, 32767).astype(np.int16)
    x = np.arange(-32768, 32768, dtype=np.int16)
    made = np.zeros(len(x), np.int8 if bits == 8 else np.int16)
    getattr(library, f"sezoo_run_curve_s{bits}")(at(table), int(not steep), at(x), at(made), len(x))
    exact = np.interp(x, np.arange(1025) * 64 - 32768.0, table)
    expected = np.floor(exact + 0.5) if bits == 16 else np.minimum(np.floor((np.floor(exact + 0.5) + 128) / 256), 127)
    np.testing.assert_array_equal(made, expected)
    output = Tensor("y", 1, F(1), 0, bits)
    curve = Curve("curve", Tensor("x", 1, F(1), 0, 16), output, table)
    np.testing.assert_array_equal(run_operator(curve, [x[:, np.newaxis]])[:, 0], expected)


def test_tables_and_other_orders(library):
    random = np.random.default_rng(0)
    first, second = (random.integers(-128, 128, (3, items)).astype(np.int8) for items in (20, 7))
    table = random.permutation(256).astype(np.uint8).view(np.int8)
    source, other = rows(first), rows(second)
    made = rows(np.zeros((3, 20)))
    library.sezoo_run_lookup(at(table), at(source), at(made), padded(20), 3)
    np.testing.assert_array_equal(unpadded(made, 3, 20), table[first.astype(np.int64) + 128])

    for inputs, values in (([source], [first]), ([source, other, source], [first, second, first])):
        total = np.concatenate(values, axis=1)
        index = random.permutation(total.shape[1])[:19].astype(np.uint16)
        pointers = (c_void_p * len(inputs))(*(each.ctypes.data for each in inputs))
        sizes = (c_int32 * len(inputs))(*(each.shape[1] for each in values))
        strides = (c_int32 * len(inputs))(*(padded(each.shape[1]) for each in values))
        made = rows(np.zeros((3, 19)))
        library.sezoo_run_rearrange(at(index), 19, pointers, sizes, strides, len(inputs), at(made), padded(19), 3)
        np.testing.assert_array_equal(unpadded(made, 3, 19), total[:, index])


# -- what a stream keeps ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kept, new", [(1, 1), (3, 1), (2, 5), (5, 2)])
def test_kept_rows_go_before_the_new_ones(library, kept, new):
    values = np.arange(16 * (kept + 4 * new), dtype=np.int8).reshape(-1, 16)
    history = values[:kept].copy()
    for call in range(4):
        first = kept + call * new
        buffer = np.concatenate([np.full((kept, 16), -1, np.int8), values[first : first + new]])
        library.sezoo_keep(at(buffer), at(history), 16 * kept, 16 * new)
        np.testing.assert_array_equal(buffer, values[first - kept : first + new])


def test_frames_before_the_first_are_zero(library):
    for before, cleared in ((0, 4), (1, 4), (3, 2), (4, 1), (5, 0), (2**32 - 1, 0)):
        buffer = np.ones((4, 16), np.int8)
        library.sezoo_clear(at(buffer), 5, 4, 16, -7, 1, c_uint32(before))
        assert [int(row[0]) for row in buffer] == [-7] * cleared + [1] * (4 - cleared)
        assert (buffer == buffer[:, :1]).all()


@pytest.mark.parametrize("kind, zero_point", [(np.int8, -128), (np.int8, 5), (np.int16, -6605), (np.int16, 258)])
def test_a_stream_begins_with_zeros_of_one_or_two_bytes(library, kind, zero_point):
    kept = np.ones(48, kind)
    library.sezoo_fill(at(kept), kept.nbytes, zero_point, kept.itemsize)
    assert (kept == zero_point).all()


def test_the_sources_have_no_warnings(tmp_path):
    for name in FIXED:
        compiled(*STRICT, "-O2", "-c", SOURCES / "src" / f"sezoo_{name}.c", "-o", tmp_path / "object.o")
