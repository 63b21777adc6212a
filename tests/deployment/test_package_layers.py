"""`deployment.package`: the C package as Arduino, PlatformIO, Zephyr, ESP-IDF and CMSIS-Pack tools build it."""

import hashlib
import json
import re
import shutil
import subprocess
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml

from c_builds import compiled, needs_gcc, ran
from sezoo.audio.stft import Stft
from sezoo.base.errors import UserError
from sezoo.base.version import __version__
from sezoo.deployment.c_package.layers import LAYERS, add_layers
from sezoo.services import run_services
from tiny_graphs import program_of, random_graph, write_tiny_package
from tiny_models import NEW, configuration, write_tiny_model

needs_cmake = pytest.mark.skipif(shutil.which("cmake") is None, reason="CMake is not installed")
HASH = hashlib.sha256(b"model").hexdigest()
VERSION = re.compile(r"\d+\.\d+\.\d+")


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """With every layer, and test vectors."""
    program = program_of(random_graph(3, 33, 3), Stft(64, 20, 50), 3)
    folder = write_tiny_package(program, tmp_path_factory.mktemp("layers") / "p")
    add_layers(folder, LAYERS, HASH, "A denoiser.")
    return folder


def links(package, sources, includes, folder):
    """Build the vectors' check of sources and folders of headers that a layer names, and run it."""
    example = [package / "examples" / "check_vectors.c", package / "examples" / "host" / "files_stdio.c"]
    folders = [f"-I{path}" for path in (*includes, package / "examples")]
    compiled("-O0", *folders, *sources, *example, "-lm", "-o", folder / "check")
    return ran(folder / "check", folder=package / "test_vectors") == (0, "all masks are equal\n")


def everything(package):
    return sorted(package.glob("src/*.c"))


# -- Arduino ----------------------------------------------------------------------------------------------------------

SERIAL = """\
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
struct Printer {
  void begin(long) {}
  void print(const char *text) { fputs(text, stderr); }
  void print(uint32_t number) { fprintf(stderr, "%u", (unsigned)number); }
  void println(const char *text) { fprintf(stderr, "%s\\n", text); }
} Serial;
uint32_t micros() { static uint32_t now = 0; return now += 7; }
"""


@needs_gcc
def test_an_arduino_builder_finds_its_headers_and_compiles_its_sketch(package, tmp_path):
    """It has the folder `src` alone for headers, and takes a sketch as C++ behind Arduino.h."""
    facts = dict(
        line.split("=", 1) for line in (package / "library.properties").read_text(encoding="utf-8").splitlines()
    )
    assert re.fullmatch(r"[A-Za-z0-9][\w .-]{0,62}", facts["name"]) and VERSION.fullmatch(facts["version"])
    assert {"author", "maintainer", "sentence", "paragraph", "category", "url", "architectures"} <= facts.keys()
    assert (package / "src" / facts["includes"]).is_file()
    (sketch,) = package.glob("examples/*/*.ino")
    assert sketch.stem == sketch.parent.name
    text = f"{SERIAL}{sketch.read_text(encoding='utf-8')}\nint main() {{ setup(); loop(); }}\n"
    (tmp_path / "sketch.cpp").write_text(text, encoding="utf-8")
    compiled("-O0", "-c", f"-I{package / 'src'}", *everything(package), folder=tmp_path)
    compiled("-Wall", "-Werror", f"-I{package / 'src'}", "sketch.cpp", *tmp_path.glob("*.o"), "-lm", "-o", "a.out",
             folder=tmp_path)  # fmt: skip
    assert ran(tmp_path / "a.out", folder=tmp_path) == (0, "7 us a call; the sound in it lasts 3750 us\n")


# -- PlatformIO -------------------------------------------------------------------------------------------------------


