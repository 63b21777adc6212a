"""Stand-ins for ST's programs, a C project in the layout of ST's, and a small model.

They are written from what ST's documents and project files say, not from the code that is tested. The programs refuse
every argument that the real ones would not be given, write what those write, and keep a record of their calls. What
one of them should do otherwise is in `behaviour.json` beside them.
"""

import functools
import json
import os
import sys
from pathlib import Path

import onnx

import mask_graphs as graphs
from quantizers import ours, quantization, ready
from sezoo.config.validation import build_config
from sezoo.quantization.graph.static_shape import with_static_shape
from sezoo.run.run import open_run

FRAMES = 8
SPECTRUM = {"n_fft": 64, "hop_length": 20, "win_length": 50}
CONF = "stmaic_STM32N6570-DK.conf"
MODELS, DPU, GS = "Projects/X-CUBE-AI/models", "Projects/Dpu", "Projects/GS"
RUNTIME_FOLDERS = [f"Middlewares/ST/AI/{name}" for name in ("Lib/GCC/ARMCortexM55", "Inc", "Npu/ll_aton")]
VARIABLES = {
    "stedgeai": "STM32_AI_EXE",
    "stm32cubeide": "STM32_CUBE_IDE_EXE",
    "STM32_Programmer_CLI": "STM32_CUBE_PROG_EXE",
    "STM32_SigningTool_CLI": "STM32_SIGNINGTOOL_CLI",
}

COMMON = """\
import json, os, sys
from pathlib import Path

here, name, arguments = Path(PROGRAMS), Path(__file__).stem, sys.argv[1:]
behaviour = json.loads((here / "behaviour.json").read_text(encoding="utf-8"))
with (here / "calls.jsonl").open("a", encoding="utf-8") as file:
    file.write(json.dumps([name, *arguments]) + "\\n")

def need(condition, what):
    if not condition:
        sys.exit(f"stand-in {name}: {what}: {arguments}")

def fail(step):
    if behaviour.get("fail") == step:
        for number in range(30):
            print(f"line {number} of {step}")
        print(f"{step}.c:12:3: error: expected expression before return")
        sys.exit(1)

def check_sources(root):
    models = root / "Projects/X-CUBE-AI/models"
    network = (models / "network.c").read_text(encoding="utf-8")
    runtime = (root / "Middlewares/ST/AI/Npu/ll_aton/ll_aton_version.h").read_text(encoding="utf-8")
    need(runtime.split()[-1] in network, "#error Possible mismatch in ll_aton library used")
    for path in (root / "Middlewares").rglob("*"):
        need("_old" not in path.name, f"{path} is of another version")
    need("COL_OVL" in (root / "Projects/Dpu/ai_model_config.h").read_text(encoding="utf-8"), "the new header")
    need("user_win[50] = {" in (root / "Projects/Dpu/user_mel_tables.c").read_text(encoding="utf-8"), "the new table")

def make_application(output, program):
    need(not (output / program).exists(), "nothing old could be taken for new")
    output.mkdir(parents=True, exist_ok=True)
    (output / "main.o").write_text("object", encoding="utf-8")
    if behaviour.get("fail") == "build":
        (output / program).with_suffix(".elf").write_text("half", encoding="utf-8")
    fail("build")
    if "application" not in behaviour.get("without", []):
        (output / behaviour.get("application", program)).write_bytes(b"\\1" * behaviour.get("size", 1000))
"""

