import numpy as np
import onnx
import pytest

import stateful_graphs
from builders import mask_graph
from sezoo.audio.stft import Stft
from sezoo.base.errors import UserError
from sezoo.benchmarking import host
from sezoo.benchmarking.host import benchmark_input, measure_host
from sezoo.config.validation import build_config
from sezoo.models.states import with_states
from sezoo.quantization.graph.static_shape import with_static_shape
from sezoo.run.run import Run
from sezoo.run.tracking import Trackers

RUNS = 3
CLIP_FRAMES = 1001  # of 10 s with a hop of 10 ms, centred
MACS = 2 * 257 * 8  # of a frame of `mask_graph`


@pytest.fixture
def run(tmp_path, monkeypatch):
    """The run of a benchmark of model.onnx in the working directory."""
    monkeypatch.chdir(tmp_path)

    def make(model, **changes):
        onnx.save(model, tmp_path / "model.onnx")
        config = {
            "operation_mode": "benchmarking",
            "model": {"onnx_path": "model.onnx"},
            "preprocessing": {},
            "benchmarking": {"targets": ["host"], "runs": RUNS},
            "mlflow": {"uri": None},
        }
        for section, entries in changes.items():
            config[section] = {**config.get(section, {}), **entries}
        return Run(build_config(config), tmp_path / "out", Trackers())

    return make


@pytest.fixture
def sessions(monkeypatch):
    """Every session that is opened: its threads, and the frames of each call."""
    opened, real = [], host.open_session

    class Spy:
        def __init__(self, path, *, threads):
            self.session, self.calls = real(path, threads=threads), []
            self.threads = self.session.get_session_options().intra_op_num_threads
            opened.append(self)

        def get_inputs(self):
            return self.session.get_inputs()

        def run(self, names, feeds):
            self.calls.append(next(value for value in feeds.values() if value.ndim == 3).shape[2])
            return self.session.run(names, feeds)

    monkeypatch.setattr(host, "open_session", Spy)
    return opened


def test_a_patch_and_a_whole_clip(run, sessions):
    patch, whole = measure_host(run(mask_graph(), benchmarking={"threads": 2}))
    assert [(one.target, one.model, one.what) for one in (patch, whole)] == [
        ("host", "float", "patch"),
        ("host", "float", "whole clip"),
    ]
    assert [session.threads for session in sessions] == [2, 2] == [patch.threads, whole.threads]
    assert sessions[0].calls == [40] * (RUNS + host.WARM_UP_CALLS)
    assert sessions[1].calls == [CLIP_FRAMES] * (RUNS + host.WARM_UP_CALLS)
    assert (patch.macs, whole.macs) == (40 * MACS, CLIP_FRAMES * MACS)
    assert patch.parameters == 2 * 257 * 8 + 8 + 257
    assert (patch.audio_seconds, whole.audio_seconds) == (pytest.approx(0.3), 10)
    for one in (patch, whole):
        assert 0 < one.milliseconds <= one.p95_milliseconds
        assert one.real_time_factor > 0
        assert not one.is_estimate and one.flash is None and one.ram is None
    assert [(layer.name, layer.kind, layer.macs) for layer in patch.layers] == [
        ("c1", "Conv", 40 * MACS // 2),
        ("c2", "Conv", 40 * MACS // 2),
    ]
    assert whole.layers == ()


def test_runs_and_patch_lengths_are_the_configured_ones(run, sessions):
    settings = {"evaluation": {"frames_per_patch": 20, "lookahead_frames": 3}, "benchmarking": {"runs": 1}}
    patch, _ = measure_host(run(mask_graph(), **settings))
    assert sessions[0].calls == [26] * (1 + host.WARM_UP_CALLS)
    assert sessions[0].threads == 1
    assert patch.audio_seconds == pytest.approx(0.2)
    assert patch.how.endswith("median over 1 run")


def test_float_and_int8_are_run_on_the_same_patch_the_int8_one_as_the_board_does(run, sessions, tmp_path):
    this = run(mask_graph())
    onnx.save(mask_graph(seed=1), tmp_path / "int8.onnx")
    onnx.save(with_static_shape(mask_graph(seed=1), 36), tmp_path / "static.onnx")
    this.artefacts.int8, this.artefacts.int8_static = tmp_path / "int8.onnx", tmp_path / "static.onnx"
    found = measure_host(this)
    assert [(one.model, one.what) for one in found] == [
        *(("float", "patch"), ("float", "whole clip"), ("int8", "patch"), ("int8", "whole clip"))
    ]
    assert [session.calls[0] for session in sessions] == [36, CLIP_FRAMES, 36, CLIP_FRAMES]
    assert sessions[2].session.get_inputs()[0].shape == [1, 257, 36]
    assert found[0].macs == found[2].macs


def test_a_static_model_alone_has_a_whole_clip_where_its_graph_allows_that(run, sessions):
    patch, whole = measure_host(run(with_static_shape(mask_graph(), 40)))
    assert [session.calls[0] for session in sessions] == [40, CLIP_FRAMES]
    assert (patch.what, whole.what) == ("patch", "whole clip")


def test_models_with_states_are_called_call_by_call(run, sessions):
    model = with_states(stateful_graphs.gru_cell(bins=257), stateful_graphs.GRU_STATES)
    stream, whole = measure_host(run(model))
    assert (stream.what, whole.what) == ("stream", "whole clip")
    assert stream.audio_seconds == pytest.approx(0.01)
    assert sessions[0].calls == [1] * (RUNS + host.WARM_UP_CALLS)
    assert sessions[1].calls == [1] * CLIP_FRAMES * (RUNS + host.WARM_UP_CALLS)
    assert whole.macs == CLIP_FRAMES * stream.macs > 0
    assert "median of 1001 calls in a row over 3 runs" in whole.how


def test_the_magnitudes_are_of_speech_in_noise_of_the_wanted_rate():
    for rate, stft in ((16000, Stft()), (8000, Stft(n_fft=256, hop_length=80, win_length=200))):
        magnitudes = benchmark_input(stft, rate)
        assert magnitudes.shape == (1, stft.bins, CLIP_FRAMES)
        assert magnitudes.dtype == np.float32 and magnitudes.flags.c_contiguous
        loud = magnitudes.max(axis=(0, 1))
        assert loud.min() > 0 and loud.max() > 10 * np.median(magnitudes)


def test_torch_weights_alone_are_told(run, monkeypatch):
    from sezoo.denoising.run_models import RunModel
    from sezoo.models.source import TorchSource

    this = run(mask_graph())
    torch = RunModel("float", TorchSource(this.config.model, this.config.model_specific, "cpu", 512))
    monkeypatch.setattr(host, "models_of", lambda run, scratch: [torch])
    with pytest.raises(UserError, match=r"benchmarking.targets: host times ONNX models; .* set model.onnx_path"):
        measure_host(this)
