"""Models with states from calibration to the written files and their use, against onnxruntime's own quantizer."""

import json

import numpy as np
import onnx
import pytest
import soundfile

import stateful_graphs as graphs
from builders import evaluation_config, quantization_config, write_yaml
from mask_graphs import BINS, magnitudes
from quantizers import mask_error, ours, quantization, ready, their_ranges, theirs
from sezoo.audio.clip import read_clip
from sezoo.audio.stft import Stft
from sezoo.base.errors import UserError
from sezoo.denoising import WholeClip, denoise
from sezoo.models.mask_model import MaskModel
from sezoo.models.onnx_file import load_onnx, quantized_nodes
from sezoo.models.onnx_graph import axes_of
from sezoo.models.states import states_of, with_states
from sezoo.quantization.calibration.options import CalibrationOptions
from sezoo.quantization.calibration.ranges import calibrate
from sezoo.quantization.graph.static_shape import dynamic_axes, with_static_shape
from sezoo.quantization.graph.verification import verify
from speech_clips import noised, speech_like

STFT = Stft(n_fft=64, hop_length=32, win_length=64)
PREPROCESSING = {"n_fft": 64, "hop_length": 32, "win_length": 64}
WHOLE = 80  # frames: those of a call where a model takes any number


def call_of(model):
    frames = axes_of(next(value for value in model.graph.input if value.name == "input"))[2]
    return frames if isinstance(frames, int) else WHOLE


def fed(model, states, clips):
    """All that the calls for clips of magnitudes are fed with."""
    return [feeds for clip in clips for _, feeds in graphs.looped(model, states, clip, call_of(model))]


@pytest.fixture(params=graphs.ALL)
def prepared(request):
    """A float model as it is quantized, its operators, its states."""
    model, states = graphs.ALL[request.param]
    return *ready(with_states(model, states)), states


# -- calibration --------------------------------------------------------------------------------------


def test_ranges_are_those_of_onnxruntime_fed_with_the_same_states(prepared):
    model, op_types, states = prepared
    clips = magnitudes(WHOLE, WHOLE, WHOLE)
    ranges = calibrate(model, [[clip] for clip in clips], op_types, CalibrationOptions())
    expected = their_ranges(model, fed(model, states, clips), op_types, "MinMax")
    assert ranges.keys() == expected.keys()
    pairs = {**states, **{target: source for source, target in states.items()}}
    for name, (low, high) in expected.items():
        ends = [(low, high), expected.get(pairs.get(name), (low, high))]  # a state and its successor share a range
        wanted = (min(0, *(end[0] for end in ends)), max(0, *(end[1] for end in ends)))
        found = (min(0, float(ranges[name][0])), max(0, float(ranges[name][1])))
        if "Relu" not in {node.op_type for node in model.graph.node for output in node.output if output == name} and (
            name != "conv"  # takes the range of its Relu
        ):
            assert found == pytest.approx(wanted, rel=1e-5, abs=1e-6), name


@pytest.mark.parametrize("method", ["MinMax", "Percentile", "Entropy"])
def test_states_are_kept_from_piece_to_piece_and_zero_for_every_clip(prepared, method):
    model, op_types, _ = prepared
    clips, options = magnitudes(60, 60, 43), CalibrationOptions(method=method, moving_average=method == "MinMax")
    whole = calibrate(model, [[clip] for clip in clips], op_types, options)
    cut = calibrate(model, [np.split(clip, [7, 20, 21], axis=2) for clip in clips], op_types, options)
    other_order = calibrate(model, [[clip] for clip in reversed(clips)], op_types, options)
    for name, ends in whole.items():
        assert other_order[name] == pytest.approx(ends, rel=1e-5, abs=1e-6), name
        if call_of(model) != WHOLE or (method == "MinMax" and name in ("conv2", "mask", "hidden_new")):
            assert cut[name] == pytest.approx(ends, rel=1e-5, abs=1e-6), name