TOOLS = {
    # of version 2, or 3, which writes three files more; it refuses options that it does not know, as argparse does
    "stedgeai": """
version = behaviour.get("version", "2.2.0")
if arguments == ["--version"]:
    print(f"ST Edge AI Core v{version}-20266 adf0e27")
    sys.exit(0)
fail("generate")
need(arguments[0] == "generate" and len(arguments) % 2 == 1, "generate, and options with a value each")
words = dict(zip(arguments[1::2], arguments[2::2]))
wanted = {"-m", "--target", "--st-neural-art", "--input-data-type", "--output-data-type", "--output", "--workspace"}
need(set(words) == wanted, "options")
model, output = Path(words["-m"]), Path(words["--output"])
need(model.suffix == ".onnx" and model.stat().st_size > 1000, "the model")
need(words["--target"] == "stm32n6", "the target")
need(words["--input-data-type"] == "int8" and words["--output-data-type"] == "float32", "what AiDPUCheckModel wants")
profile, _, path = words["--st-neural-art"].partition("@")
profiles = json.loads(Path(path).read_text(encoding="utf-8"))["Profiles"]
need(profile in profiles, "the profile")
need(Path(profiles[profile]["memory_pool"]).is_file(), "the memory pool, which the profile names relative to here")
need(output.is_absolute() and Path(words["--workspace"]).is_absolute() and not output.exists(), "folders")
output.mkdir(parents=True)
names = ["network.c", "network_c_info.json", "network_generate_report.txt"]
if not version.startswith("2."):
    names += ["network.h", "stai_network.c", "stai_network.h"]
for name in names:
    if name not in behaviour.get("without", []):
        text = behaviour.get(name, f"/* {name}, compiled by {version} */")
        (output / name).write_text(text, encoding="utf-8")
if "weights" not in behaviour.get("without", []):
    (output / "network_atonbuf.xSPI2.raw").write_bytes(b"weights" * 100)
""",
    "stm32cubeide": """
need(arguments[:3] == ["-nosplash", "-application", "org.eclipse.cdt.managedbuilder.core.headlessbuild"], "application")
need(arguments[3::2] == ["-data", "-import", "-cleanBuild"] and len(arguments) == 9, "options")
workspace, project, target = arguments[4::2]
project = Path(project)
need("<name>GS_Audio_N6</name>" in (project / ".project").read_text(encoding="utf-8"), "imports the project")
name_of_project, _, configuration = target.partition("/")
need(name_of_project == "GS_Audio_N6", "builds the project")
need(f'name="{configuration}"' in (project / ".cproject").read_text(encoding="utf-8"), "a configuration of it")
need(Path(workspace).is_absolute() and not Path(workspace).is_relative_to(project), "a workspace elsewhere")
check_sources(project.parents[2])
make_application(project / configuration, "GS_Audio_N6.bin")
print("Build Finished. 0 errors")
""",
    # GNU make with ST's Makefile; the compiler has to be on its PATH
    "make": """
need(arguments[0] == "-C" and arguments[2].startswith("-j") and len(arguments) == 4, "options")
need(arguments[3] in ("bm", "bm_lp", "freertos", "freertos_lp"), f"No rule to make target '{arguments[3]}'.  Stop.")
folder = Path(arguments[1])
need((folder / "Makefile").is_file(), "No targets specified and no makefile found.  Stop.")
need(Path(os.environ["PATH"].split(os.pathsep)[0]).samefile(here), "arm-none-eabi-gcc: not found")
check_sources(folder.parents[1])
make_application(folder / "BuildGCC" / arguments[3].upper(), "GS_Audio_N6.bin")
""",
    "arm-none-eabi-gcc": "",
    "STM32_SigningTool_CLI": """
fail("sign")
need(len(arguments) == 10 and arguments[:2] == ["-s", "-bin"] and arguments[8] == "-o", "options")
need(arguments[3:8] == ["-nk", "-t", "ssbl", "-hv", "2.3"], "kind of image")
source, target = Path(arguments[2]), Path(arguments[9])
need(source.is_file(), "the input file does not exist")
need(not target.exists(), "would ask whether to overwrite")
target.write_bytes(b"STM2" + source.read_bytes())
""",
    "STM32_Programmer_CLI": """
fail("flash")
need(arguments[:3] == ["-c", "port=swd", "mode=HOTPLUG"], "connection")
rest = arguments[3:]
serial = rest.pop(0).removeprefix("sn=") if rest[0].startswith("sn=") else None
need(serial == behaviour.get("serial", None), "the serial number of the probe")
need(rest[0] == "--extload" and rest[1].endswith("MX66UW1G45G_STM32N6570-DK.stldr"), "loader of the external flash")
need(rest[2:4] == ["-hardRst", "-w"], "a reset, and writing")
file = Path(rest[4])
need(file.is_file() and file.stat().st_size > 0, f"Error: File does not exist: {file}")
need(file.suffix in (".bin", ".hex"), f"Error: Wrong extension: {file.suffix}")
need(len(rest) == (5 if file.suffix == ".hex" else 6), "an address for .bin files alone")
fail(f"flash {len(rest[5:]) and rest[5]}")
with (here / "flash.jsonl").open("a", encoding="utf-8") as record:
    record.write(json.dumps([file.name, *rest[5:]]) + "\\n")
""",
}

