"""Models with hostile names, from float over int8 to C that a strict compiler takes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from c_builds import SOURCES, STRICT, compiled, needs_gcc
from hostile_names import HOSTILE, SECRET_CODE, hostile_names, renamed
from mask_graphs import magnitudes, tcnn
from quantizers import ours, quantization, ready
from sezoo.audio.stft import Stft
from sezoo.deployment.c_package.call_frames import Engine
from sezoo.deployment.c_package.header import denoiser_header
from sezoo.deployment.c_package.model_header import model_header
from sezoo.deployment.c_package.model_source import model_source
from sezoo.deployment.c_package.program import Program
from sezoo.deployment.c_package.settings import PackageSettings
from sezoo.deployment.engine.qdq_reader import integer_graph_of
from sezoo.quantization.graph.static_shape import with_static_shape
from tiny_models import FRAMES, LOOKAHEAD, NEW, SPECTRUM


def program_with(names) -> Program:
    """The program of a small network that was quantized with these names in it."""
    prepared, op_types = ready(renamed(tcnn(), names))
    int8 = ours(prepared, magnitudes(60, 60), op_types, quantization())
    stft = Stft(SPECTRUM["n_fft"], SPECTRUM["hop_length"], SPECTRUM["win_length"])
    return Program(
        integer_graph_of(with_static_shape(int8, FRAMES), Path("m.onnx")), Engine(False, NEW, LOOKAHEAD), stft
    )


def check(program, folder):
    """The generated C compiles as strictly as the package does, with trigraphs or without, and is all ours."""
    source = model_source(program)
    assert source.isascii()
    (folder / "sezoo_model.c").write_text(source, encoding="utf-8", newline="\n")
    (folder / "sezoo_model.h").write_text(model_header(program), encoding="utf-8", newline="\n")
    header = denoiser_header(program, PackageSettings(16000, False, None))
    (folder / "sezoo_denoiser.h").write_text(header, encoding="utf-8", newline="\n")
    for flags in ((), ("-trigraphs",)):
        compiled(*STRICT, *flags, f"-I{folder}", f"-I{SOURCES / 'src'}", "-fsyntax-only", folder / "sezoo_model.c")
    without_comments = re.sub(r"/\*.*?\*/", "", source, flags=re.DOTALL)
    assert "evil" not in without_comments
    assert not [line for line in source.splitlines() if line.endswith(("\\", "??/"))]


@needs_gcc
def test_names_that_are_code(tmp_path):
    program = program_with([name for name in HOSTILE if SECRET_CODE in name or len(name) < 20])
    assert SECRET_CODE in model_source(program)  # in a comment
    check(program, tmp_path)


@needs_gcc
@pytest.mark.long
@settings(max_examples=60, deadline=None)
@given(st.lists(hostile_names(), min_size=1, max_size=40))
def test_drawn_names(tmp_path_factory, names):
    check(program_with(names), tmp_path_factory.mktemp("c"))
