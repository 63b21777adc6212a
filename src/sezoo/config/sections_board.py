"""Sections for microcontrollers: tools, benchmarking, deployment."""

from typing import Literal

from pydantic import Field

from sezoo.config.boards import BOARDS
from sezoo.config.name_types import TargetNames
from sezoo.config.number_types import AtLeast0, AtLeast1, Frames, Lookahead, NotNegative, Number, Positive
from sezoo.config.path_types import PathText
from sezoo.config.section import Section
from sezoo.config.value_types import SymbolPrefix, Text, TrueFalse

__all__ = ["BUILD_NAMES", "Benchmarking", "Board", "Deployment", "HardwareSetup", "STEdgeAI", "Tools"]

BUILD_NAMES = {
    "N6 Audio Bare Metal": "BM",
    "N6 Audio Bare Metal Low Power": "BM_LP",
    "N6 Audio Thread X": "FREERTOS",
    "N6 Audio Thread X Low Power": "FREERTOS_LP",
}
"""Build configurations of ST's audio project: the names before version 3.2 of the model zoo, and those since."""

Board = Literal[*BOARDS]  # type: ignore[valid-type]  # their names stand there alone


class STEdgeAI(Section):
    """ST Edge AI Core, which turns a model into code for the board."""

    version: Text | None = Field(
        None, description="Version to use in ST's cloud; empty = the newest there. On this computer the one installed."
    )
    optimization: Literal["balanced", "time", "ram"] = Field("balanced", description="What the code is optimised for.")
    on_cloud: TrueFalse = Field(True, description="Use ST's Developer Cloud instead of the local installation.")
    path_to_stedgeai: PathText | None = Field(None, description="The stedgeai program of the local installation.")


class Tools(Section):
    """External programs; training, quantization and evaluation need none."""

    stedgeai: STEdgeAI = Field(default_factory=STEdgeAI, description="See the section below.")
    path_to_cubeIDE: PathText | None = Field(  # noqa: N815 - the YAML key is spelled so
        None, description="The stm32cubeide program, which builds the board's project."
    )
    path_to_make: PathText | None = Field(
        None, description="The make program, which builds the board's project for deployment.builder: make."
    )
    path_to_cubeprogrammer: PathText | None = Field(
        None, description="The STM32_Programmer_CLI program, which writes to the board."
    )
    path_to_signing_tool: PathText | None = Field(
        None, description="The STM32_SigningTool_CLI program, which signs what an STM32N6 starts from."
    )
    path_to_arm_gcc: PathText | None = Field(
        None, description="The arm-none-eabi-gcc program; empty = that on the PATH, or else ziglang's compiler."
    )
    path_to_qemu: PathText | None = Field(
        None, description="The qemu-system-arm program, which emulates a Cortex-M; empty = that on the PATH."
    )


class Benchmarking(Section):
    """Memory and time of the model on a board."""

    board: Board = Field("STM32N6570-DK", description="Board to measure on, or to fit into.")
    targets: TargetNames = Field(
        ("stedgeai",),
        description="What measures: host is onnxruntime here; cortex-m55, cortex-m7, cortex-m4 and cortex-m33 are the "
        "C package in an emulator; ethos-u55-64 ... ethos-u85-2048 are Arm's NPUs, as their compiler estimates them; "
        "stedgeai is ST's tool, here or in its cloud (see tools.stedgeai); all is every one but ST's.",
    )
    clock_mhz: Positive | None = Field(
        None, description="Clock of the processor for estimated times, in MHz; empty = the fastest that the board has."
    )
    runs: AtLeast1 = Field(50, description="Calls that the host's latency is the median of.")
    threads: AtLeast1 = Field(1, description="Threads of onnxruntime on the host.")


class HardwareSetup(Section):
    """The board that the model is deployed on."""

    serie: Text = Field("STM32N6", description="Family of the microcontroller.")
    board: Board = Field("STM32N6570-DK", description="Board that the model is deployed on.")
    stlink_serial_number: Text | None = Field(
        None, description="Serial number of the ST-LINK, in quotes; needed where several boards are connected."
    )


