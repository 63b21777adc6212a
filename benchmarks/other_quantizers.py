"""What other int8 quantizers make of a model: AMD Quark, AIMET-ONNX (Qualcomm) and ESP-PPQ (Espressif).

Each wants an environment of its own, and PyTorch, of which a build for the CPU is enough:

    python -m venv quark_env && quark_env/bin/pip install torch amd-quark==0.13 onnxruntime
    python -m venv aimet_env && aimet_env/bin/pip install torch aimet-onnx==2.42.0
    python -m venv esp_env   && esp_env/bin/pip install torch esp-ppq==1.3.12

The Python that has sezoo writes the magnitude spectra to calibrate on; then any of the tools quantizes:

    python benchmarks/other_quantizers.py --clips NOISY_FOLDER --calibration calibration.npz
    quark_env/bin/python benchmarks/other_quantizers.py quark --model MODEL.onnx --calibration calibration.npz \
        --output INT8.onnx [--recipe plain]

With `--recipe best`, the default, a tool does its best in minutes on a CPU: only Conv, Add and Relu are quantized, as
sezoo has it, with int8 activations and int8 weights, a scale a channel; the spectrum's compression and the mask's
sigmoid stay float. `plain` is what the tool does when it is asked for int8 and nothing else. Either gives a QDQ graph
that onnxruntime runs and sezoo evaluates.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

QUANTIZED = ("Conv", "Add", "Relu")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tool", nargs="?", choices=list(TOOLS), help="what quantizes; none: only write the spectra")
    parser.add_argument("--model", type=Path, help="float ONNX model, of magnitudes (1, bins, frames)")
    parser.add_argument("--calibration", type=Path, required=True, help=".npz of magnitudes (bins, frames), one a clip")
    parser.add_argument("--output", type=Path, help="the int8 ONNX model")
    parser.add_argument("--recipe", choices=["plain", "best"], default="best")
    parser.add_argument("--clips", type=Path, help="folder of noisy WAV or FLAC clips to write --calibration from")
    options = parser.parse_args()
    if options.clips:
        write_magnitudes(options.clips, options.calibration)
    if options.tool:
        if not (options.model and options.output):
            parser.error("--model and --output are needed to quantize")
        quantize(options.tool, options.model, options.calibration, options.output, plain=options.recipe == "plain")


def write_magnitudes(folder, path):
    """The magnitude spectra of a folder's clips, as the models of the zoo see them."""
    from sezoo.audio.clip import read_clip
    from sezoo.audio.stft import stft_of
    from sezoo.config.sections import Preprocessing

    settings = Preprocessing(sample_rate=16000, n_fft=512, hop_length=160, win_length=400)
    stft = stft_of(settings)
    clips = sorted(clip for clip in folder.iterdir() if clip.suffix.lower() in (".wav", ".flac"))
    waves = {clip.name: read_clip(clip, settings.sample_rate, min_samples=stft.min_samples) for clip in clips}
    np.savez(path, **{name: stft.magnitude(stft.analyse(wave)) for name, wave in waves.items()})
    print(f"{len(waves)} clips in {path}")


def quantize(tool, path, calibration, output, *, plain):
    import onnx

    with np.load(calibration) as arrays:
        clips = [arrays[name][None].astype(np.float32) for name in arrays.files]
    started = time.monotonic()
    model = onnx.load(path)
    int8 = TOOLS[tool](model if plain else in_two_dimensions(model), clips, plain=plain)
    onnx.save(int8, output)
    print(f"{tool} {'plain' if plain else 'best'}: {time.monotonic() - started:.1f} s, {len(clips)} clips", flush=True)


# -- the tools: of a float model and clips an int8 model ----------------------------------------------


def quantize_with_quark(model, clips, *, plain):
    """Plain is the preset A8W8; best searches a percentile for every tensor.

    Left out: AdaRound, a minute a layer on a CPU; equalization of the layers, with which it does no better.
    """
    from quark.onnx import ModelQuantizer
    from quark.onnx.quantization.config.config import QConfig
    from quark.onnx.quantization.config.custom_config import A8W8_QCONFIG
    from quark.onnx.quantization.config.spec import CalibMethod, Int8Spec, QLayerConfig, QuantGranularity

    best = QConfig(
        QLayerConfig(
            input_tensors=Int8Spec(symmetric=False, calibration_method=CalibMethod.LayerwisePercentile),
            weight=Int8Spec(calibration_method=CalibMethod.MinMax, quant_granularity=QuantGranularity.Channel),
        ),
        extra_options={"OpTypesToQuantize": list(QUANTIZED)},
    )
    reader = QuarkReader(model.graph.input[0].name, clips)
    return ModelQuantizer(A8W8_QCONFIG if plain else best).quantize_model(model, calibration_data_reader=reader)


class QuarkReader:
    """Clips one at a time, and again from the first when Quark asks for that."""

    def __init__(self, name, clips):
        self.name, self.clips = name, clips
        self.reset_iter()

    def __len__(self):
        return len(self.clips)

    def get_next(self):
        clip = next(self.rest, None)
        return None if clip is None else {self.name: clip}

    def reset_iter(self):
        self.rest = iter(self.clips)


