"""Windows by name, their roots, windows of one's own, and frames that overlap too little."""

import logging

import numpy as np
import pytest
import scipy.signal

from builders import RATE, noise, quantization_config, write_clips, write_model, write_yaml
from plain_librosa import librosa
from sezoo.audio.stft import Stft, stft_of, warn_of_overlap
from sezoo.audio.stft_stream import SynthesisStream
from sezoo.audio.stft_window import COSINE_WINDOWS, overlap_weight, window_label, window_values
from sezoo.base.errors import UserError
from sezoo.config.sections import Preprocessing
from sezoo.denoising.board import board_problem, transform_problem

OWN = tuple(np.hanning(402)[1:-1].tolist())


@pytest.mark.parametrize("name", [*COSINE_WINDOWS, "nuttall", "bartlett"])
@pytest.mark.parametrize("length", [2, 400, 401])
def test_windows_are_scipys(name, length):
    np.testing.assert_allclose(window_values(name, length), scipy.signal.get_window(name, length), atol=1e-15)


@pytest.mark.parametrize("name", ["hann", "hamming", "bartlett", "nuttall"])
def test_a_root_squared_is_the_window(name):
    root = window_values(f"sqrt_{name}", 400)
    np.testing.assert_allclose(root**2, np.maximum(scipy.signal.get_window(name, 400), 0), atol=1e-12)


@pytest.mark.parametrize("name", ["hanning2", "sqrt_", "sqrt_hanning2", "kaiser", ""])
def test_unknown_windows_are_named(name):
    with pytest.raises(
        UserError, match=rf"preprocessing\.window: '{name.removeprefix('sqrt_')}' is no window .* sqrt_hann"
    ):
        window_values(name, 400)


def test_a_window_below_zero_has_no_root():
    with pytest.raises(UserError, match="'sqrt_flattop'; flattop has negative values"):
        window_values("sqrt_flattop", 400)


@pytest.mark.parametrize("name", ["w.npy", "w.txt", "w.csv", "W.TXT"])
def test_a_file_of_numbers(tmp_path, name):
    path = tmp_path / name
    if name.endswith("npy"):
        np.save(path, np.array(OWN))
    else:
        path.write_text(("\n" if name.lower().endswith("txt") else ", ").join(map(repr, OWN)), encoding="utf-8-sig")
    np.testing.assert_array_equal(window_values(str(path), 400), OWN)
    assert window_label(str(path)) == window_label(OWN) == "own"
    assert window_label("sqrt_hann") == "sqrt_hann"


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("w.txt", None, "cannot be read: No such file"),
        ("w.txt", b"1 2 x", "is not a file of numbers"),
        ("w.txt", b"\xff\xfe1", "is not a file of numbers"),
        ("w.txt", b"1 2 3", "found 3 numbers of shape (3,); allowed: win_length numbers, which is 400"),
        ("w.txt", b"", "found 0 numbers"),
        ("w.txt", b"0 " * 400, "not all 0"),
        ("w.txt", b"nan " * 400, "finite values"),
        ("w.txt", b"1e30 " * 400, "up to a million"),
        ("w.npy", b"garbage", "is not a file of numbers"),
        ("w.npy", b"", "is not a file of numbers"),
        ("w.npy", np.zeros(400, "S4"), "values of type |S4"),
        ("w.npy", np.ones((20, 20)), "of shape (20, 20)"),
        ("w.npy", np.array([{}] * 400), "is not a file of numbers"),
    ],
)
def test_files_that_are_no_window(tmp_path, name, content, words):
    path = tmp_path / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        np.save(path, content, allow_pickle=True)
    with pytest.raises(UserError) as caught:
        window_values(str(path), 400)
    assert str(caught.value).startswith(f"preprocessing.window: {path}")
    assert words in str(caught.value)


@pytest.mark.parametrize("window", ["sqrt_hann", OWN])
def test_the_transform_with_it_is_librosas(window):
    stft, wave = Stft(512, 160, 400, window), noise(1.0)
    array = window_values(window, 400)
    arguments = {"hop_length": 160, "win_length": 400, "window": array}
    spectrum = stft.analyse(wave)
    np.testing.assert_allclose(spectrum, librosa.stft(wave, n_fft=512, **arguments), atol=1e-4)
    np.testing.assert_allclose(stft.synthesise(spectrum, len(wave)), wave, atol=1e-5)


def test_the_configuration_takes_names_files_and_lists():
    assert Preprocessing(window="sqrt_hann").window == "sqrt_hann"
    assert Preprocessing(window=[1, "2**-1", 0.25], win_length=3, hop_length=1).window == (1.0, 0.5, 0.25)
    for wrong in ([1, 2], [], ["x"], {"a": 1}, [True] * 400, [float("nan")] * 400, True):
        with pytest.raises(ValueError, match="window"):
            Preprocessing(window=wrong)
    with pytest.raises(ValueError, match=r"found a list of 2 numbers; allowed: win_length of them, which is 400"):
        Preprocessing(window=[1, 2])


