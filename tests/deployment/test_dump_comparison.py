import argparse
import json
import pickle

import numpy as np
import onnx
import pytest

from mask_graphs import BINS, magnitudes, tcnn
from quantizers import ours, quantization, ready
from sezoo.base.errors import UserError
from sezoo.cli import compare as compare_command
from sezoo.deployment.validation.comparison import compare
from sezoo.deployment.validation.dump import match_tensors, read_dump, read_like
from sezoo.deployment.validation.layers import Layer, Vectors
from sezoo.deployment.validation.vectors import read_vectors, write_vectors
from sezoo.quantization.graph.static_shape import with_static_shape

PATCHES, FRAMES = 2, 12


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("comparison")
    prepared, op_types = ready(tcnn())
    dynamic = ours(prepared, magnitudes(50), op_types, quantization())
    onnx.save(with_static_shape(dynamic, FRAMES), folder / "small.onnx")
    return write_vectors(folder / "small.onnx", magnitudes(FRAMES, FRAMES, seed=3), folder)


@pytest.fixture(scope="module")
def vectors(files):
    return read_vectors(files.layers)


@pytest.fixture
def mask(vectors):
    """The PC's mask: (samples, bins, frames) int8."""
    return vectors.layer("mask").values.copy()


def options_of(vectors, output, tolerance=None, json=False):
    return argparse.Namespace(vectors=vectors, output=output, tolerance=tolerance, json=json)


@pytest.fixture
def said(files, tmp_path, capsys):
    """Compare a dump of these contents: the exit code and what is printed, on one line."""

    def call(name, content, tolerance=None):
        path = tmp_path / name
        if isinstance(content, dict):
            np.savez(path, **content)
        elif isinstance(content, bytes):
            path.write_bytes(content)
        else:
            np.save(path, content)
        code = compare_command.run(options_of(files.layers, path, tolerance))
        return code, " ".join(capsys.readouterr().out.split())

    return call


def moved(values, by):
    return np.clip(values.astype(int) + by, -128, 127).astype(np.int8)


# -- layouts and types ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("b.npy", lambda q, real: q),
        ("b.npy", lambda q, real: real),
        ("b.npy", lambda q, real: real.astype(np.float64)),
        ("b.npy", lambda q, real: q.astype(np.float32)),  # integers in float
        ("b.npy", lambda q, real: q.view(np.uint8)),  # bytes as numpy reads them from a file
        ("b.npy", lambda q, real: q[:1]),
        ("b.npy", lambda q, real: q[0, np.newaxis, np.newaxis]),
        ("b.npy", lambda q, real: q.ravel()),
        ("b.npy", lambda q, real: q.transpose(0, 2, 1)),
        ("b.npy", lambda q, real: q.transpose(0, 2, 1).ravel()),
        ("b.npy", lambda q, real: q.transpose(0, 2, 1)[:, np.newaxis]),
        ("b.bin", lambda q, real: q.tobytes()),
        ("b.bin", lambda q, real: real.tobytes()),
        ("b.bin", lambda q, real: q[0].T.tobytes()),
        ("b.raw", lambda q, real: np.ascontiguousarray(real[0].T).tobytes()),
        ("b.npz", lambda q, real: {"c_outputs_1": real.transpose(0, 2, 1)[:, np.newaxis]}),
        ("b.npz", lambda q, real: {"m_outputs_1": q}),
        ("b.npz", lambda q, real: {"mask_QuantizeLinear_Output": q}),
        ("b.npz", lambda q, real: {"node_mask": q}),
        ("b.npz", lambda q, real: {"arr_0": q}),
    ],
)
def test_equal_however_it_is_dumped(name, content, said, vectors):
    layer = vectors.layer("mask")
    code, text = said(name, content(layer.values, layer.real))
    assert code == 0
    assert text.startswith("equal: all ")


def test_the_order_that_fits_best_is_told(said, mask):
    assert f"in the order ({FRAMES}, {BINS}); 1 of 2 patches" in said("b.bin", mask[0].T.tobytes())[1]
    assert "read as float32; 2 of 2 patches" in said("b.npy", mask.astype(np.float32) * 0.1)[1]


def test_a_layer_is_found_by_the_files_name_or_by_its_size(said, vectors):
    inner = vectors.layer("b0.dw.relu")
    assert said("b0_dw_relu.bin", inner.values.tobytes())[1].startswith("equal: all 576 values of b0.dw.relu")
    assert said("dump.bin", inner.values[0].tobytes())[1].startswith("equal: all 288 values of b0.dw.relu")


