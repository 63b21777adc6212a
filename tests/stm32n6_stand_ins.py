"""Stand-ins for ST's programs, a small C project and a small model: what the tests of the backend are made of.

The stand-ins refuse every argument that the real programs would not be given, write the files that those write, and
keep a record of their calls. What one of them should do otherwise is in `behaviour.json` beside them.
"""

import functools
import json
import sys
from pathlib import Path

import onnx

import mask_graphs as graphs
from quantizers import ours, quantization, ready
from sezoo.config.validation import build_config
from sezoo.quantization.static_shape import with_static_shape
from sezoo.run import open_run

FRAMES = 8
SPECTRUM = {"n_fft": 64, "hop_length": 20, "win_length": 50}
CONF = "stmaic_STM32N6570-DK.conf"

COMMON = """\
import json, os, sys
from pathlib import Path

here, arguments = Path(__file__).parent, sys.argv[1:]
behaviour = json.loads((here / "behaviour.json").read_text(encoding="utf-8"))
with (here / "calls.jsonl").open("a", encoding="utf-8") as file:
    file.write(json.dumps([Path(__file__).name, *arguments]) + "\\n")

def need(condition, what):
    if not condition:
        sys.exit(f"stand-in {Path(__file__).name}: {what}: {arguments}")

def fail(name):
    if behaviour.get("fail") == name:
        for number in range(30):
            print(f"line {number} of {name}")
        print(f"{name}.c:12:3: error: expected expression before return")
        sys.exit(1)
"""

TOOLS = {
    "stedgeai": """
if arguments == ["--version"]:
    print(behaviour.get("version", "ST Edge AI Core v2.0.0-20049"))
    sys.exit(0)
fail("generate")
words = dict(zip(arguments[1::2], arguments[2::2]))
need(arguments[0] == "generate" and len(arguments) == 11, "generate and five options")
need(set(words) == {"-m", "--target", "--st-neural-art", "--output", "--workspace"}, "options")
model, output = Path(words["-m"]), Path(words["--output"])
need(model.suffix == ".onnx" and model.stat().st_size > 1000, "the model")
need(words["--target"] == "stm32n6", "the target")
name, _, profile = words["--st-neural-art"].partition("@")
need(name == "default" and "default" in json.loads(Path(profile).read_text(encoding="utf-8"))["Profiles"], "profile")
need(Path(profile).parent.samefile(Path.cwd()), "works beside the profile, which names files there")
need(output.is_absolute() and Path(words["--workspace"]).is_absolute() and not output.exists(), "folders")
output.mkdir(parents=True)
for name in ("network.c", "network.h", "stai_network.c", "stai_network.h", "network_c_info.json"):
    if name not in behaviour.get("without", []):
        (output / name).write_text(f"new {name}", encoding="utf-8")
if "weights" not in behaviour.get("without", []):
    (output / "network_atonbuf.xSPI2.raw").write_bytes(b"weights" * 100)
""",
    "stm32cubeide": """
need(arguments[:3] == ["-nosplash", "-application", "org.eclipse.cdt.managedbuilder.core.headlessbuild"], "application")
need(arguments[3::2] == ["-data", "-import", "-cleanBuild"] and len(arguments) == 9, "options")
workspace, project, target = arguments[4::2]
project = Path(project)
need("<name>GS Audio</name>" in (project / ".project").read_text(encoding="utf-8"), "imports the project")
need(target in ("GS Audio/BM", "GS Audio/TX"), "builds a configuration of it")
need(Path(workspace).is_absolute() and not Path(workspace).is_relative_to(project), "a workspace elsewhere")
root = project.parents[1]
need((root / "Projects/AI models/network.c").read_text(encoding="utf-8") == "new network.c", "the new network")
need("COL_OVL" in (root / "Projects/Dpu/ai_model_config.h").read_text(encoding="utf-8"), "the new header")
need("user_win[50] = {" in (root / "Projects/Dpu/user_mel_tables.c").read_text(encoding="utf-8"), "the new table")
output = project / target.partition("/")[2]
output.mkdir(exist_ok=True)
need(not (output / "Audio_BM.bin").exists(), "nothing old could be taken for new")
if behaviour.get("fail") == "build":
    (output / "Audio_BM.elf").write_text("half", encoding="utf-8")
fail("build")
if "application" not in behaviour.get("without", []):
    (output / behaviour.get("application", "Audio_BM.bin")).write_bytes(b"\\1" * behaviour.get("size", 1000))
print("Build Finished. 0 errors")
""",
    "STM32_SigningTool_CLI": """
fail("sign")
need(len(arguments) == 10 and arguments[:2] == ["-s", "-bin"] and arguments[8] == "-o", "options")
need(arguments[3:8] == ["-nk", "-t", "ssbl", "-hv", "2.3"], "kind of image")
source, target = Path(arguments[2]), Path(arguments[9])
need(not target.exists(), "would ask whether to overwrite")
target.write_bytes(b"STM2" + source.read_bytes())
""",
    "STM32_Programmer_CLI": """
fail("flash")
need(arguments[:3] == ["-c", "port=swd", "mode=HOTPLUG"], "connection")
rest = arguments[3:]
serial = rest.pop(0).removeprefix("sn=") if rest[0].startswith("sn=") else None
need(serial == behaviour.get("serial", None), "the serial number of the probe")
need(rest[0] == "--extload" and rest[1].endswith("MX66UW1G45G_STM32N6570-DK.stldr") and rest[2] == "-w", "loader")
file = Path(rest[3])
need(file.suffix in (".bin", ".hex") and file.stat().st_size > 0, "a file")
need(len(rest) == (4 if file.suffix == ".hex" else 5), "an address for .bin files alone")
with (here / "flash.jsonl").open("a", encoding="utf-8") as record:
    record.write(json.dumps([file.name, *rest[4:]]) + "\\n")
""",
}

