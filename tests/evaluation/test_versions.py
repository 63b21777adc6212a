import logging

import onnx
import pytest

import recurrent_graphs as graphs
from builders import evaluation_config, mask_graph, time_convolution
from mask_graphs import BINS, magnitudes, tcnn
from quantizers import ours, quantization, ready
from sezoo.base.errors import UserError
from sezoo.config.validation import build_config
from sezoo.denoising import Board, Patches, Stream, WholeClip
from sezoo.denoising.backend import with_target
from sezoo.denoising.run_models import RunModel, models_of
from sezoo.evaluation.versions import explaining_versions, versions_of
from sezoo.models.mask_model import MaskModel
from sezoo.models.spectra import MAGNITUDE_MASK
from sezoo.quantization.graph.static_shape import with_static_shape
from sezoo.run.run import Artefacts, Run
from sezoo.run.tracking import Trackers


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A run of an evaluation: `run(graph, **changes)`."""
    monkeypatch.chdir(tmp_path)

    def make(graph=None, artefacts=None, **changes):
        if graph is not None:
            onnx.save(graph, tmp_path / "model.onnx")
        (tmp_path / "scratch").mkdir(exist_ok=True)
        config = build_config(evaluation_config(**changes))
        return Run(config, tmp_path, Trackers(), artefacts or Artefacts())

    return make


def described(run, tmp_path):
    models = models_of(run, tmp_path / "scratch")
    return {version.name: (version.folder, version.play) for version in versions_of(models, run.config)}


SHORT = {"n_fft": 64, "win_length": 64, "hop_length": 16}


def int8_model():
    settings = quantization()
    prepared, op_types = ready(tcnn(), settings)
    return ours(prepared, magnitudes(60), op_types, settings)


def test_a_dynamic_float_model_is_heard_whole(run, tmp_path):
    assert described(run(mask_graph()), tmp_path) == {"float": ("eval_logs", WholeClip((0, 0)))}


def test_a_static_int8_model_is_scored_as_deployed_and_whole(run, tmp_path):
    found = described(run(with_static_shape(int8_model(), 40), preprocessing=SHORT), tmp_path)
    assert {name: (folder, type(play)) for name, (folder, play) in found.items()} == {
        "int8_patches": ("eval_logs", Patches),
        "int8_board": ("eval_logs_board", Board),
        "int8_stream": ("eval_logs_stream", Stream),
        "int8": ("eval_logs_whole", WholeClip),
    }


def test_a_float_model_of_fixed_frames_is_scored_on_whole_clips(run, tmp_path, caplog):
    """As torch exports it without dynamic axes: nothing says that a device would run it."""
    caplog.set_level(logging.INFO)
    assert described(run(with_static_shape(mask_graph(), 40)), tmp_path) == {
        "float": ("eval_logs", WholeClip((0, 0))),
    }
    assert "its frames axis, fixed to 40, is made dynamic" in caplog.text


@pytest.mark.parametrize(
    ("sections", "ways"),
    [
        ({"deployment": {}}, ["patches", "board"]),
        ({"deployment": {"backend": "portable-c"}}, ["stream"]),
        ({"deployment": {"backend": "portable-c", "engine": "patch"}}, ["patches", "board"]),
        ({"deployment": {"backend": "portable-c", "input_gain": True}}, ["patches", "board"]),
        ({"deployment": {"backend": "portable-c", "engine": "stream", "input_gain": False}}, ["stream"]),
        ({"deployment": {"hardware_setup": {"board": "NUCLEO-F401RE"}}}, ["stream"]),
        ({"quantization": {"target": "cortex-m"}}, ["stream"]),
        ({"quantization": {"target": "stm32n6"}}, ["patches", "board"]),
        ({"quantization": {"target": "generic"}}, ["stream"]),
        ({"benchmarking": {"board": "NUCLEO-F401RE"}}, ["stream"]),
    ],
)
def test_a_static_model_is_scored_as_it_would_be_deployed(run, tmp_path, sections, ways):
    found = described(run(with_static_shape(mask_graph(), 40), **sections), tmp_path)
    assert list(found) == ["float", *(f"float_{way}" for way in ways)]
    assert found[f"float_{ways[0]}"][0] == "eval_logs"


@pytest.mark.parametrize(
    ("target", "sections", "labels"),
    [
        ("stm32n6", {}, ["float in patches", "float (ST's N6 application)"]),
        ("cortex-m", {}, ["float (C package)"]),
        ("generic", {}, ["float (C package)"]),
        (
            "generic",
            {"deployment": {"hardware_setup": {"board": "STM32N6570-DK"}}},
            ["float in patches", "float (ST's N6 application)"],
        ),
        ("stm32n6", {"quantization": {"target": "cortex-m"}}, ["float (C package)"]),
        (
            "stm32n6",
            {"deployment": {"backend": "portable-c", "engine": "patch"}},
            ["float in patches", "float (C package, patches)"],
        ),
        ("cortex-m", {"evaluation": {"play_like": "board"}}, ["float (C package)"]),
        ("stm32n6", {"evaluation": {"play_like": "board"}}, ["float (ST's N6 application)"]),
    ],
)
def test_what_a_model_was_made_for_picks_the_board(run, tmp_path, target, sections, labels):
    model = with_static_shape(mask_graph(), 40)
    with_target(model, target)
    described_run = run(model, **sections)
    versions = versions_of(models_of(described_run, tmp_path / "scratch"), described_run.config)
    assert [version.label for version in versions if version.kind != "whole"] == labels


def test_an_input_gain_that_the_board_does_not_have_is_refused(run, tmp_path):
    model = with_static_shape(mask_graph(), 40)
    with_target(model, "stm32n6")
    with pytest.raises(UserError, match=r"deployment\.input_gain: found False; ST's application .* always scales"):
        described(run(model, deployment={"input_gain": False}), tmp_path)
    with pytest.raises(UserError, match=r"deployment\.input_gain: found True; deployment\.engine: stream has no"):
        described(run(deployment={"backend": "portable-c", "engine": "stream", "input_gain": True}), tmp_path)


def test_a_stream_has_the_configured_gate_and_calls(run, tmp_path):
    deployment = {"backend": "portable-c", "output_silence_threshold": -60, "frames_per_patch": 8}
    found = described(run(with_static_shape(mask_graph(), 57), deployment=deployment), tmp_path)
    assert found["float_stream"][1] == Stream((0, 0), 8, -60.0)


def test_without_lengths_patches_have_the_look_ahead_that_the_network_needs(run, tmp_path):
    onnx.save(time_convolution(3, 4, [8, 0]), tmp_path / "model.onnx")
    shape = {"n_fft": 8, "win_length": 8, "hop_length": 4}
    asked = run(preprocessing=shape, evaluation={"play_like": ["patches", "stream"]})
    assert [play for _, play in described(asked, tmp_path).values()] == [Patches(30, 8), Stream((8, 0))]


def test_a_recurrent_model_is_a_stream_of_all_that_was(run, tmp_path):
    shape = {"n_fft": 2 * (BINS - 1), "win_length": 64, "hop_length": 32}
    asked = run(graphs.recurrent("GRU"), preprocessing=shape, evaluation={"play_like": ["whole", "stream"]})
    assert [play for _, play in described(asked, tmp_path).values()] == [WholeClip(), Stream((None, 0))]


def test_patches_that_the_c_package_does_not_have_of_a_recurrent_model_are_not_scored(run, tmp_path):
    shape = {"n_fft": 2 * (BINS - 1), "win_length": 64, "hop_length": 32}
    model = with_static_shape(graphs.recurrent("GRU"), 20)
    deployment = {"backend": "portable-c", "engine": "patch"}
    with pytest.raises(UserError, match=r"engine: found patch; .* is recurrent \('layer0'\).*engine: stream"):
        described(run(model, preprocessing=shape, deployment=deployment, evaluation={"play_like": "board"}), tmp_path)


def test_the_layer_for_which_a_model_is_no_stream_is_named(run, tmp_path):
    shape = {"n_fft": 2 * (BINS - 1), "win_length": 64, "hop_length": 32}
    model = graphs.recurrent("GRU")
    backwards = onnx.helper.make_attribute("direction", "reverse")
    next(node for node in model.graph.node if node.op_type == "GRU").attribute.append(backwards)
    with pytest.raises(UserError, match=r"has none: the node GRU 'layer0' is reverse over frames.* whole clip"):
        described(run(model, preprocessing=shape, evaluation={"play_like": "stream"}), tmp_path)


def test_a_model_that_no_stream_can_run(run, tmp_path, monkeypatch):
    monkeypatch.setattr("sezoo.denoising.run_models.receptive_field_of", lambda *_: None)
    found = described(run(with_static_shape(mask_graph(), 40), deployment={"backend": "portable-c"}), tmp_path)
    assert list(found) == ["float", "float_patches", "float_board"]
    with pytest.raises(UserError, match="play_like: a stream needs a bound of how far a model looks ahead"):
        described(run(evaluation={"play_like": "stream"}), tmp_path)


def test_the_board_has_the_configured_gate(run, tmp_path):
    deployment = {"output_silence_threshold": -60}
    found = described(run(with_static_shape(mask_graph(), 58), deployment=deployment), tmp_path)
    assert found["float_board"][1] == Board(30, 14, -60.0)


def test_fixed_sequence_length_selects_patches(run, tmp_path):
    found = described(run(mask_graph(), evaluation={"fixed_sequence_length": 40}), tmp_path)
    assert found == {"float_patches": ("eval_logs", Patches(30, 5))}


def test_what_is_asked_for_is_done(run, tmp_path):
    found = described(run(mask_graph(), evaluation={"play_like": ["board", "whole"]}), tmp_path)
    assert found == {
        "float_board": ("eval_logs", Board(30, 0)),  # this model needs no look-ahead
        "float": ("eval_logs_whole", WholeClip((0, 0))),
    }


def test_an_int8_model_is_called_so(run, tmp_path):
    found = described(run(int8_model(), preprocessing=SHORT), tmp_path)
    assert list(found) == ["int8"]
    assert found["int8"][1].context == (6, 3)  # before: the bound that the kernels give


def test_after_a_quantization_float_and_int8_are_compared(run, tmp_path):
    for name, model in (("d.onnx", mask_graph()), ("s.onnx", with_static_shape(mask_graph(), 40))):
        onnx.save(model, tmp_path / name)
    made = Artefacts(int8=tmp_path / "d.onnx", int8_static=tmp_path / "s.onnx")
    quantized = run(mask_graph(), made, quantization={"static_sequence_length": 40})
    assert described(quantized, tmp_path) == {
        "float": ("eval_logs", WholeClip((0, 0))),
        "int8": ("eval_logs_quantized", WholeClip((0, 0))),
        "int8_patches": ("eval_logs_quantized_patches", Patches(30, 5)),
        "int8_board": ("eval_logs_quantized_board", Board(30, 5)),
        "int8_stream": ("eval_logs_quantized_stream", Stream((0, 0))),
    }


def test_a_static_model_whose_graph_is_fixed_is_not_heard_whole(run, tmp_path, caplog, monkeypatch):
    monkeypatch.setattr("sezoo.denoising.run_models.with_dynamic_axes", lambda *_, **__: None)
    caplog.set_level(logging.INFO)
    found = described(run(with_static_shape(mask_graph(), 40)), tmp_path)
    assert list(found) == ["float_patches"]
    assert "the graph works for 40 frames only, so that clips are run in patches of that length" in caplog.text
    with pytest.raises(UserError, match="play_like: whole clips need dynamic frames; this model has 40"):
        described(run(evaluation={"play_like": "whole"}), tmp_path)


def test_a_transform_that_the_board_cannot_do_is_only_an_error_if_the_board_was_asked_for(run, tmp_path):
    model = with_static_shape(mask_graph(), 40)
    for_board = run(model, preprocessing={"power": 2}, deployment={})
    assert list(described(for_board, tmp_path)) == ["float", "float_patches"]
    with pytest.raises(UserError, match=r"preprocessing\.power: found 2"):
        described(run(model, preprocessing={"power": 2}, evaluation={"play_like": "board"}), tmp_path)


def test_models_that_do_not_fit(run, tmp_path):
    with pytest.raises(UserError, match="its batch axis is fixed to 4; clips are run one by one"):
        described(run(mask_graph(batch=4)), tmp_path)
    with pytest.raises(UserError, match="axis 1 of input 'x' is 129"):
        described(run(mask_graph(bins=129)), tmp_path)
    with pytest.raises(UserError, match=r"model\.onnx_path: there is no file nothing\.onnx"):
        described(run(mask_graph(), model={"onnx_path": "nothing.onnx"}), tmp_path)
    with pytest.raises(
        UserError, match=r"deployment\.lookahead_frames: found 14; 30 new frames and two look-aheads are 58"
    ):
        lengths = {"frames_per_patch": 30, "lookahead_frames": 14}
        described(run(with_static_shape(mask_graph(), 40), deployment=lengths), tmp_path)


def test_the_dynamic_copy_has_the_static_models_masks(run, tmp_path):
    static = with_static_shape(mask_graph(), 40)
    (model,) = models_of(run(static), tmp_path / "scratch")
    assert model.dynamic.display_name.name == "model.onnx"
    magnitude = magnitudes(40, bins=257)[0]
    assert (MaskModel(model.dynamic.path)(magnitude) == MaskModel(static)(magnitude)).all()


def test_each_setting_of_the_board_is_turned_off_in_turn(run, tmp_path):
    gate = {"output_silence_threshold": -50}
    config = run(mask_graph(), evaluation={"play_like": ["whole", "board"]}, deployment=gate).config
    model = RunModel("float", "dynamic", "static", 40)
    vars(model).update(field=(14, 9), context=(14, 9), kind=MAGNITUDE_MASK)
    versions = versions_of([model], config)
    found = {version.name: (version.source, version.play) for version in explaining_versions(versions, [model])}
    assert found == {
        "float_board.short look-ahead": ("dynamic", Board(30, 14, -50)),
        "float_board.silence gate": ("static", Board(30, 5, None)),
        "float_board.input gain": ("static", Board(30, 5, -50, input_gain=False)),
        "float_board.rounding": ("static", Board(30, 5, -50, half_away=False)),
    }


def test_a_look_ahead_that_is_long_enough_costs_nothing(run):
    config = run(mask_graph(), evaluation={"play_like": "board"}).config
    model = RunModel("float", "dynamic")
    vars(model).update(field=(5, 5), kind=MAGNITUDE_MASK)
    found = explaining_versions(versions_of([model], config), [model])
    assert {version.name.partition(".")[2] for version in found} == {"input gain", "rounding"}  # nor is there a gate


def test_the_receptive_field_of_a_model_without_bound_asks_for_nothing():
    model = RunModel("float", None)
    vars(model)["field"] = None
    assert model.needed_lookahead == 0


def test_the_field_is_that_of_the_file(run, tmp_path):
    onnx.save(time_convolution(3, 4, [8, 0]), tmp_path / "model.onnx")
    shape = {"n_fft": 8, "win_length": 8, "hop_length": 4}
    (model,) = models_of(run(preprocessing=shape), tmp_path / "scratch")
    assert model.field == (8, 0)
    assert model.needed_lookahead == 8