def test_the_board_wins_over_the_model_in_what_st_leaves(said, vectors, mask):
    real = vectors.layer("mask").real
    code, text = said("network_val_io.npz", {"m_outputs_1": real, "c_outputs_1": real + np.float32(0.2)})
    assert code == 1
    assert text.startswith("different: mask leaves the PC's in frame 0 of patch 0")


# -- where it leaves ------------------------------------------------------------------------------------


def test_the_first_layer_that_leaves(said, vectors):
    dump = {layer.name: layer.values for layer in vectors.layers}
    names = list(dump)
    for name in names[4:]:
        dump[name] = moved(dump[name], 9 * (np.arange(FRAMES) > 6))
    code, text = said("layers.npz", dump)
    assert code == 1
    assert f"the board leaves the PC at {names[4]} in frame 7 of patch 0 " in text
    assert f"{names[4]} is made by {vectors.layers[4].made_by}" in text
    assert "the mask differs by 9 LSB, SNR " in text
    assert "frames 0 to 6 are the same, from frame 7 on they differ" in text
    del dump[names[3]]
    dump["something"] = np.zeros(3)
    text = said("layers.npz", dump)[1]
    assert f"not in the dump, between the last that agrees and this one: {names[3]}" in text
    assert "not compared, as the vectors have none of these names: something" in text


def test_other_inputs_are_told(said, vectors):
    dump = {"c_inputs_1": vectors.layers[0].real * 2, "c_outputs_1": vectors.layer("mask").real}
    code, text = said("io.npz", dump)
    assert code == 1
    assert "input is the model's input: the board was given other values than the PC" in text


def test_numbers_are_those_of_the_arrays(files, vectors, mask, tmp_path):
    other = mask.astype(int)
    other[1, 5, 7] += 4 if other[1, 5, 7] < 100 else -4
    other[0, 2, 3] += 1 if other[0, 2, 3] < 100 else -1
    np.save(tmp_path / "b.npy", other.astype(np.int8))
    (result,) = compare(vectors, *match_tensors(read_dump(tmp_path / "b.npy"), vectors), tolerance=1).results
    layer = vectors.layer("mask")
    assert (result.values, result.differing, result.beyond, result.largest) == (mask.size, 2, 1, 4)
    assert result.first == (1, 7)
    assert (result.frames, result.frames_beyond) == (2 * FRAMES, 1)
    assert result.largest_real == pytest.approx(4 * layer.scale)
    noise = np.square((other - mask) * layer.scale).sum()
    assert result.snr == pytest.approx(10 * np.log10(np.square(layer.real, dtype=float).sum() / noise))
    assert not result.within


@pytest.mark.parametrize(("tolerance", "code"), [(None, 1), (1.9, 1), (2, 0), (0, 1)])
def test_the_tolerance_decides(tolerance, code, said, mask):
    other = mask.copy()
    other[0, 3, 4] = 100 if mask[0, 3, 4] in (98, 102) else mask[0, 3, 4] - 2
    assert said("b.npy", other, tolerance)[0] == code


# -- what it looks like ---------------------------------------------------------------------------------


def every_third(q):
    other = q.copy()
    other[:, :, 1::3] = moved(other[:, :, 1::3], 20)
    return other


def sporadic(q):
    rng = np.random.default_rng(0)
    return moved(q, rng.choice([-1, 0, 1], q.shape, p=[0.02, 0.96, 0.02]))


def in_rows(q):
    other = q.copy()
    other[:, [4, 9]] = moved(other[:, [4, 9]], 30 * np.sign(np.arange(FRAMES) % 5 - 2.5))
    return other


def a_trace(q):
    other = q.copy()
    other[1, 3:9, 5:7] = moved(other[1, 3:9, 5:7], 6)
    return other


def saturated(q):
    return np.where(q > 20, 127, q).astype(np.int8)


