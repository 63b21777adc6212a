"""The shipped models with flipped bytes, or cut off: what reads them refuses in one line, or takes them as they are."""

import multiprocessing
import os
import random
from pathlib import Path

import numpy as np
import onnx
import pytest

import sezoo
from sezoo.base.errors import UserError
from sezoo.models.contract import check_contract, declared_contract
from sezoo.models.mask_model import MaskModel
from sezoo.models.onnx_file import load_onnx, quantized_nodes
from sezoo.models.summary import summary_of
from sezoo.quantization.graph.preparation import check_weights, prepare

SHIPPED = sorted((Path(sezoo.__file__).parent / "zoo").glob("*/*.onnx"))
FRAMES = 24


def structure_of(content):
    """The places of all bytes that are no large weights: a flip there changes more than a number."""
    weights = [weight.raw_data for weight in onnx.load_from_string(content).graph.initializer]
    spans = sorted((content.find(data), len(data)) for data in weights if len(data) > 64)
    places, position = [], 0
    for start, length in spans:
        places += range(position, start)
        position = start + length
    return [*places, *range(position, len(content))]


def damaged(content, places, rng):
    """A few bytes changed, or the end cut off."""
    if rng.random() < 0.2:
        return content[: rng.randrange(len(content))]
    changed = bytearray(content)
    for _ in range(rng.choice([1, 1, 2, 4])):
        place = rng.choice(places)
        changed[place] = rng.choice([changed[place] ^ 1 << rng.randrange(8), rng.randrange(256), 0, 255])
    return bytes(changed)


def read(path):
    """What every service does with a model first; None, or the message."""
    try:
        model = load_onnx(path)
        if quantized_nodes(model):
            contract = declared_contract(model, path)
            frames = contract.frames if isinstance(contract.frames, int) else FRAMES
            MaskModel(path)(np.ones((1, contract.bins, frames), np.float32))
        else:
            check_weights(model, path)
            prepare(model, path, check_contract(model, path))
    except UserError as error:
        return str(error)
    return None


def test_some_damages_of_the_smallest_model(tmp_path):
    rng, messages = random.Random(0), []
    for file in (file for file in SHIPPED if file.parent.name == "utcn_small"):
        content = file.read_bytes()
        places = structure_of(content)
        for index in range(6):
            path = tmp_path / f"{file.stem}_{index}.onnx"
            path.write_bytes(damaged(content, places, rng))
            messages.append(read(path))
    refused = [message for message in messages if message is not None]
    assert len(refused) > len(messages) / 2
    assert not any("\n" in message for message in refused)


def in_process(path, answers):
    """`read` and the model's summary with 2 GiB of memory more than now, and 60 s."""
    import resource
    import signal

    resource.setrlimit(resource.RLIMIT_DATA, (2**31, 2**31))
    signal.alarm(60)
    message = read(path)
    try:
        summary_of(path)
    except UserError as error:
        message = str(error)
    answers.put(message)


@pytest.mark.long
@pytest.mark.skipif(os.name != "posix", reason="limits and processes of POSIX")
def test_four_hundred_damages_of_all_models(tmp_path):
    rng = random.Random(1)
    contents = [(file.read_bytes(), file) for file in SHIPPED]
    structures = [structure_of(content) for content, _ in contents]
    context = multiprocessing.get_context("fork")
    for index in range(400):
        content, file = contents[index % len(contents)]
        places = structures[index % len(contents)] if index % 2 else range(len(content))
        path = tmp_path / f"{index}_{file.name}"
        path.write_bytes(damaged(content, places, rng))
        answers = context.SimpleQueue()
        process = context.Process(target=in_process, args=(path, answers))
        process.start()
        process.join()
        assert process.exitcode == 0, path.name
        message = answers.get()
        assert message is None or "\n" not in message
        path.unlink()