# -- overlap --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("window", "hop"), [("hann", 100), ("sqrt_hann", 200), ("boxcar", 100), ("hann", 160)])
def test_the_weight_is_the_sum_of_the_squared_windows(window, hop):
    values = window_values(window, 400)
    expected = librosa.filters.window_sumsquare(
        window=values, n_frames=50, n_fft=400, win_length=400, hop_length=hop, dtype=np.float64
    )
    np.testing.assert_allclose(overlap_weight(values, hop), expected[400 // hop * hop * 3 :][:hop], atol=1e-9)


@pytest.mark.parametrize("hop", [400, 399])
def test_frames_that_do_not_overlap_are_refused(hop):
    with pytest.raises(UserError, match=rf"preprocessing\.hop_length: found {hop}; .* 200 or less is usual"):
        stft_of(Preprocessing(hop_length=hop))


@pytest.mark.parametrize(
    ("hop", "window", "warned"), [(400, "boxcar", True), (310, "hann", True), (300, "hann", False)]
)
def test_frames_that_hardly_overlap_are_told_of(hop, window, warned, caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("sezoo"), "propagate", True)
    warn_of_overlap(stft_of(Preprocessing(hop_length=hop, window=window)))
    assert ("frames hardly overlap" in caplog.text) == warned


def test_what_the_board_leaves_out_of_a_window_may_be_missing():
    assert board_problem(Stft(512, 300, 400, "hamming")) is None
    assert "the board leaves out the last 56 samples" in board_problem(Stft(512, 390, 400, "boxcar"))


# -- through the services -------------------------------------------------------------------------------


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for folder in ("noisy", "clean"):
        write_clips(tmp_path / folder, "a.wav b.wav")
    write_model(tmp_path / "model.onnx")
    write_yaml(tmp_path / "user_config.yaml", quantization_config())
    np.save("window.npy", np.array(OWN, np.float32))
    return tmp_path


@pytest.mark.parametrize("window", ["sqrt_hann", "window.npy", f"[{','.join(f'{value:.6f}' for value in OWN)}]"])
def test_a_model_is_quantized_and_plays_with_it(project, run, window):
    code, err = run(f"preprocessing.window={window}", "hydra.run.dir=out")
    assert code == 0, err
    (model,) = (project / "out").rglob("*int8_static.onnx")
    code, err = run("denoise", "noisy/a.wav", "-m", model, "-o", "out.wav", "--play-like", "board",
                    f"preprocessing.window={window}")  # fmt: skip
    assert code == 0, err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("preprocessing.hop_length=400",), "preprocessing.hop_length: found 400; with this window of 400"),
        (("preprocessing.window=nothing.npy",), "preprocessing.window: nothing.npy cannot be read: No such file"),
        (("preprocessing.window=[1,2]",), "preprocessing.window: found a list of 2 numbers"),
    ],
)
def test_what_is_refused(project, run, words, message):
    code, err = run(*words)
    assert code == 2
    assert message in err.splitlines()[-1]
    assert RATE == 16000


@pytest.mark.parametrize(
    ("name", "meant"), [("hannn", "hann"), ("hanning", "hann"), ("Hamming", "hamming"), ("kaisser", "kaiser")]
)
def test_a_mistyped_name(name, meant):
    with pytest.raises(UserError, match=rf"'{name}' is no window .*\(did you mean {meant}\?\); allowed: hann"):
        window_values(name, 400)


def test_a_window_of_its_own_for_the_way_back_is_divided_out(tmp_path):
    rng = np.random.default_rng(0)
    wave, own = rng.standard_normal(1000).astype(np.float32), np.hanning(66)[1:-1]
    np.save(tmp_path / "back.npy", own)
    for back in ("boxcar", "hann", str(tmp_path / "back.npy")):
        settings = Preprocessing(n_fft=64, win_length=64, hop_length=16, window="sqrt_hann", synthesis_window=back)
        stft = stft_of(settings)
        np.testing.assert_allclose(stft.synthesise(stft.analyse(wave), len(wave)), wave, atol=1e-5)
        stream = SynthesisStream(stft)
        pieces = [stream.push(piece) for piece in np.array_split(stft.analyse(wave), 7, axis=1)]
        np.testing.assert_allclose(np.concatenate([*pieces, stream.finish()])[: len(wave)], wave, atol=1e-5)
    # By hand: one frame of the middle comes back as the product of both windows, over their sum.
    spectrum = np.zeros((33, 9), np.complex64)
    spectrum[:, 4] = np.fft.rfft(np.ones(64))
    frame = stft.overlap_added(spectrum)[0][64:128]
    np.testing.assert_allclose(frame, own, atol=1e-6)
    assert "synthesis_window" in transform_problem(stft)


def test_windows_that_leave_samples_out_together_are_refused():
    half = tuple(float(index < 32) for index in range(64))
    other = tuple(float(index >= 32) for index in range(64))
    with pytest.raises(UserError, match=r"preprocessing\.synthesis_window: .* cannot be reconstructed"):
        stft_of(Preprocessing(n_fft=64, win_length=64, hop_length=16, window=half, synthesis_window=other))
    with pytest.raises(UserError, match=r"preprocessing\.synthesis_window: 'hannn' is no window"):
        stft_of(Preprocessing(n_fft=64, win_length=64, hop_length=16, synthesis_window="hannn"))