@pytest.mark.parametrize("method", ["MinMax", "Percentile"])
def test_a_model_for_any_length_is_calibrated_in_calls_as_it_is_used(method):
    """In whole clips its states would be zeros, and once what the end of a clip leaves."""
    any_length, of_five = (
        ready(with_states(graphs.cached_convolution(**how), graphs.CACHE_STATES)) for how in ({}, {"frames": 5})
    )
    quiet_end = np.repeat([1, 0.01], [50, 10]).astype(np.float32)
    clips, options = [[clip * quiet_end] for clip in magnitudes(60, 60)], CalibrationOptions(method=method)
    cut = calibrate(*any_length[:1], clips, any_length[1], options, call_frames=5)
    assert cut == calibrate(*of_five[:1], clips, of_five[1], options)
    whole = calibrate(*any_length[:1], clips, any_length[1], options)
    assert cut["cache"][1] > 1.5 * whole["cache"][1]


def test_a_moving_average_is_one_over_clips_not_calls():
    model, states = graphs.ALL["lstm cell"]
    model, op_types = ready(with_states(model, states))
    clips = magnitudes(30, 50)
    ranges = calibrate(model, [[clip] for clip in clips], op_types, CalibrationOptions(moving_average=True))
    values = [[given[0] for given, _ in graphs.looped(model, states, clip, 1)] for clip in clips]
    expected = [np.mean([end(each) for each in values]) for end in (np.min, np.max)]
    assert ranges["mask"] == pytest.approx(expected, rel=1e-5)


def test_a_state_and_what_takes_its_place_have_one_scale(prepared):
    model, op_types, states = prepared
    int8 = ours(model, magnitudes(60, 60), op_types, quantization())
    weights = {weight.name: onnx.numpy_helper.to_array(weight) for weight in int8.graph.initializer}
    for source, target in states.items():
        if target == "cache_out":  # a Slice has the scale of what it is cut out of
            continue
        scales = [weights.get(f"{name}_scale") for name in (source, target)]
        assert scales[0] == scales[1], source


# -- the int8 models ----------------------------------------------------------------------------------


def test_masks_are_no_worse_than_quantize_statics(prepared):
    model, op_types, states = prepared
    clips, held_out = magnitudes(*[WHOLE] * 4, seed=1), magnitudes(WHOLE, WHOLE, seed=9)
    mine = mask_error(model, ours(model, clips, op_types, quantization()), held_out)
    other = theirs(model, fed(model, states, clips), op_types, quantization())
    assert 0 < mine <= mask_error(model, with_states(other, states), held_out)


def test_states_stay_in_float_at_the_ends_and_the_files_name_them(prepared, tmp_path):
    model, op_types, states = prepared
    dynamic = ours(model, magnitudes(60, 60), op_types, quantization())
    length = call_of(model) if call_of(model) != WHOLE else 10
    static = with_static_shape(dynamic, length)
    paths = [tmp_path / "dynamic.onnx", tmp_path / "static.onnx"]
    for path, int8 in zip(paths, (dynamic, static), strict=True):
        onnx.save(int8, path)
        onnx.checker.check_model(int8, full_check=True)
        assert states_of(int8) == states
        ends = [*int8.graph.input, *int8.graph.output]
        assert [value.name for value in ends] == [value.name for value in (*model.graph.input, *model.graph.output)]
        assert {value.type.tensor_type.elem_type for value in ends} == {onnx.TensorProto.FLOAT}
    assert dynamic_axes(static) == []
    assert {value.name: axes_of(value) for value in static.graph.input}["input"] == [1, BINS, length]
    assert {axes_of(value)[0] for value in static.graph.input} == {1}
    (clip,) = magnitudes(8 * length, seed=5)
    verify(*paths, clip)
    np.testing.assert_allclose(MaskModel(paths[1])(clip), graphs.looped_mask(static, states, clip, length), atol=1e-6)


def test_what_a_cell_adds_up_is_no_bias(tmp_path, caplog):
    """onnxruntime's folding makes it one, and its quantizer warns of that on the terminal."""
    model, states = graphs.ALL["lstm cell"]
    prepared, op_types = ready(with_states(model, states))
    assert sorted(node.op_type for node in prepared.graph.node) == sorted(node.op_type for node in model.graph.node)
    onnx.checker.check_model(prepared, full_check=True)
    (clip,) = magnitudes(20)
    np.testing.assert_allclose(MaskModel(prepared)(clip), graphs.looped_mask(model, states, clip, 1), atol=1e-6)
    ours(prepared, [clip], op_types, quantization())
    assert caplog.text == ""