CONF_TEXT = """\
// what can be built, "and how"
{
  "version": "1.0", /* unknown keys are
                       left alone */
  "description": "see http://example.com/audio, \\"quoted\\" // no comment",
  "env": {
    "cwd": "${ProjectFolder}",
    "network": "${ProjectFolder}/Projects/AI models",
  },
  "templates": [
    ["network.c", "${network}/network.c", "copy-file"],
    ["network.h", "${network}/network.h", "copy-file"],
    ["stai_network.c", "${network}/stai_network.c"],
    ["network_ecblobs.h", "${network}/network_ecblobs.h", "copy-file"], // not always made
    ["ai_model_config.h", "Projects/Dpu/ai_model_config.h"],
  ],
  "configurations": {
    "N6 Audio Bare Metal": {"cproject_location": "Projects/CubeIDE", "env": {"cproject_config": "BM",},},
    "N6 Audio Thread X": {"cproject_location": "Projects/CubeIDE", "cproject_config": "TX"},
  },
}
"""

PROJECT_XML = """<?xml version="1.0" encoding="UTF-8"?>
<projectDescription>
  <name>GS Audio</name>
  <linkedResources><link><name>Drivers</name></link></linkedResources>
</projectDescription>
"""
CPROJECT_XML = """<?xml version="1.0" encoding="UTF-8"?>
<?fileVersion 4.0.0?>
<cproject>
  <configuration name="BM" artifactName="Audio_${ConfigName}"/>
  <configuration name="TX" artifactName="${ProjName}"/>
</cproject>
"""


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def make_tools(folder, **behaviour):
    """The four stand-ins in a folder: their paths by name."""
    write(folder / "behaviour.json", json.dumps(behaviour))
    paths = {}
    for name, text in TOOLS.items():
        paths[name] = write(folder / name, f"#!{sys.executable}\n{COMMON}{text}")
        paths[name].chmod(0o755)
    return paths


def calls(tools, name="calls.jsonl"):
    """What the stand-ins were called with, or what was flashed; nothing where they were not."""
    record = next(iter(tools.values())).parent / name
    return [json.loads(line) for line in record.read_text(encoding="utf-8").splitlines()] if record.exists() else []


def make_project(folder):
    """A C project with an earlier model and an earlier build."""
    write(folder / CONF, CONF_TEXT)
    write(folder / "Projects/CubeIDE/.project", PROJECT_XML)
    write(folder / "Projects/CubeIDE/.cproject", CPROJECT_XML)
    write(folder / "Projects/CubeIDE/BM/Audio_BM.bin", "old application")
    write(folder / "Projects/CubeIDE/BM/Audio_BM.elf", "old program")
    write(folder / "Projects/AI models/network.c", "old network.c")
    write(folder / "Projects/AI models/network.h", "new network.h")  # as it will be
    write(folder / "Projects/AI models/user_neural_art.json", '{"Profiles": {"default": {}}}')
    write(folder / "Projects/Dpu/ai_model_config.h", "old header")
    write(folder / "FSBL/ai_fsbl.hex", ":00000001FF")
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