CONF_TEXT = """\
// what can be built, "and how"
{
  "version": "0.1", /* of this form;
                       "board" below is the board */
  "description": "Audio, see https://www.st.com // and \\"README.md\\", /* both */ , }",
  "series": "stm32n6",
  "board": "STM32N6570-DK",
  "builder": "stm32_cube_ide",
  "env": {
    "cproject_name": "GS_Audio_N6",
    "cwd": "${ProjectFolder}",
    "flasher": "${STM32CubeProgrammer}",
    "signer": "${STM32SigningTool}",
    "project_folder": "${app_src_root}/STM32CubeIDE",
    "app_src_root": "${ProjectFolder}/Projects/GS",
    "app_src_dpu": "${ProjectFolder}/Projects/Dpu",
    "network_src_root": "${ProjectFolder}/Projects/X-CUBE-AI/models",
    "stm32_ai_lib_folder": "${ProjectFolder}/Middlewares/ST/AI",
    "fsbl_bin": "${ProjectFolder}/Binaries/fsbl_fw_lrun_v1.2.0.bin",
  },
  "templates": [
    ["", "${network_src_root}/network.c", "copy"],
    ["", "${network_src_root}/network_ecblobs.h", "copy"], // not always written
    ["", "${network_src_root}/network_atonbuf.xSPI2.raw", "copy"],
    ["", "${app_src_dpu}/ai_model_config.h", "copy"],
    ["", "${app_src_dpu}/user_mel_tables.h", "copy"],
    ["", "${app_src_dpu}/user_mel_tables.c", "copy"],
    ["", "${stm32_ai_lib_folder}/Lib/GCC/ARMCortexM55", "copy-dir"],
    ["", "${stm32_ai_lib_folder}/Inc", "copy-dir"],
    ["", "${stm32_ai_lib_folder}/Npu/ll_aton", "copy-dir",],
  ],
  "memory_pool": {
    "neuralart_user_path": "${ProjectFolder}/Projects/X-CUBE-AI/models/user_neural_art.json",
    "profile": "default",
  },
  "configurations": [
CONFIGURATIONS  ],
}
"""

CONFIGURATION_TEXT = """\
    {
      "name": "NAME",
      "cwd": "${project_folder}",
      "cproject_location": "${project_folder}",
      "cproject_config": "NAME",
      "cproject_name": "${cproject_name}",
      "external_loader": "MX66UW1G45G_STM32N6570-DK.stldr",
      "flash_fsbl_cmd": "${flasher} -c port=swd mode=HOTPLUG --extload ${external_loader} -w ${fsbl_bin} 0x70000000",
      "sign_cmd": "${signer} -s -bin NAME/GS_Audio_N6.bin -nk -t ssbl -hv 2.3 -o NAME/GS_Audio_N6_signed.bin",
      "flash_cmd": "${flasher} -c port=swd mode=HOTPLUG --extload ${external_loader} -w NAME/app.bin 0x70100000",
      "flash_network_data_cmd": "${flasher} -c port=swd --extload ${external_loader} -w weights.bin 0x70180000",
    },
"""

OLDER_CONF_TEXT = """\
{
  "env": {"network": "${ProjectFolder}/Projects/X-CUBE-AI/models"},
  "templates": [
    ["network.c", "${network}/network.c", "copy-file"],
    ["ai_model_config.h", "Projects/Dpu/ai_model_config.h"],
  ],
  "configurations": {
    "N6 Audio Bare Metal": {"cproject_location": "Projects/GS/STM32CubeIDE", "env": {"cproject_config": "BM",},},
    "N6 Audio Thread X": {"cproject_location": "Projects/GS/STM32CubeIDE", "cproject_config": "FREERTOS"},
  },
}
"""
"""As a mapping by the names of version 3.1, and without much that the other one says."""

BUILDS = ("BM", "FREERTOS", "BM_LP", "FREERTOS_LP")

PROJECT_XML = """<?xml version="1.0" encoding="UTF-8"?>
<projectDescription>
  <name>GS_Audio_N6</name>
  <linkedResources><link><name>Drivers</name></link></linkedResources>
</projectDescription>
"""
CPROJECT_XML = f"""<?xml version="1.0" encoding="UTF-8"?>
<?fileVersion 4.0.0?>
<cproject>
{"".join(f'  <configuration name="{name}" artifactName="${{ProjName}}"/>' for name in BUILDS)}
</cproject>
"""


def conf_text(builds=BUILDS):
    """The project's .conf, with these configurations."""
    configurations = "".join(CONFIGURATION_TEXT.replace("NAME", name) for name in builds)
    return CONF_TEXT.replace("CONFIGURATIONS", configurations)


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def make_runtime(folder, version):
    """ST Edge AI's runtime, as it is in an installation and in a C project."""
    write(folder / "Middlewares/ST/AI/Inc/stai.h", f"/* {version} */")
    write(folder / "Middlewares/ST/AI/Npu/ll_aton/ll_aton.c", "/* NPU */")
    write(folder / "Middlewares/ST/AI/Npu/ll_aton/ll_aton_version.h", f"#define LL_ATON_VERSION {version}")
    write(folder / "Middlewares/ST/AI/Lib/GCC/ARMCortexM55/NetworkRuntime.a", f"library {version}")