def test_states_of_sixteen_bits_make_a_better_model():
    """As docs/quantization.md says that states can have them."""
    model, states = graphs.ALL["lstm cell"]
    prepared, op_types = ready(with_states(model, states))
    wide = {name: [{"quant_type": "QInt16"}] for pair in states.items() for name in pair}
    clips, held_out = magnitudes(*[WHOLE] * 3, seed=1), magnitudes(WHOLE, WHOLE, seed=9)
    plain, better = (
        ours(prepared, clips, op_types, quantization(extra_options=extra))
        for extra in ({}, {"TensorQuantOverrides": wide})
    )
    assert states_of(better) == states
    assert mask_error(prepared, better, held_out) < mask_error(prepared, plain, held_out)


def test_verification_runs_more_than_one_call(tmp_path):
    """Files that agree on a call that begins with zeros, and do not on later ones."""
    model, states = graphs.ALL["lstm cell"]
    prepared, op_types = ready(with_states(model, states))
    int8 = ours(prepared, magnitudes(60), op_types, quantization())
    other = onnx.ModelProto()
    other.CopyFrom(int8)
    for weight in other.graph.initializer:
        if weight.name == "lstm.r_scale":
            weight.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(weight) * 1.5, weight.name))
    for name, content in (("a.onnx", int8), ("b.onnx", other)):
        onnx.save(content, tmp_path / name)
    (clip,) = magnitudes(8)
    verify(tmp_path / "a.onnx", tmp_path / "b.onnx", clip[:, :, :1])
    with pytest.raises(UserError, match="its mask differs"):
        verify(tmp_path / "a.onnx", tmp_path / "b.onnx", clip)


