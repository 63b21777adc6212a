"""The C files that are written for the board's application, as a C compiler and the application read them."""

import shutil
import subprocess

import pytest

from sezoo.deployment.stm32n6.deploy import deploy_stm32n6
from sezoo.deployment.stm32n6.headers import header_texts
from sezoo.run.run import open_run
from stm32n6_stand_ins import (
    DPU,
    GS,
    configuration,
    make_project,
    make_tools,
    write,
    write_static,
)

GCC, MAKE = shutil.which("arm-none-eabi-gcc"), shutil.which("make")
needs_gcc = pytest.mark.skipif(GCC is None, reason="there is no arm-none-eabi-gcc")
FLAGS = ["-mcpu=cortex-m55", "-mthumb", "-mfloat-abi=hard", "-std=gnu11", "-Wall", "-Wextra", "-Wundef", "-Werror"]

DPU_CONFIG = """\
#ifndef DPU_CONFIG_H
#define DPU_CONFIG_H
#include <stdint.h>
#include "ai_model_config.h"
#define CTRL_AI_STFT (1)
#define CTRL_AI_ISTFT (2)
#define CTRL_AI_CLASS_DISTRIBUTION (3)
#define CTRL_AI_SPECTROGRAM (4)
#define COM_TYPE_MIC (5)
#define COM_TYPE_HEADSET (6)
enum { CTRL_CMD_PARAM_AI = 7 };
#define CTRL_X_CUBE_AI_SPECTROGRAM_COL \\
  (CTRL_X_CUBE_AI_SPECTROGRAM_COL_NO_OVL + 2 * CTRL_X_CUBE_AI_SPECTROGRAM_COL_OVL)
#endif
"""
"""What the macros are made of. The application has headers of this form around the written one."""

PREPROC_DPU = """\
#ifndef PREPROC_DPU_H
#define PREPROC_DPU_H
#include "dpu_config.h"
typedef FLOAT_TYPE float16_t;
typedef struct
{
  float16_t *window;
  uint32_t frames;
  float16_t scratch[CTRL_X_CUBE_AI_SPECTROGRAM_WINDOW_LENGTH];
} Stft_t;
#define PREPROC_FLOAT_T float16_t
#endif
"""

MAIN = """\
#include <stddef.h>
#include "INCLUDED_FIRST"
#include "preproc_dpu.h"
#include "user_mel_tables.h"
#include "ai_model_config.h"

#if (CTRL_X_CUBE_AI_PREPROC != CTRL_AI_STFT) || (CTRL_X_CUBE_AI_POSTPROC != CTRL_AI_ISTFT)
#error not the transform
#endif
#if (CTRL_X_CUBE_AI_MODE_OUTPUT_1 == CTRL_AI_CLASS_DISTRIBUTION) || (CTRL_X_CUBE_AI_MODE_NB_OUTPUT != 1)
#error not a mask
#endif
#if (CTRL_X_CUBE_AI_MODEL_OUTPUT_1 != CTRL_AI_SPECTROGRAM) || (CTRL_X_CUBE_AI_MODEL_NB_OUTPUT != 1)
#error not a mask, by the later names
#endif
#if (CTRL_X_CUBE_AI_SENSOR_TYPE != COM_TYPE_MIC) || (CTRL_X_CUBE_AI_AUDIO_OUT != COM_TYPE_HEADSET)
#error not from the microphone to the headset
#endif
#if (CTRL_X_CUBE_AI_SPECTROGRAM_COL_OVL > 0)
#define OFFSET ((CTRL_X_CUBE_AI_SPECTROGRAM_COL_OVL * 2 - 1) * CTRL_X_CUBE_AI_SPECTROGRAM_HOP_LENGTH + \\
                CTRL_X_CUBE_AI_SPECTROGRAM_WINDOW_LENGTH)
#else
#define OFFSET (CTRL_X_CUBE_AI_SPECTROGRAM_WINDOW_LENGTH - CTRL_X_CUBE_AI_SPECTROGRAM_HOP_LENGTH)
#endif
#define TEXT_OF(macro) #macro
#define TEXT(macro) TEXT_OF(macro)

_Static_assert(CTRL_X_CUBE_AI_SPECTROGRAM_COL == 8, "frames of the model");
_Static_assert(CTRL_X_CUBE_AI_SPECTROGRAM_NFFT == 64 && OFFSET == 110, "the transform");
_Static_assert(sizeof(user_win) / sizeof(user_win[0]) == CTRL_X_CUBE_AI_SPECTROGRAM_WINDOW_LENGTH, "the window");
_Static_assert(CTRL_X_CUBE_AI_SENSOR_ODR == 16000.0F && CTRL_X_CUBE_AI_OOD_THR == 0.0F, "numbers");
_Static_assert(sizeof(CTRL_X_CUBE_AI_SENSOR_ODR) == sizeof(float), "no double");
_Static_assert(sizeof(CTRL_X_CUBE_AI_AUDIO_OUT_DB_THRESHOLD) == sizeof(float), "no double");
_Static_assert(sizeof(TEXT(CTRL_AI_HW_SELECT)) == sizeof("STM32N6570-DK"), "the board");

const char *names[] = {CTRL_X_CUBE_AI_MODEL_NAME, CTRL_X_CUBE_AI_SENSOR_NAME, TEXT(CTRL_AI_HW_SELECT)};
const int sequence[] = CTRL_SEQUENCE;
int16_t samples[CTRL_X_CUBE_AI_SPECTROGRAM_COL_NO_OVL * CTRL_X_CUBE_AI_SPECTROGRAM_HOP_LENGTH];

int silence(float level)
{
  return level < CTRL_X_CUBE_AI_AUDIO_OUT_DB_THRESHOLD;
}

void start(Stft_t *stft)
{
  stft->window = (PREPROC_FLOAT_T *)CTRL_X_CUBE_AI_SPECTROGRAM_WIN;
  stft->frames = CTRL_X_CUBE_AI_SPECTROGRAM_COL;
}

int main(void)
{
  static Stft_t stft;
  start(&stft);
  return silence(CTRL_X_CUBE_AI_SENSOR_ODR) + sequence[0];
}
"""