class Deployment(Section):
    """The application on the board."""

    backend: Literal["portable-c", "tflite", "stm32n6"] | None = Field(
        None,
        description="portable-c writes a package of C sources for any Cortex-M; tflite a TensorFlow Lite model, for "
        "TFLite Micro and Arm's Ethos-U; stm32n6 goes through ST's tools onto the board. Empty = portable-c for "
        "a board that is no STM32N6; else by the model's quantization.target: stm32n6, tflite, or portable-c for "
        "cortex-m and for generic if no board is named; else stm32n6 (commands: portable-c).",
    )
    engine: Literal["patch", "stream"] | None = Field(
        None,
        description="Of portable-c and tflite: stream computes every frame once and keeps what the convolutions need "
        "of earlier ones, which gives the masks of the whole clip; patch runs the network on whole patches, as ST's "
        "application does. Empty = stream; patch with tflite or input_gain: True.",
    )
    input_gain: TrueFalse | None = Field(
        None,
        description="Scale the magnitudes of a loud patch to its peak: ST's application always does, portable-c with "
        "engine: patch has the choice. Empty = as the model was calibrated.",
    )
    symbol_prefix: SymbolPrefix = Field(
        "sezoo",
        description="Of portable-c: what functions, types, macros and files of the package begin with. Several models "
        "in one program need a prefix each.",
    )
    package: Literal["cmake", "arduino", "platformio", "zephyr", "cmsis-pack", "esp-idf", "all"] = Field(
        "cmake",
        description="Of portable-c: what the package drops into besides CMake and STM32CubeIDE: an Arduino or "
        "PlatformIO library, a Zephyr module, a CMSIS-Pack, a component of ESP-IDF, or all of them; the sources stay.",
    )
    emulate: TrueFalse = Field(
        True, description="Of portable-c: build the package for the board's core and denoise a clip in an emulator."
    )
    dry_run: TrueFalse = Field(False, description="Of stm32n6: show the commands instead of running them.")
    frames_per_patch: Frames | None = Field(
        None,
        description="New frames P per call of the model; empty = 1 with engine: stream, else 30, or what the model's "
        "fixed length leaves.",
    )
    lookahead_frames: Lookahead | None = Field(
        None,
        description="Context frames K on each side of a patch: the model's fixed length is P + 2 K frames. Empty = "
        "what that length leaves. Not of engine: stream, which has all the look-ahead that the network needs.",
    )
    output_silence_threshold: Number | None = Field(
        None,
        description="Silence gate: calls whose output level is below it are muted, in dBFS, quiet speech among them. "
        "Empty = no gate.",
    )
    attenuation_limit_db: NotNegative | None = Field(
        None,
        description="Of portable-c: reduce anything by at most N dB, by leaving a share of the input in the "
        "output: 12 keeps some of the background; 0 takes nothing away. Empty = no limit.",
    )
    c_project_path: PathText | None = Field(None, description="Folder of ST's C project, your own download.")
    IDE: Literal["GCC"] = Field(
        "GCC", description="Toolchain of the build; GCC is the only one, so this changes nothing."
    )
    verbosity: AtLeast0 = Field(
        1, description="No effect: the build's whole output is in its log file. Accepted for model zoo files."
    )
    hardware_setup: HardwareSetup = Field(default_factory=HardwareSetup, description="See the section below.")
    builder: Literal["cubeide", "make"] = Field(
        "cubeide",
        description="Of stm32n6: what builds the C project, STM32CubeIDE or its own Makefile with arm-none-eabi-gcc.",
    )
    build_conf: Text | None = Field(
        None,
        description="Build configuration of the C project: BM, BM_LP, FREERTOS or FREERTOS_LP. Empty = the project's "
        "first.",
    )