# -- the command --------------------------------------------------------------------------------------


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A working directory with three short pairs of clips; `model.onnx` is written by the tests."""
    monkeypatch.chdir(tmp_path)
    for folder in ("clean", "noisy"):
        (tmp_path / folder).mkdir()
    for seed in range(3):
        clean = speech_like(0.5, seed)
        soundfile.write(tmp_path / "clean" / f"{seed}.wav", clean, 16000)
        soundfile.write(tmp_path / "noisy" / f"{seed}.wav", noised(clean, 0.02, seed), 16000)
    return tmp_path


def models_folder(project):
    (folder,) = project.glob("experiment_outputs/*/saved_models")
    return folder


@pytest.mark.parametrize("name", graphs.ALL)
def test_a_model_is_quantized_by_the_command(name, project, run):
    model, states = graphs.ALL[name]
    onnx.save(model, project / "model.onnx")
    settings = {"states": dict(states), "num_quantization_samples": 3}
    write_yaml(project / "user_config.yaml", quantization_config(preprocessing=PREPROCESSING, quantization=settings))
    code, told = run()
    assert code == 0, told
    frames = call_of(model)
    assert ("static_sequence_length does not apply" in told) == (frames != WHOLE)
    folder = models_folder(project)
    (magnitude,) = magnitudes(30)
    for file in ("quantized_model_int8.onnx", "quantized_model_int8_static.onnx"):
        int8 = load_onnx(folder / file)
        assert quantized_nodes(int8) > 4
        assert states_of(int8) == states
        length = MaskModel(folder / file).frames or 30
        expected = graphs.looped_mask(int8, states, magnitude, length)
        np.testing.assert_allclose(MaskModel(folder / file)(magnitude), expected, atol=1e-6)
    static = load_onnx(folder / "quantized_model_int8_static.onnx")
    assert MaskModel(static).frames == (8 if frames == WHOLE else frames)


@pytest.mark.parametrize("carried", [True, False])
@pytest.mark.parametrize(("name", "length"), [("lstm cell", 1), ("gru layer", 8)])
def test_a_chain_scores_float_and_int8(name, length, carried, project, run):
    model, states = graphs.ALL[name]
    onnx.save(with_states(model, states) if carried else model, project / "model.onnx")
    quantization = {"accuracy_recovery": "none", "static_sequence_length": 8}
    config = evaluation_config(
        operation_mode="chain_qe",
        preprocessing=PREPROCESSING,
        evaluation={"lookahead_frames": 0, "frames_per_patch": length},
        quantization=quantization | {"states": {} if carried else dict(states)},
    )
    write_yaml(project / "user_config.yaml", config)
    code, told = run()
    assert code == 0, told
    (file,) = project.glob("experiment_outputs/*/evaluation.json")
    found = json.loads(file.read_text(encoding="utf-8"))
    assert list(found["versions"]) == ["float", "int8", "int8_stream"]
    whole, stream = (found["versions"][name] for name in ("int8", "int8_stream"))
    assert stream["means"]["snr"]["mean"] == pytest.approx(whole["means"]["snr"]["mean"], abs=0.3)
    assert stream["play"]["like"] == "stream"


def test_a_chain_with_a_lookahead_is_refused_before_it_begins(project, run):
    model, states = graphs.ALL["lstm cell"]
    onnx.save(model, project / "model.onnx")
    write_yaml(
        project / "user_config.yaml",
        evaluation_config(
            operation_mode="chain_qe",
            preprocessing=PREPROCESSING,
            evaluation={"lookahead_frames": 5},
            quantization={"states": dict(states)},
        ),
    )
    code, told = run()
    assert code == 2
    assert "evaluation.lookahead_frames: found 5; allowed: 0, as a model with states takes every frame once" in told


@pytest.fixture
def static_file(project):
    model, states = graphs.ALL["lstm cell"]
    prepared, op_types = ready(with_states(model, states))
    onnx.save(with_static_shape(ours(prepared, magnitudes(60), op_types, quantization()), 1), project / "model.onnx")
    return project / "model.onnx"


def test_written_files_need_no_key(static_file, project, run):
    write_yaml(project / "user_config.yaml", evaluation_config(preprocessing=PREPROCESSING))
    code, told = run()
    assert code == 0, told
    (file,) = project.glob("experiment_outputs/*/evaluation.json")
    assert list(json.loads(file.read_text(encoding="utf-8"))["versions"]) == ["int8"]
    words = ["preprocessing.hop_length=32", "preprocessing.win_length=64"]
    for like in ("whole", "patches", "board"):
        code, told = run("denoise", "noisy/0.wav", "-m", static_file, "-o", f"{like}.wav", "--play-like", like, *words)
        assert code == 0, told
    expected = denoise(read_clip(project / "noisy" / "0.wav", 16000), MaskModel(static_file), STFT, WholeClip())
    for like in ("whole", "patches"):
        np.testing.assert_allclose(soundfile.read(f"{like}.wav", dtype="float32")[0], expected, atol=1 / 32768)


def test_a_float_model_needs_the_key_for_prediction(project, run):
    model, states = graphs.ALL["lstm cell"]
    onnx.save(model, project / "model.onnx")
    words = ["denoise", "noisy/0.wav", "-m", "model.onnx", "-o", "out.wav"]
    words += ["preprocessing.hop_length=32", "preprocessing.win_length=64"]
    code, told = run(*words)
    assert code == 2
    assert "model.onnx has 3 inputs (input, h, c); " in told
    assert "quantization.states: {h: h_new, c: c_new}" in told
    code, told = run(*words, "quantization.states={h: h_new, c: c_new}")
    assert code == 0, told
    expected = denoise(read_clip(project / "noisy" / "0.wav", 16000), MaskModel(model, None, states), STFT)
    np.testing.assert_allclose(soundfile.read("out.wav", dtype="float32")[0], expected, atol=1 / 32768)


@pytest.mark.parametrize(
    ("states", "message"),
    [
        ({}, "model.onnx has 3 inputs (input, h, c); the contract is one"),
        ({"h": "h_nw", "c": "c_new"}, "quantization.states.h: model.onnx has no output 'h_nw'; its outputs are mask"),
        ({"h": "h_new"}, "model.onnx has 2 inputs besides 1 state (input, c); the contract is one"),
        (["h", "c"], "quantization.states: found ['h', 'c']; allowed: a mapping of names to names"),
    ],
)
def test_wrong_pairs_end_the_run(states, message, project, run):
    onnx.save(graphs.lstm_cell(), project / "model.onnx")
    config = quantization_config(preprocessing=PREPROCESSING, quantization={"states": states})
    write_yaml(project / "user_config.yaml", config)
    code, told = run()
    assert code == 2
    (line,) = [line for line in told.splitlines() if line.startswith("sezoo: error: ")]
    assert message in line