def make_tools(folder, **behaviour):
    """The stand-ins in a folder, `stedgeai` in an installation below it: their paths by name."""
    write(folder / "behaviour.json", json.dumps(behaviour))
    installation = folder / "STEdgeAI" / "installed"
    if "runtime" not in behaviour.get("without", []):
        make_runtime(installation, behaviour.get("version", "2.2.0"))
    paths = {}
    for name, text in TOOLS.items():
        place = installation / "Utilities/system" if name == "stedgeai" else folder
        paths[name] = _make_program(place / name, COMMON.replace("PROGRAMS", repr(str(folder))) + text)
    return paths


def _make_program(path, text):
    """A Python script that can be started as a program, on Windows too."""
    if os.name == "nt":
        script = write(path.with_suffix(".py"), text)
        return write(path.with_suffix(".bat"), f'@"{sys.executable}" "{script}" %*\n')
    write(path, f"#!{sys.executable}\n{text}").chmod(0o755)
    return path


def _record(tools):
    return tools["STM32_Programmer_CLI"].parent


def calls(tools, name="calls.jsonl"):
    """What the stand-ins were called with, or what was flashed; nothing where they were not."""
    record = _record(tools) / name
    return [json.loads(line) for line in record.read_text(encoding="utf-8").splitlines()] if record.exists() else []


def make_project(folder):
    """A C project in ST's layout, with an earlier model, an earlier runtime and an earlier build."""
    write(folder / CONF, conf_text())
    write(folder / "Binaries/fsbl_fw_lrun_v1.2.0.bin", "boot loader")
    make_runtime(folder, "1.9")
    write(folder / "Middlewares/ST/AI/Npu/ll_aton/ll_aton_old.c", "/* no longer there */")
    write(folder / "Middlewares/ST/AI/Npu/Devices/STM32N6XX/mcu_cache.h", "/* the project's own */")
    write(folder / GS / "Makefile", "bm bm_lp freertos freertos_lp:\n")
    write(folder / GS / "STM32CubeIDE/.project", PROJECT_XML)
    write(folder / GS / "STM32CubeIDE/.cproject", CPROJECT_XML)
    for output in ("STM32CubeIDE/BM", "BuildGCC/BM"):
        write(folder / GS / output / "GS_Audio_N6.bin", "old application")
        write(folder / GS / output / "GS_Audio_N6.elf", "old program")
        write(folder / GS / output / "Src/main.o", "old object")
    write(folder / MODELS / "network.c", "old network.c")
    write(folder / MODELS / "user_neural_art.json", '{"Profiles": {"default": {"memory_pool": "stm32n6.mpool"}}}')
    write(folder / MODELS / "stm32n6.mpool", "{}")
    write(folder / DPU / "ai_model_config.h", "old header")
    write(folder / DPU / "user_mel_tables.h", "old table")
    write(folder / DPU / "user_mel_tables.c", "old table")
    return folder


def contents(folder):
    """All files of a folder by their paths."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@functools.cache
def int8_model():
    """A small int8 model with dynamic axes."""
    prepared, op_types = ready(graphs.tcnn())
    return ours(prepared, graphs.magnitudes(*[20] * 3), op_types, quantization())


def write_static(path, frames=FRAMES):
    """The int8 model fixed to so many frames, as a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(with_static_shape(int8_model(), frames), path)
    return path


def configuration(project, tools=None, *, preprocessing=None, hardware=None, **deployment):
    """A configuration that deploys patches of 4 new frames and a look-ahead of 2."""
    paths = {} if tools is None else tools
    return build_config(
        {
            "operation_mode": "deployment",
            "model": {"onnx_path": "model.onnx"},
            "preprocessing": {**SPECTRUM, **(preprocessing or {})},
            "tools": {
                "stedgeai": {"path_to_stedgeai": paths.get("stedgeai")},
                "path_to_cubeIDE": paths.get("stm32cubeide"),
                "path_to_make": paths.get("make"),
                "path_to_arm_gcc": paths.get("arm-none-eabi-gcc"),
                "path_to_cubeprogrammer": paths.get("STM32_Programmer_CLI"),
                "path_to_signing_tool": paths.get("STM32_SigningTool_CLI"),
            },
            "deployment": {
                "frames_per_patch": 4,
                "lookahead_frames": 2,
                "c_project_path": project,
                "hardware_setup": hardware or {},
                **deployment,
            },
            "mlflow": {"uri": None},
        }
    )


def deploy(config, model, folder):
    """Deploy in a run of its own."""
    from sezoo.deployment.stm32n6.deploy import deploy_stm32n6

    with open_run(config, Path(folder)) as run:
        deploy_stm32n6(run, model)
