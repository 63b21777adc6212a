"""The manifests of `deployment.package`, read by the tools that they are for, or against the rules of these tools."""

import json
import re
from xml.etree import ElementTree

import pytest
import yaml

from pack_rules import broken_rules
from sezoo.audio.stft import Stft
from sezoo.deployment.c_package.layers import LAYERS, add_layers
from sezoo.deployment.c_package.symbol_prefix import rename_symbols
from tiny_graphs import program_of, random_graph, write_tiny_package
from tiny_models import configuration

LONGEST_PREFIX = "a_prefix_as_long_as_any"


@pytest.fixture(scope="module", params=["sezoo", LONGEST_PREFIX])
def package(request, tmp_path_factory):
    """With every layer, by its own names and by the longest of one's own."""
    prefix = configuration(symbol_prefix=request.param).deployment.symbol_prefix
    program = program_of(random_graph(3, 33, 3), Stft(64, 20, 50), 3)
    folder = write_tiny_package(program, tmp_path_factory.mktemp("manifests") / "p")
    add_layers(folder, LAYERS, 64 * "a", "A denoiser.")
    rename_symbols(folder, prefix)
    return folder


# -- CMSIS-Pack -------------------------------------------------------------------------------------------------------


def description_of(package):
    return next(package.glob("*.pdsc")).read_text(encoding="utf-8")


def test_a_pack_description_keeps_the_rules_of_its_schema(package):
    assert list(broken_rules(ElementTree.fromstring(description_of(package)))) == []


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        (r' Cversion="[^"]*"', "", "component needs Cversion"),
        (r'Cversion="[^"]*"', 'Cversion="1"', "Cversion='1'"),
        (r'release version="[^"]*"', 'release version="0.1.0.dev1"', "release: version"),
        (r"<vendor>.*</vendor>", "", "0 x vendor"),
        (r"<name>.*</name>", "<name>a.b</name>", "name: 'a.b'"),
        (r"<url/>", "", "0 x url"),
        (r"sourceC", "sourceQ", "category='sourceQ'"),
        (r'"Little-endian"', '"little"', "Dendian='little'"),
        (r'Csub="[^"]*"', f'Csub="{33 * "a"}"', "Csub="),
        (r"<keywords>", "<words></words><keywords>", "package has no words"),
        (r'<component ', '<component Ctype="a" ', "component has no attribute Ctype"),
    ],
)  # fmt: skip
def test_the_rules_find_what_breaks_them(package, before, after, words):
    """The rules themselves: else a description that breaks them all would pass."""
    broken, changes = re.subn(before, after, description_of(package), count=1)
    assert changes == 1
    assert any(words in rule for rule in broken_rules(ElementTree.fromstring(broken)))


# -- Arduino ----------------------------------------------------------------------------------------------------------

CATEGORIES = {
    "Display", "Communication", "Signal Input/Output", "Sensors", "Device Control", "Timing", "Data Storage",
    "Data Processing", "Other",
}  # fmt: skip


def test_an_arduino_library_keeps_the_rules_of_arduino_lint(package):
    """Those that stop an installation. LP056, an address of the library, is for whoever publishes it."""
    lines = (package / "library.properties").read_text(encoding="utf-8").splitlines()
    facts = dict(line.split("=", 1) for line in lines)
    assert re.fullmatch(r"[A-Za-z][\w .,-]{0,62}", facts["name"])
    assert not facts["name"].lower().startswith("arduino")
    assert re.fullmatch(r"\d+\.\d+\.\d+(-[\w.-]+)?", facts["version"])
    required = {"author", "maintainer", "sentence", "paragraph"}
    assert all(facts[key].strip() for key in required)
    assert facts["sentence"] not in facts["paragraph"], "LP036"
    assert facts["category"] in CATEGORIES
    assert facts["url"] == "" and facts["architectures"] == "*"
    assert (package / "src" / facts["includes"]).is_file()
    assert {"LICENSE", "src", "examples"} <= {path.name for path in package.iterdir()}
    assert not [path for path in package.rglob("*") if path.is_symlink() or path.suffix == ".exe"]


# -- PlatformIO and ESP-IDF, by their own readers --------------------------------------------------------------------


@pytest.mark.parametrize("name", ["library.json", "library.properties"])
def test_platformio_accepts_the_manifest(package, name, monkeypatch):
    parser = pytest.importorskip("platformio.package.manifest.parser", reason="PlatformIO is not installed")
    from platformio.package.manifest import schema

    known = {"licenses": [{"licenseId": "Apache-2.0"}]}  # else it asks a server for all of them
    monkeypatch.setattr(schema.ManifestSchema, "load_spdx_licenses", staticmethod(lambda: known))
    found = parser.ManifestParserFactory.new_from_file(str(package / name)).as_dict()
    read = schema.ManifestSchema().load_manifest(found)
    assert read["name"].endswith("_denoiser") and read["headers"] == [f"{read['name']}.h"]
    with pytest.raises(Exception, match="version"):
        schema.ManifestSchema().load_manifest(found | {"version": "newest"})


def test_platformios_manifest_is_as_its_published_schema_has_it(package):
    """`build` is not in the reader above: these are the keys that its documents have."""
    facts = json.loads((package / "library.json").read_text(encoding="utf-8"))
    assert facts["build"].keys() <= {
        "flags", "unflags", "includeDir", "srcDir", "srcFilter", "extraScript", "libArchive", "libLDFMode",
        "libCompatMode", "builder",
    }  # fmt: skip


def test_the_component_manager_accepts_the_esp_idf_component(package, tmp_path, capsys):
    manager = pytest.importorskip("idf_component_tools.manager", reason="idf-component-manager is not installed")
    read = manager.ManifestManager(str(package), "sezoo_denoiser").load()
    assert str(read.version) == yaml.safe_load((package / "idf_component.yml").read_text(encoding="utf-8"))["version"]
    (tmp_path / "idf_component.yml").write_text("version: newest\n", encoding="utf-8")
    with pytest.raises(Exception, match="not valid"):
        manager.ManifestManager(str(tmp_path), "sezoo_denoiser").load()
    assert "version" in capsys.readouterr().out


# -- Zephyr -----------------------------------------------------------------------------------------------------------


def test_zephyrs_module_has_the_keys_that_zephyr_module_py_knows(package):
    module = yaml.safe_load((package / "zephyr" / "module.yml").read_text(encoding="utf-8"))
    assert module.keys() == {"name", "build"} and isinstance(module["name"], str)
    assert module["build"].keys() == {"cmake", "kconfig"}  # folder of CMakeLists.txt, and a file
    assert (package / module["build"]["cmake"] / "CMakeLists.txt").is_file()
    assert (package / module["build"]["kconfig"]).is_file()