@pytest.mark.parametrize(
    ("content", "words", "code"),
    [
        (lambda q, real: moved(q, 5), "all values are shifted by +5 LSB: another zero point", 1),
        (lambda q, real: q.astype(int) + 128, "+128 LSB, as unsigned numbers are read as signed ones", 1),
        (lambda q, real: real * np.float32(1.25), "those of the PC times 1.25: another scale", 1),
        (lambda q, real: real * np.float32(2), "times 2 (a power of two: a shift too many or too few): another", 1),
        (lambda q, real: real * np.float32(0.8) + np.float32(0.1), "times 0.8, shifted by +26.4 LSB: another sc", 1),
        (lambda q, real: every_third(q), "only one frame in 3 differs, from frame 1 on", 1),
        (lambda q, real: np.roll(q, 2, axis=2), "the frames are those of the PC, 2 later", 1),
        (lambda q, real: np.roll(q, -1, axis=2), "the frames are those of the PC, 1 earlier", 1),
        (lambda q, real: moved(q, 30 * (np.arange(FRAMES) < 3)), "frames 0 to 2 differ, those after them are the", 1),
        (lambda q, real: np.stack([q[0], moved(q[1], 9)]), "the first patch is the same, later ones are not", 1),
        (lambda q, real: np.zeros_like(q), "all values of the dump are the same: the tensor was not written", 1),
        (lambda q, real: np.full_like(real, np.nan), f"{PATCHES * BINS * FRAMES} values are no numbers", 1),
        (lambda q, real: saturated(q), "saturated: the dump is at the end of the range", 1),
        (lambda q, real: in_rows(q), "only 2 of 33 channels differ (4, 9)", 1),
        (
            lambda q, real: a_trace(q),
            "only 1.5 % of the values differ: what is left of a few values that an earlier",
            1,
        ),
        (lambda q, real: sporadic(q), "% of the values are off by one LSB: halves rounded away from zero", 0),
        (
            lambda q, real: np.ascontiguousarray(q.transpose(0, 2, 1)).reshape(q.shape),
            f"lie in the order ({FRAMES}, {BINS}), which the dump's shape does not say: rows and columns are swapped",
            1,
        ),
    ],
)
def test_what_the_differences_look_like(content, words, code, said, vectors):
    layer = vectors.layer("mask")
    found, text = said("b.npy", content(layer.values, layer.real))
    assert words in text
    assert found == code


def test_tensors_of_four_axes_are_read_channels_last_too():
    values = np.random.default_rng(0).integers(-100, 100, (2, 3, 4, 5, 6)).astype(np.int8)
    layer = Layer("l", "Conv c", (), values, 0.1, 3)
    for turned in (values, values.transpose(0, 2, 3, 4, 1), values.transpose(0, 4, 3, 2, 1)):
        assert read_like(turned, layer, "it").error == 0
    with pytest.raises(UserError, match=r"it has shape \(2, 3, 4, 5, 7\); 'l' of the vectors is \(3, 4, 5, 6\)"):
        read_like(np.zeros((2, 3, 4, 5, 7), np.int8), layer, "it")


def test_a_stream_that_forgets_its_state():
    values = np.random.default_rng(0).integers(-100, 100, (6, 33, 1)).astype(np.int8)  # calls of a frame
    layer = Layer("mask", "Sigmoid m", (), values, 0.1, 0)
    other = values.copy()
    other[2:] = np.roll(other[2:], 1, axis=1)
    vectors = Vectors("v.npz", "m.onnx", (layer,), (), ("mask",), "mask", 1)
    (result,) = compare(vectors, {"mask": read_like(other, layer, "it")}, [], 1).results
    assert result.first == (2, None)
    assert result.hints[0].startswith("patches 0 to 1 are the same, later ones are not: a state")


def test_noise_has_no_pattern(said, mask):
    rng = np.random.default_rng(1)
    code, text = said("b.npy", rng.integers(-128, 128, mask.shape).astype(np.int8))
    assert code == 1
    assert "hint" not in text


def test_scripts_get_all_of_it(files, mask, tmp_path, capsys):
    other = mask.copy()
    other[1, 3, 5] += 2
    np.savez(tmp_path / "b.npz", mask=other, unknown=mask)
    assert compare_command.run(options_of(files.layers, tmp_path / "b.npz", json=True)) == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["within"], found["first"], found["tolerance"]) == (False, "mask", 1.0)
    assert found["not_compared"] == ["unknown"]
    (tensor,) = found["tensors"]
    assert (tensor["name"], tensor["beyond"], tensor["largest"], tensor["first"]) == ("mask", 1, 2.0, [1, 5])


# -- what cannot be compared ----------------------------------------------------------------------------