def make_sources(folder, float_type="_Float16", first="preproc_dpu.h"):
    """The application around the written files."""
    write(folder / "dpu_config.h", DPU_CONFIG)
    write(folder / "preproc_dpu.h", PREPROC_DPU.replace("FLOAT_TYPE", float_type))
    write(folder / "main.c", MAIN.replace("INCLUDED_FIRST", first))


@needs_gcc
@pytest.mark.parametrize(
    ("float_type", "first"),
    [
        ("_Float16", "preproc_dpu.h"),  # as the application is
        ("_Float16", "user_mel_tables.h"),
        ("_Float16", "ai_model_config.h"),
        ("float", "preproc_dpu.h"),
    ],
)
def test_the_application_compiles_with_them(tmp_path, float_type, first):
    config = configuration(tmp_path)
    for name, text in header_texts(config, 'model "of" mine\\').items():
        write(tmp_path / name, text)
    make_sources(tmp_path, float_type, first)
    command = [GCC, *FLAGS, "-fsyntax-only", tmp_path / "main.c", tmp_path / "user_mel_tables.c"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("threshold", [-50, -47.5, -1e-3, -1000, None])
@pytest.mark.parametrize("rate", [16000, 48000])
def test_the_macros(tmp_path, threshold, rate):
    config = configuration(tmp_path, preprocessing={"sample_rate": rate}, output_silence_threshold=threshold)
    lines = header_texts(config, "modell ü")["ai_model_config.h"].splitlines()
    macros = dict(line.split(maxsplit=2)[1:] for line in lines if line.startswith("#define CTRL"))
    assert all(macro in DPU_CONFIG + MAIN for macro in macros)  # the compiler has seen each of them
    # Without a threshold one that nothing is below: a single sample of 1 in the longest patch is louder.
    expected = -200 if threshold is None else threshold
    assert float(macros["CTRL_X_CUBE_AI_AUDIO_OUT_DB_THRESHOLD"].strip("()F")) == expected
    assert macros["CTRL_X_CUBE_AI_SENSOR_ODR"] == f"({rate}.0F)"
    assert macros["CTRL_X_CUBE_AI_MODEL_NAME"] == '"modell _"'
    names = ("HOP_LENGTH", "NFFT", "WINDOW_LENGTH", "COL_NO_OVL", "COL_OVL", "WIN")
    values = [macros[f"CTRL_X_CUBE_AI_SPECTROGRAM_{name}"] for name in names]
    assert values == ["(20U)", "(64U)", "(50U)", "(4U)", "(2U)", "(user_win)"]


MAKEFILE = """\
FLAGS = {flags} -I../Dpu -I../X-CUBE-AI/models -I../../Middlewares/ST/AI/Npu/ll_aton -Os
SOURCES = Src/main.c ../Dpu/user_mel_tables.c ../X-CUBE-AI/models/network.c
bm: NAME = BM
bm_lp: NAME = BM_LP
bm bm_lp:
\tmkdir -p BuildGCC/$(NAME)
\tarm-none-eabi-gcc $(FLAGS) $(SOURCES) --specs=nosys.specs -Wl,-z,noexecstack -o BuildGCC/$(NAME)/GS_Audio_N6.elf
\tarm-none-eabi-objcopy -O binary BuildGCC/$(NAME)/GS_Audio_N6.elf BuildGCC/$(NAME)/GS_Audio_N6.bin
"""

NETWORK = """\
#include "ll_aton_version.h"
#if LL_ATON_VERSION != 30
#error Possible mismatch in ll_aton library used
#endif
int network;
"""


@needs_gcc
@pytest.mark.skipif(MAKE is None, reason="there is no make")
def test_a_real_build_by_the_makefile(tmp_path):
    """With GNU make and the real compiler: the network compiles with the runtime of its version alone."""
    tools = make_tools(tmp_path / "tools", **{"network.c": NETWORK})
    project = make_project(tmp_path / "C project")
    header = "Middlewares/ST/AI/Npu/ll_aton/ll_aton_version.h"
    write(tmp_path / "tools/STEdgeAI/installed" / header, "#define LL_ATON_VERSION 30\n")
    write(project / header, "#define LL_ATON_VERSION 22\n")
    write(project / GS / "Makefile", MAKEFILE.format(flags=" ".join(FLAGS)))
    make_sources(project / DPU)
    (project / GS / "Src").mkdir()
    (project / DPU / "main.c").rename(project / GS / "Src/main.c")
    config = configuration(
        project, {**tools, "make": MAKE, "arm-none-eabi-gcc": GCC}, builder="make", build_conf="BM_LP"
    )
    with open_run(config, tmp_path / "run") as run:
        deploy_stm32n6(run, write_static(tmp_path / "int8.onnx"))
    built = (project / GS / "BuildGCC/BM_LP/GS_Audio_N6.bin").read_bytes()
    assert len(built) > 100 and (tmp_path / "run/deployment/GS_Audio_N6_signed.bin").read_bytes() == b"STM2" + built