def quantize_with_aimet(model, clips, *, plain):
    """Plain takes the largest values for the ranges; best equalizes the layers and weighs clipping against rounding."""
    import aimet_onnx
    from aimet_onnx.cross_layer_equalization import equalize_model

    data = [{model.graph.input[0].name: clip} for clip in clips]
    if plain:
        sim = aimet_onnx.QuantizationSimModel(model)
    else:
        equalize_model(model)
        wanted = tensors_to_quantize(model)
        heights = [node for node in model.graph.node if node.op_type == "Unsqueeze"]
        wanted |= {node.input[0] for node in heights if node.output[0] in wanted}
        sim = aimet_onnx.QuantizationSimModel(model, quant_scheme="tf_enhanced")
        for name in sim.activation_names:
            sim.qc_quantize_op_dict[name].enabled = name in wanted
    sim.compute_encodings(data)
    return sim.to_onnx_qdq()


def quantize_with_esp_ppq(model, clips, *, plain):
    """Plain is the platform ONNXRUNTIME as it comes: ranges by percentile, symmetric; best has asymmetric ones."""
    import onnx
    import torch
    from esp_ppq.api import export_ppq_graph, quantize_onnx_model
    from esp_ppq.api.setting import QuantizationSettingFactory
    from esp_ppq.core import QuantizationPolicy, QuantizationProperty, TargetPlatform
    from esp_ppq.lib.extension import register_network_quantizer
    from esp_ppq.quantization.quantizer import OnnxruntimeQuantizer

    class Asymmetric(OnnxruntimeQuantizer):
        def __init__(self, graph):
            super().__init__(graph)
            self._quant_min, self._quant_max = 0, 255  # the export leaves out asymmetric ranges that are signed

        @property
        def quant_operation_types(self):
            return set(QUANTIZED)

        @property
        def quantize_policy(self):
            properties = QuantizationProperty
            return QuantizationPolicy(properties.ASYMMETRICAL + properties.LINEAR + properties.PER_TENSOR)

    settings = QuantizationSettingFactory.default_setting()
    if not plain:
        register_network_quantizer(Asymmetric, TargetPlatform.ONNXRUNTIME)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        onnx.save(model, path)
        graph = quantize_onnx_model(
            onnx_import_file=str(path),
            calib_dataloader=[torch.from_numpy(clip) for clip in clips],
            calib_steps=len(clips),
            input_shape=list(clips[0].shape),
            platform=TargetPlatform.ONNXRUNTIME,
            setting=settings,
            collate_fn=lambda clip: clip,
            device="cpu",
        )
        export_ppq_graph(graph, TargetPlatform.ONNXRUNTIME, graph_save_to=str(path))
        int8 = onnx.load(path)
    for node in int8.graph.node:
        if node.op_type == "Reshape":
            del node.attribute[:]  # allowzero, which the opset that is written does not know
    del int8.graph.value_info[:]  # it comes with the frames of the first clip
    for found, wanted in zip(
        (*int8.graph.input, *int8.graph.output), (*model.graph.input, *model.graph.output), strict=True
    ):
        found.CopyFrom(wanted)
    return int8


TOOLS = {"quark": quantize_with_quark, "aimet": quantize_with_aimet, "esp-ppq": quantize_with_esp_ppq}


# -- graphs -------------------------------------------------------------------------------------------


def tensors_to_quantize(model):
    """What goes into and comes out of Conv, Add and Relu, less what is between one of them and its Relu."""
    nodes = [node for node in model.graph.node if node.op_type in QUANTIZED]
    readers = {}
    for node in model.graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    fused = {
        node.output[0]
        for node in nodes
        if node.op_type != "Relu" and [reader.op_type for reader in readers.get(node.output[0], [])] == ["Relu"]
    }
    return {name for node in nodes for name in (*node.input, node.output[0])} - fused


def in_two_dimensions(model):
    """The same network, its 1-D convolutions 2-D ones of height 1: some tools equalize only such."""
    import onnx
    from onnx import helper, numpy_helper

    graph = model.graph
    constants = {tensor.name: tensor for tensor in graph.initializer}
    flat = {node.name for node in graph.node if node.op_type == "Conv" and len(constants[node.input[1]].dims) == 3}
    tall, before = {node.output[0] for node in graph.node if node.name in flat}, None
    while tall != before:  # what is made of a tensor with a height has one too
        before = set(tall)
        tall |= {node.output[0] for node in graph.node if node.op_type in ("Add", "Relu") and tall & set(node.input)}
    nodes, changed = [], set()

    def change(name, op_type):
        if name + op_type not in changed:
            changed.add(name + op_type)
            nodes.append(helper.make_node(op_type, [name, "height"], [name + op_type], name=name + op_type))
        return name + op_type

    for node in graph.node:
        for index, name in enumerate(node.input):
            if name not in constants and (node.output[0] in tall) != (name in tall):
                node.input[index] = change(name, "Squeeze" if name in tall else "Unsqueeze")
        if node.name in flat:
            weight = constants[node.input[1]]
            weight.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weight)[:, :, None], weight.name))
            for attribute in node.attribute:
                if attribute.name == "pads":
                    attribute.ints[:] = [0, attribute.ints[0], 0, attribute.ints[1]]
                elif attribute.name in ("kernel_shape", "strides", "dilations"):
                    attribute.ints.insert(0, 1)
        nodes.append(node)
    graph.initializer.append(numpy_helper.from_array(np.array([2]), "height"))
    del graph.node[:], graph.value_info[:]
    graph.node.extend(nodes)
    onnx.checker.check_model(model, full_check=True)
    return model


if __name__ == "__main__":
    main()