@needs_gcc
def test_platformio_builds_what_its_manifest_says(package, tmp_path):
    facts = json.loads((package / "library.json").read_text(encoding="utf-8"))
    assert VERSION.fullmatch(facts["version"]) and facts["license"] == "Apache-2.0"
    source, include = (package / facts["build"][key] for key in ("srcDir", "includeDir"))
    assert (include / facts["headers"]).is_file()
    assert links(package, sorted(source.rglob("*.c")), [include, source], tmp_path)


# -- Zephyr and ESP-IDF, whose build systems are CMake ---------------------------------------------------------------

TOOLS = """\
cmake_minimum_required(VERSION 3.16)
project(tools C)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CONFIG_SEZOO_DENOISER y)
function(zephyr_include_directories)
  include_directories(${{ARGN}})
endfunction()
macro(zephyr_library_named NAME)
  set(LIBRARY ${{NAME}})
  add_library(${{NAME}} STATIC)
endmacro()
function(zephyr_library_sources)
  target_sources(${{LIBRARY}} PRIVATE ${{ARGN}})
endfunction()
function(zephyr_library_include_directories)
  target_include_directories(${{LIBRARY}} PRIVATE ${{ARGN}})
endfunction()
function(zephyr_library_compile_options)
  target_compile_options(${{LIBRARY}} PRIVATE ${{ARGN}})
endfunction()
macro(idf_component_register)
  cmake_parse_arguments(IDF "" "" "SRC_DIRS;INCLUDE_DIRS;PRIV_INCLUDE_DIRS" ${{ARGN}})
  set(COMPONENT_LIB idf)
  file(GLOB IDF_SOURCES ${{IDF_SRC_DIRS}}/*.c)
  add_library(idf STATIC ${{IDF_SOURCES}})
  target_include_directories(idf PUBLIC ${{IDF_INCLUDE_DIRS}} PRIVATE ${{IDF_PRIV_INCLUDE_DIRS}})
endmacro()
add_subdirectory({folder} built)
"""