def refused(files, path, message, *, vectors=None, tolerance=None):
    with pytest.raises(UserError, match=message):
        compare_command.run(options_of(vectors or files.layers, path, tolerance))


def test_sizes_are_named(files, mask, tmp_path):
    np.save(tmp_path / "b.npy", mask[:, :, 1:])
    refused(
        files, tmp_path / "b.npy", r"b.npy has shape \(2, 33, 11\); 'mask' of the vectors is \(33, 12\), up to 2 pa"
    )
    np.savez(tmp_path / "b.npz", mask=mask[:, 1:])
    refused(
        files, tmp_path / "b.npz", r"'mask' of .*b.npz has shape \(2, 32, 12\); 'mask' of the vectors is \(33, 12\)"
    )
    (tmp_path / "b.bin").write_bytes(bytes(17))
    refused(files, tmp_path / "b.bin", r"holds 17 bytes; 'mask' \(33, 12\) is 396 bytes in int8, 1584 in float32")
    np.save(tmp_path / "b.npy", np.concatenate([mask, mask]))
    refused(files, tmp_path / "b.npy", r"has shape \(4, 33, 12\)")


def test_names_are_named(files, tmp_path):
    np.savez(tmp_path / "b.npz", mask_1=np.zeros(3), other=np.zeros(3))
    message = (
        r"b.npz has no tensor of small_vectors_layers.npz: it has 'mask_1', 'other'; allowed: c_outputs_1 and 'input'"
    )
    refused(files, tmp_path / "b.npz", message + r".*more \(did you mean mask\?\)")


def test_files_that_are_none(files, tmp_path):
    (tmp_path / "b.npz").write_bytes(b"no archive")
    refused(files, tmp_path / "b.npz", "b.npz is not an .npz file$")
    refused(files, files.layers, "b.npz is not an .npz file$", vectors=tmp_path / "b.npz")
    whole = files.layers.read_bytes()
    (tmp_path / "half.npz").write_bytes(whole[: len(whole) // 2])
    refused(files, tmp_path / "half.npz", "half.npz is not an .npz file")
    (tmp_path / "flipped.npz").write_bytes(whole[:300] + bytes(400) + whole[700:])
    refused(files, tmp_path / "flipped.npz", "flipped.npz is not an .npz file, or is damaged")
    (tmp_path / "b.npy").write_bytes(b"text")
    refused(files, tmp_path / "b.npy", "b.npy is not an .npy file")
    np.save(tmp_path / "c.npy", np.zeros(3))
    (tmp_path / "c.npy").rename(tmp_path / "c.npz")
    refused(files, tmp_path / "c.npz", "it seems to be an .npy file")
    refused(files, tmp_path, "is a folder; a file is needed")
    refused(files, tmp_path / "nothing.npz", "there is no file .*nothing.npz")
    (tmp_path / "b.txt").write_bytes(b"1")
    refused(files, tmp_path / "b.txt", r"found the ending '.txt'; a board's dump is one of .npz, .npy, .bin, .raw")


class Trap:
    """Would tell if it were unpickled."""

    def __reduce__(self):
        return (pytest.fail, ("it was unpickled",))


def test_pickled_objects_are_refused(files, tmp_path):
    trap = np.array([Trap()], dtype=object)
    np.savez(tmp_path / "b.npz", mask=trap)
    refused(
        files, tmp_path / "b.npz", "array 'mask' of .*b.npz holds pickled Python objects.*refused; save plain arrays"
    )
    refused(files, files.floats, "holds pickled Python objects", vectors=tmp_path / "b.npz")
    np.save(tmp_path / "b.npy", trap)
    refused(files, tmp_path / "b.npy", "b.npy holds pickled Python objects")
    (tmp_path / "p.npz").write_bytes(pickle.dumps([1, 2]))
    refused(files, tmp_path / "p.npz", "seems to be a pickled object")


def test_types_and_tolerances(files, mask, tmp_path):
    np.save(tmp_path / "b.npy", mask.astype(complex))
    refused(files, tmp_path / "b.npy", "is of type complex128; integers or floats are needed")
    np.save(tmp_path / "c.npy", mask)
    refused(files, tmp_path / "c.npy", "--tolerance: found -1; allowed: 0 or more", tolerance=-1.0)
    refused(files, tmp_path / "c.npy", "--tolerance: found nan", tolerance=float("nan"))
