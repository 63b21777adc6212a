"""What the STM32N6's backend refuses, before it has run or written anything."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import mask_graphs as graphs
import stateful_graphs
from sezoo.base.errors import UserError
from sezoo.config.plain_data import to_dict
from sezoo.config.validation import build_config
from sezoo.denoising.run_models import static_frames_of
from sezoo.deployment.stm32n6.deploy import check_stm32n6
from sezoo.models.onnx_file import load_onnx
from sezoo.models.states import with_states
from sezoo.quantization.graph.static_shape import with_static_shape
from sezoo.zoo import zoo_model
from stm32n6_stand_ins import (
    FRAMES,
    VARIABLES,
    calls,
    configuration,
    contents,
    deploy,
    int8_model,
    make_project,
    make_tools,
    write,
    write_static,
)


@pytest.fixture(autouse=True)
def no_tools_of_the_machine(monkeypatch):
    for variable in (*VARIABLES.values(), "STEDGEAI_CORE_DIR"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("PATH", "")


@pytest.fixture
def project(tmp_path):
    return make_project(tmp_path / "project")


def saved(model, path):
    onnx.save(model, path)
    return path


def refused(config, model, folder):
    """The message, if nothing at all was written for it."""
    with pytest.raises(UserError) as caught:
        deploy(config, model, folder)
    assert not folder.exists()
    return str(caught.value)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"preprocessing": {"sample_rate": 44100}}, ("preprocessing.sample_rate: found 44100", "16000 or 48000")),
        ({"preprocessing": {"n_fft": 96}}, ("preprocessing.n_fft: found 96", "power of two, 128")),
        ({"preprocessing": {"power": 2}}, ("preprocessing.power: found 2",)),
        ({"preprocessing": {"window": "hahn"}}, ("preprocessing.window: 'hahn'",)),
        ({"hardware": {"board": "NUCLEO-F401RE"}}, ("hardware_setup.board: found 'NUCLEO-F401RE'", "portable-c")),
        ({"hardware": {"serie": "STM32H7"}}, ("hardware_setup.serie: found 'STM32H7'; allowed: STM32N6",)),
        ({"preprocessing": {"n_fft": 1024}}, ("preprocessing.n_fft: found 1024, which makes 513 bins", "300 bins")),
        ({"frames_per_patch": 126}, ("deployment.frames_per_patch: found 126", "makes 130 frames", "100 at most")),
    ],
)
def test_settings_that_the_board_lacks(tmp_path, project, changes, words):
    config, before = configuration(project, **changes), contents(project)
    message = refused(config, write_static(tmp_path / "int8.onnx"), tmp_path / "run")
    assert all(word in message for word in words)
    with pytest.raises(UserError, match=message.partition(" ")[0]):
        check_stm32n6(config)
    assert contents(project) == before


def test_a_rate_of_48000_is_one_of_the_boards(project):
    config = configuration(project, preprocessing={"sample_rate": 48000}, dry_run=True)
    check_stm32n6(config)


def test_a_length_to_be_that_does_not_fit(project):
    """In a chain the length is known before the model is made."""
    content = to_dict(configuration(project, dry_run=True))
    clips = {"noisy_quantization_files_path": "clips"}
    chain = {**content, "operation_mode": "chain_qd", "quantization": {"static_sequence_length": 9, **clips}}
    with pytest.raises(UserError, match=r"static_sequence_length: found 9; .* are 8: set it to that"):
        check_stm32n6(build_config(chain))
    chain["quantization"]["static_sequence_length"] = 8
    check_stm32n6(build_config(chain))


def float_model():
    return with_static_shape(graphs.tcnn(), FRAMES)


def two_clips():
    model = with_static_shape(int8_model(), FRAMES)
    for value in (model.graph.input[0], model.graph.output[0]):
        value.type.tensor_type.shape.dim[0].dim_value = 2
    return model


def stateful():
    model = with_states(stateful_graphs.cached_convolution(frames=FRAMES, batch=1), stateful_graphs.CACHE_STATES)
    zeros = numpy_helper.from_array(np.zeros(1, np.int8), "q")
    model.graph.initializer.extend([zeros, numpy_helper.from_array(np.float32(1), "s")])
    model.graph.node.append(helper.make_node("DequantizeLinear", ["q", "s"], ["unused"]))
    return model


def float_input():
    """An int8 model between whose input and first quantizer something is computed in float."""
    model = with_static_shape(int8_model(), FRAMES)
    for node in model.graph.node:
        node.input[:] = ["doubled" if name == "input" else name for name in node.input]
    model.graph.node.insert(0, helper.make_node("Add", ["input", "input"], ["doubled"], name="twice"))
    return model


def unsigned_input():
    model = with_static_shape(int8_model(), FRAMES)
    first = next(node for node in model.graph.node if "input" in node.input)
    model.graph.initializer.append(numpy_helper.from_array(np.uint8(0), "unsigned"))
    first.input[2] = "unsigned"
    return model


def two_scales():
    """An int8 model of whose input two operators are rounded otherwise."""
    model = with_static_shape(int8_model(), FRAMES)
    scale = numpy_helper.from_array(np.float32(0.5), "other scale")
    zero = numpy_helper.from_array(np.int8(0), "other zero")
    model.graph.initializer.extend([scale, zero])
    names = ["input", "other scale", "other zero"]
    model.graph.node.append(helper.make_node("QuantizeLinear", names, ["other"]))
    return model


def too_long():
    return with_static_shape(int8_model(), 130)


def int8_mask():
    """An int8 model that ends with integers, which the application would read as floats."""
    model = with_static_shape(int8_model(), FRAMES)
    last = next(node for node in model.graph.node if model.graph.output[0].name in node.output)
    model.graph.output[0].name = last.input[0]
    model.graph.output[0].type.tensor_type.elem_type = TensorProto.INT8
    model.graph.node.remove(last)
    return model


def classifier():
    graph = graphs.Graph()
    graph.node("QuantizeLinear", ["input", graph.weight("s", np.float32(1)), graph.weight("z", np.int8(0))], "q")
    graph.node("DequantizeLinear", ["q", "s", "z"], "mask")
    model = graph.model(axes=(1, graphs.BINS, FRAMES))
    model.graph.input.append(helper.make_tensor_value_info("mel", TensorProto.FLOAT, (1, 40)))
    return model


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (float_model, ("is a float model", "static_sequence_length: 8")),
        (int8_model, ("its batch axis is dynamic; the board needs 1", "static_sequence_length: 8")),
        (two_clips, ("its batch axis is fixed to 2",)),
        (stateful, ("has states (cache)",)),
        (float_input, ("operator Add ('twice') reads the input 'input' in float", "quantization.target: stm32n6")),
        (unsigned_input, ("reads the input 'input' as uint8",)),
        (two_scales, ("the input 'input' is rounded by 2 scales", "quantization.target: stm32n6")),
        (too_long, ("has 130 frames; the board's program takes 100 at most", "static_sequence_length: 8")),
        (int8_mask, ("is int8, float32 is needed",)),
        (classifier, ("has 2 inputs", "the contract is one")),
    ],
)
def test_models_that_are_not_the_static_int8_one(tmp_path, project, model, words):
    path = saved(model(), tmp_path / "given.onnx")
    message = refused(configuration(project), path, tmp_path / "run")
    assert str(path) in message and all(word in message for word in words)


@pytest.mark.parametrize("name", ["utcn", "utcn_small"])
def test_models_of_the_zoo_that_begin_in_float(tmp_path, project, name):
    """Their first operator is a power in float, which the board cannot feed."""
    path, spectrum = zoo_model(name).int8_static, {"n_fft": 512, "hop_length": 160, "win_length": 400}
    frames = static_frames_of(load_onnx(path))
    config = configuration(project, preprocessing=spectrum, frames_per_patch=frames, lookahead_frames=0)
    message = refused(config, path, tmp_path / "run")
    assert "operator Pow ('/Pow') reads the input 'input' in float" in message
    assert message.endswith("quantize with quantization.target: stm32n6")


def test_a_mask_whose_last_step_is_float(tmp_path, project):
    """As a sigmoid that is left in float: what the application reads is float all the same."""
    model = with_static_shape(int8_model(), FRAMES)
    mask = model.graph.output[0].name
    for node in model.graph.node:
        node.output[:] = ["before" if name == mask else name for name in node.output]
    model.graph.node.append(helper.make_node("Sigmoid", ["before"], [mask], name="sigmoid"))
    config = configuration(project, make_tools(tmp_path / "tools"))
    deploy(config, saved(model, tmp_path / "int8.onnx"), tmp_path / "run")


def test_a_dynamic_frames_axis(tmp_path, project):
    model = with_static_shape(int8_model(), FRAMES)
    for value in (model.graph.input[0], model.graph.output[0]):
        value.type.tensor_type.shape.dim[2].dim_param = "seq_len"
    message = refused(configuration(project), saved(model, tmp_path / "int8.onnx"), tmp_path / "run")
    assert "its frames axis is dynamic; the board needs 8" in message


@pytest.mark.parametrize(
    ("frames", "offers"),
    [
        (10, "Set deployment.lookahead_frames: 3 or deployment.frames_per_patch: 6, or quantize"),
        (7, "Set deployment.frames_per_patch: 3, or quantize with quantization.static_sequence_length: 8"),
        (3, "Set deployment.frames_per_patch: 3 with deployment.lookahead_frames: 0, or quantize"),
    ],
)
def test_a_length_that_is_not_the_boards(tmp_path, project, frames, offers):
    message = refused(configuration(project), write_static(tmp_path / "int8.onnx", frames), tmp_path / "run")
    assert f"has {frames} frames; deployment.frames_per_patch: 4" in message and offers in message


def test_bins_of_another_transform(tmp_path, project):
    config = configuration(project, preprocessing={"n_fft": 128, "win_length": 100})
    message = refused(config, write_static(tmp_path / "int8.onnx"), tmp_path / "run")
    assert "preprocessing.n_fft: 128 makes 65 bins" in message


def test_a_file_that_is_not_there_or_no_model(tmp_path, project):
    assert "there is no model" in refused(configuration(project), tmp_path / "none.onnx", tmp_path / "run")
    text = write(tmp_path / "text.onnx", "no model")
    assert "is not an ONNX model" in refused(configuration(project), text, tmp_path / "run")


def test_all_missing_tools_are_named_with_what_to_install(tmp_path, project):
    message = refused(configuration(project), write_static(tmp_path / "int8.onnx"), tmp_path / "run")
    for name, words in {
        "stedgeai": ("ST Edge AI Core 2.0 or later", "tools.stedgeai.path_to_stedgeai", "STM32_AI_EXE"),
        "stm32cubeide": ("install STM32CubeIDE", "tools.path_to_cubeIDE", "STM32_CUBE_IDE_EXE"),
        "STM32_Programmer_CLI": ("STM32CubeProgrammer", "tools.path_to_cubeprogrammer", "STM32_CUBE_PROG_EXE"),
        "STM32_SigningTool_CLI": ("STM32CubeProgrammer", "tools.path_to_signing_tool", "STM32_SIGNINGTOOL_CLI"),
    }.items():
        told = next(part for part in message.split("; ") if part.startswith(name))
        assert "was not found" in told and all(word in told for word in words)
    with pytest.raises(UserError, match="stm32cubeide"):
        check_stm32n6(configuration(project))


def test_a_tool_that_is_somewhere_else(tmp_path, project):
    tools = {**make_tools(tmp_path / "tools"), "stm32cubeide": tmp_path / "gone"}
    message = refused(configuration(project, tools), write_static(tmp_path / "int8.onnx"), tmp_path / "run")
    assert message.startswith(f"tools.path_to_cubeIDE: {tmp_path / 'gone'} is not there")
    assert calls(tools) == []


def test_an_installation_without_the_runtime(tmp_path, project):
    tools, before = make_tools(tmp_path / "tools", without=["runtime"]), contents(project)
    config = configuration(project, tools)
    message = refused(config, write_static(tmp_path / "int8.onnx"), tmp_path / "run")
    assert message.startswith("tools.stedgeai.path_to_stedgeai: ") and "in no installation of ST Edge AI" in message
    with pytest.raises(UserError, match="in no installation"):
        check_stm32n6(config)
    assert calls(tools) == [] and contents(project) == before


def test_tools_for_make(tmp_path, project):
    """The IDE is not asked for, but make and a compiler are."""
    message = refused(configuration(project, builder="make"), write_static(tmp_path / "int8.onnx"), tmp_path / "run")
    assert "stm32cubeide" not in message
    for words in ("make was not found: install GNU make", "tools.path_to_make", "arm-none-eabi-gcc was not found"):
        assert words in message


def test_a_tool_that_is_too_old(tmp_path, project):
    tools, before = make_tools(tmp_path / "tools", version="1.0.0"), contents(project)
    with pytest.raises(UserError) as caught:
        deploy(configuration(project, tools), write_static(tmp_path / "int8.onnx"), tmp_path / "run")
    message = str(caught.value)
    assert (
        str(tools["stedgeai"]) in message
        and "is version 1.0.0, which is too old: install ST Edge AI Core 2.0 or later" in message
    )
    assert "install ST Edge AI Core" in message
    assert len(calls(tools)) == 1 and contents(project) == before
    assert list(contents(tmp_path / "run/deployment")) == ["logs/01_version.log"]