def cmake_commands(folder, component):
    """What CMake would compile of a component: the sources, and the folders of headers; all with -O3."""
    folder.mkdir()
    (folder / "CMakeLists.txt").write_text(TOOLS.format(folder=component.as_posix()), encoding="utf-8")
    done = subprocess.run(["cmake", "-S", folder, "-B", folder / "b"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    commands = json.loads((folder / "b" / "compile_commands.json").read_text(encoding="utf-8"))
    assert all(" -O3 " in each["command"] for each in commands)
    includes = {Path(path).resolve() for each in commands for path in re.findall(r"-I(\S+)", each["command"])}
    return sorted(Path(each["file"]).resolve() for each in commands), includes


@needs_cmake
def test_zephyr_builds_the_module(package, tmp_path):
    module = yaml.safe_load((package / "zephyr" / "module.yml").read_text(encoding="utf-8"))
    assert module["name"] == "sezoo_denoiser" and (package / module["build"]["kconfig"]).is_file()
    sources, includes = cmake_commands(tmp_path / "z", package / module["build"]["cmake"])
    assert sources == everything(package)
    assert includes == {package / "include", package / "src"}


def test_zephyrs_option(package, monkeypatch):
    kconfig = pytest.importorskip("kconfiglib")
    monkeypatch.setenv("srctree", "")
    found = kconfig.Kconfig(str(package / "zephyr" / "Kconfig"), warn=False)
    option = found.syms["SEZOO_DENOISER"]
    option.set_value(2)
    assert option.str_value == "y" and not found.warnings


@needs_cmake
def test_esp_idf_builds_the_component(package, tmp_path):
    sources, includes = cmake_commands(tmp_path / "e", package)
    assert sources == everything(package)
    assert includes == {package / "include", package / "src"}
    facts = yaml.safe_load((package / "idf_component.yml").read_text(encoding="utf-8"))
    assert VERSION.fullmatch(facts["version"]) and facts["license"] == "Apache-2.0"


@needs_cmake
def test_esp_idf_asks_the_component_what_it_needs_before_there_is_a_project(package, tmp_path):
    """It runs the file as a script, in which a registration returns."""
    script = f"macro(idf_component_register)\nreturn()\nendmacro()\ninclude({package.as_posix()}/CMakeLists.txt)\n"
    (tmp_path / "ask.cmake").write_text(script, encoding="utf-8")
    done = subprocess.run(["cmake", "-P", tmp_path / "ask.cmake"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


# -- CMSIS-Pack -------------------------------------------------------------------------------------------------------


@needs_gcc
def test_a_cmsis_pack_lists_what_has_to_be_compiled(package, tmp_path):
    """As PACK.xsd has it: what is required of a package, a release and a component, and where files are."""
    root = ElementTree.parse(next(package.glob("*.pdsc"))).getroot()
    name = f"{root.findtext('vendor')}.{root.findtext('name')}.pdsc"
    assert (package / name).is_file() and (package / root.findtext("license")).is_file()
    assert root.get("schemaVersion") and root.find("url") is not None and 0 < len(root.findtext("description")) <= 256
    (component,) = root.iter("component")
    assert component.get("Cclass") == "Audio" and component.get("Cgroup") and component.get("Cversion") == __version__
    assert {each.get("id") for each in root.iter("condition")} == {component.get("condition")}
    files = {kind: [] for kind in ("doc", "include", "header", "sourceC")}
    for file in component.iter("file"):
        files[file.get("category")].append(file.get("name"))
    assert all((package / name).is_file() for name in files["header"] + files["sourceC"])
    assert HASH in root.find("releases/release").text
    # A source's own folder is where its headers are looked for first.
    assert links(package, [package / name for name in files["sourceC"]],
                 [package / "src", *(package / name for name in files["include"])], tmp_path)  # fmt: skip


# -- as a service -----------------------------------------------------------------------------------------------------


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return write_tiny_model(tmp_path / "model.onnx")


def test_all_of_them_with_names_of_ones_own(here, tmp_path):
    deployment = {"engine": "patch", "frames_per_patch": NEW, "emulate": False}
    run_services(configuration(**deployment, package="all", symbol_prefix="noise"), tmp_path / "run")
    package = tmp_path / "run" / "c_package"
    texts = [path for path in package.rglob("*") if path.is_file() and path.suffix not in (".f32", "")]
    assert not [path for path in texts if re.search("sezoo_|SEZOO_|@[A-Z]+@", path.read_text(encoding="utf-8"))]
    header = (package / "include" / "noise_denoiser.h").read_text(encoding="utf-8")
    digest = hashlib.sha256(here.read_bytes()).hexdigest()
    assert f'#define NOISE_MODEL_HASH "{digest}"' in header and f'PACKAGE_VERSION "{__version__}"' in header
    licence = Path(__file__).parents[2] / "LICENSE"
    assert (package / "LICENSE").read_text(encoding="utf-8") == licence.read_text(encoding="utf-8")
    assert "config NOISE_DENOISER" in (package / "zephyr" / "Kconfig").read_text(encoding="utf-8")
    assert (package / "src" / "noise_denoiser.h").is_file()
    readme = (package / "README.md").read_text(encoding="utf-8")
    assert all(f"**{name}**" in readme for name in ("Arduino", "PlatformIO", "Zephyr", "ESP-IDF")) and digest in readme
    with zipfile.ZipFile(tmp_path / "run" / f"sezoo.noise_denoiser.{__version__}.pack") as pack:
        assert set(pack.namelist()) == {
            path.relative_to(package).as_posix() for path in package.rglob("*") if path.is_file()
        }
        assert pack.testzip() is None


def test_a_kind_that_does_not_exist():
    with pytest.raises(UserError, match=r"deployment\.package: found 'ardiuno'.*did you mean arduino"):
        configuration(package="ardiuno")


def test_another_backend_has_no_packages(here, tmp_path):
    with pytest.raises(UserError, match=r"deployment\.package: found zephyr; it is for .*portable-c, not tflite"):
        run_services(configuration(backend="tflite", package="zephyr"), tmp_path / "run")
