"""Reading the user's C project: its .conf, CubeIDE's files, and what is said about those that do not fit."""

import logging
import re
import signal
from pathlib import Path

import pytest

from sezoo.base.errors import UserError
from sezoo.cli.hydra_run import compose_file
from sezoo.config.sections import Deployment
from sezoo.deployment.stm32n6 import project_files
from sezoo.deployment.stm32n6.c_project import read_c_project
from sezoo.deployment.stm32n6.project_files import change_project
from sezoo.deployment.stm32n6.relaxed_json import read_relaxed_json
from sezoo.deployment.stm32n6.runtime import find_runtime
from sezoo.deployment.stm32n6.steps import Places, steps_of
from sezoo.deployment.stm32n6.tools import Toolbox
from stm32n6_stand_ins import (
    CONF,
    CPROJECT_XML,
    DPU,
    GS,
    MODELS,
    OLDER_CONF_TEXT,
    PROJECT_XML,
    RUNTIME_FOLDERS,
    conf_text,
    contents,
    make_project,
    make_runtime,
    write,
)

DOCUMENT = Path(__file__).parents[2] / "docs" / "stm32n6.md"


@pytest.fixture
def project(tmp_path):
    return make_project(tmp_path / "C project")


@pytest.fixture
def older(project):
    write(project / CONF, OLDER_CONF_TEXT)
    return project


def read(folder, **settings):
    return read_c_project(Deployment(c_project_path=folder, **settings))


def refused(folder, **settings):
    with pytest.raises(UserError) as caught:
        read(folder, **settings)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def change(project, old, new):
    text = (project / CONF).read_text(encoding="utf-8")
    assert old in text
    write(project / CONF, text.replace(old, new, 1))


def test_the_form_of_sts_project(project):
    found = read(project)
    assert found.conf == project / CONF and found.build.name == "BM"  # the first
    assert found.name == "GS_Audio_N6" and found.location == project / GS / "STM32CubeIDE"
    assert found.application == project / GS / "STM32CubeIDE/BM/GS_Audio_N6.bin"
    assert found.fsbl == project / "Binaries/fsbl_fw_lrun_v1.2.0.bin"
    assert found.neural_art == project / MODELS / "user_neural_art.json" and found.build.profile == "default"
    assert found.build.external_loader == "MX66UW1G45G_STM32N6570-DK.stldr"
    assert vars(found.build.addresses) == {"fsbl": 0x70000000, "application": 0x70100000, "weights": 0x70180000}
    files = {template.target for template in found.templates if not template.is_folder}
    networks = ("network.c", "network_ecblobs.h", "network_atonbuf.xSPI2.raw")
    unlisted = ("network.h", "stai_network.c", "stai_network.h")
    headers = ("ai_model_config.h", "user_mel_tables.h", "user_mel_tables.c")
    assert files == {*(project / MODELS / n for n in (*networks, *unlisted)), *(project / DPU / n for n in headers)}
    assert {template.source for template in found.templates if not template.is_listed} == set(unlisted)
    assert [template.target for template in found.templates if template.is_folder] == [
        project / name for name in RUNTIME_FOLDERS
    ]


@pytest.mark.parametrize(
    "named", ["MX66.stldr", "${STM32CubeProgrammer}/../ExternalLoader/MX66.stldr", "${ProjectFolder}/MX66.stldr"]
)
def test_the_external_loader(project, named):
    change(project, "MX66UW1G45G_STM32N6570-DK.stldr", named)
    toolbox, found = Toolbox(*[Path("tool")] * 4), read(project)
    flash = steps_of(toolbox, Path("m"), found, Places(project, found.application), None)[-1]
    assert flash.words[flash.words.index("--extload") + 1] == "MX66.stldr"
    loader = write(project / "MX66.stldr", "loader")
    flash = steps_of(toolbox, Path("m"), found, Places(project, found.application), None)[-1]
    expected = str(loader) if "ProjectFolder" in named else "MX66.stldr"
    assert flash.words[flash.words.index("--extload") + 1] == expected


def test_the_makefile(project):
    found = read(project, builder="make", build_conf="FREERTOS_LP")
    assert found.location == project / GS and found.make_target == "freertos_lp"
    assert found.application == project / GS / "BuildGCC/FREERTOS_LP/GS_Audio_N6.bin"
    (project / GS / "Makefile").unlink()
    message = refused(project, builder="make")
    assert message.startswith("deployment.builder: make: there is no Makefile in") and "builder: cubeide" in message


def test_strings_of_a_relaxed_json_survive(tmp_path):
    text = '\ufeff{"a": "// no /* comment */, }", /* "b": 1, */ "c": ["\\"//", "http://x",], // "d"\n "e": {"\t": 1,},}'
    path = write(tmp_path / "file.conf", text)
    assert read_relaxed_json(path) == {"a": "// no /* comment */, }", "c": ['"//', "http://x"], "e": {"\t": 1}}


@pytest.mark.parametrize("text", ["", "{", "[1]", "[" * 100000, "/* {}", '{"a": 1,,}'])
def test_what_is_no_json(project, text):
    write(project / CONF, text)
    message = refused(project)
    assert message.startswith(f"{project / CONF}: ") and (
        any(words in message for words in ("invalid JSON", "a mapping of keys", "nested too deeply"))
    )


def test_the_older_form(older):
    found = read(older)
    assert found.build.name == "N6 Audio Bare Metal" and found.application.name == "GS_Audio_N6.bin"
    assert found.fsbl == older / "Binaries/fsbl_fw_lrun_v1.2.0.bin"  # the only one of a known name
    assert found.neural_art == older / MODELS / "user_neural_art.json"
    headers = {template.source: template.target for template in found.templates}
    assert headers["user_mel_tables.c"] == older / DPU / "user_mel_tables.c"
    assert not any(template.is_folder for template in found.templates)


@pytest.mark.parametrize(
    ("wanted", "built"),
    [
        ("N6 Audio Bare Metal", "BM"),
        ("N6 Audio Bare Metal Low Power", "BM_LP"),
        ("N6 Audio Thread X", "FREERTOS"),
        ("N6 Audio Thread X Low Power", "FREERTOS_LP"),
    ],
)
def test_names_of_before(project, wanted, built, caplog):
    with caplog.at_level(logging.WARNING, "sezoo"):
        assert read(project, build_conf=wanted).build.name == built
    assert f"deployment.build_conf: '{wanted}' is called '{built}' in" in caplog.text


def test_the_first_configuration_without_a_word(project, caplog):
    write(project / CONF, conf_text(("FREERTOS", "BM")))
    assert read(project).build.name == "FREERTOS" and not caplog.records
    assert read(project, build_conf="BM").build.name == "BM" and not caplog.records


def test_a_project_somewhere_below(project):
    assert read(project.parent).conf == project / CONF
    other = make_project(project.parent / "second")
    message = refused(project.parent)
    assert "holds several projects" in message and str(other) in message and str(project) in message


def test_a_file_that_says_little(older):
    """Folders and files that are there once need no key."""
    change(older, '"cproject_location": "Projects/GS/STM32CubeIDE", ', "")
    (older / GS / "STM32CubeIDE/.cproject").unlink()
    found = read(older)
    assert found.location == older / GS / "STM32CubeIDE"
    (older / "Projects/Dpu").rename(older / "Dpu")
    headers = {template.source: template.target for template in read(older).templates}
    assert headers["user_mel_tables.c"] == older / "Dpu/user_mel_tables.c"


def test_keys_for_what_is_elsewhere(older):
    write(older / "models of mine/profile.json", "{}")
    write(older / "boot.bin", "boot")
    change(older, '"env"', '"user_neural_art": "models of mine/profile.json", "fsbl_bin": "boot.bin", "env"')
    found = read(older)
    assert found.neural_art == older / "models of mine/profile.json" and found.fsbl == older / "boot.bin"


def test_a_name_that_is_a_path(older):
    """The build's folder, which is set aside, has the configuration's name where no other one is given."""
    change(older, '"cproject_config": "BM"', "")
    change(older, '"N6 Audio Bare Metal": {', '"../..": {')
    assert "cproject_config: found '../..'; a name is expected, not a path" in refused(older)


def test_templates_of_a_configuration(project):
    change(project, '"name": "BM",', '"name": "BM", "templates": "others",')
    change(project, '"memory_pool"', '"others": [["network.c", "${network_src_root}/net.c"]], "memory_pool"')
    assert {t.source: t.target.name for t in read(project).templates}["network.c"] == "net.c"
    change(project, '"others": [', '"more": [')
    assert "the key 'templates' is missing, for 'BM'" in refused(project)


def test_variables_of_the_environment(project, monkeypatch):
    change(project, "${app_src_dpu}/ai", "${DPU_FOLDER}/ai")
    assert "${DPU_FOLDER} is set nowhere in the file, nor in the environment" in refused(project)
    monkeypatch.setenv("DPU_FOLDER", str(project / DPU))
    assert read(project).templates[3].target == project / DPU / "ai_model_config.h"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"version":', '"version"', "invalid JSON (expecting ':' delimiter: line 3"),
        ('"configurations"', '"configuration"', "the key 'configurations' is missing"),
        ('"configurations"', '"configurations": [], "c"', "'configurations' is no list of configurations, or an empty"),
        ('"name": "BM",', "", "configurations[0]: an object with the key 'name' is expected"),
        ('"name": "FREERTOS",', '"name": "BM",', "configurations[1]: there are two configurations 'BM'"),
        ('"templates"', '"template"', "the key 'templates' is missing"),
        ('"templates": [', '"templates": 3, "more": [', "the key 'templates' is no list"),
        ('["", "${network_src_root}/network.c", "copy"]', '["one"]', "templates[0]: found ['one']"),
        ('"copy"], // not', '"delete"], // not', "templates[1]: found 'delete'; allowed: copy, copy-file, copy-dir"),
        ('"${network_src_root}/network.c"', '""', "templates[0]: the target is empty"),
        ('["", "${network', '["../../secret", "${network', "templates[0]: found '../../secret'"),
        ('["", "${network', '["/etc/passwd", "${network', "templates[0]: found '/etc/passwd'"),
        ('["", "${network', '["C:\\\\secret", "${network', "templates[0]: found 'C:\\secret'"),
        ('"${app_src_dpu}/ai', '"${ProjectFolder}/../x/ai', "x/ai_model_config.h is outside of deployment.c_project"),
        ('"${app_src_dpu}/ai', '"/tmp/ai', "ai_model_config.h is outside of deployment.c_project_path"),
        ('"${app_src_dpu}/ai_model_config.h"', '"${app_src_dpu}"', "Dpu is a folder; the path of a file is expected"),
        (
            '"${stm32_ai_lib_folder}/Inc"',
            '"${ProjectFolder}/Projects"',
            "folders of ST Edge AI's runtime, below Middle",
        ),
        ('"${stm32_ai_lib_folder}/Inc"', '"${stm32_ai_lib_folder}"', "folders of ST Edge AI's runtime, below Middle"),
        ('"${stm32_ai_lib_folder}/Inc"', '"/Middlewares/ST/AI/Inc"', "is outside of deployment.c_project_path"),
        ('"${app_src_root}/STM32CubeIDE"', '"${project_folder}"', "${project_folder} refers to itself"),
        ('"cproject_config": "BM"', '"cproject_config": "bm"', "no configuration 'bm'; those of"),
        ('"cproject_config": "BM"', '"cproject_config": ".."', "cproject_config: found '..'; a name is expected"),
        ('"cproject_location": "${project_folder}"', '"cproject_location": "Projects"', "there is no"),
        ("models/user_neural_art.json", "none.json", "neuralart_user_path: there is no file"),
        ('"profile": "default"', '"profile": "fast"', "profile: found 'fast'; allowed, by "),
        ("Binaries/fsbl_fw_lrun_v1.2.0.bin", "boot.bin", "there is no "),
        ('"fsbl_bin": "', '"fsbl_bin": 7, "x": "', "fsbl_bin: found 7; a text is expected"),
        (
            '"board": "STM32N6570-DK"',
            '"board": "NUCLEO-N657X0-Q"',
            "board: found 'NUCLEO-N657X0-Q'; deployment.backend",
        ),
        ('"series": "stm32n6"', '"series": "stm32h7"', "series: found 'stm32h7'; deployment.backend: stm32n6 is for"),
        ("0x70180000", "0x08000000", "flash_network_data_cmd: found the address 0x8000000; the board's external flash"),
    ],
)
def test_files_that_do_not_fit(project, old, new, words):
    change(project, old, new)
    message = refused(project)
    assert words in message and CONF in message


@pytest.mark.parametrize("link", [DPU, f"{DPU}/ai_model_config.h", RUNTIME_FOLDERS[1], f"{GS}/STM32CubeIDE/BM"])
def test_a_link_that_leads_out_of_the_project(project, tmp_path, link):
    (project / link).rename(tmp_path / "elsewhere")
    try:
        (project / link).symlink_to(tmp_path / "elsewhere", target_is_directory=(tmp_path / "elsewhere").is_dir())
    except OSError:
        pytest.skip("links are not allowed here")
    message = refused(project)
    assert "is outside of deployment.c_project_path" in message and str(tmp_path / "elsewhere") in message


def test_a_configuration_that_is_none(project):
    message = refused(project, build_conf="FREERTOS_PL")
    assert message.startswith("deployment.build_conf: found 'FREERTOS_PL'; allowed, by ")
    assert message.endswith("BM, FREERTOS, BM_LP, FREERTOS_LP (did you mean FREERTOS_LP?)")


def test_no_project(project, tmp_path):
    assert refused(None).startswith("deployment.c_project_path: not set")
    assert "is not there (the working directory is" in refused(tmp_path / "none")
    assert "is a file" in refused(project / CONF)
    (tmp_path / "empty").mkdir()
    assert f"there is no {CONF} in" in refused(tmp_path / "empty")
    write(tmp_path / "empty/stmaic_NUCLEO-N657X0-Q.conf", "{}")
    assert "it is for other boards (stmaic_NUCLEO-N657X0-Q.conf)" in refused(tmp_path / "empty")


def test_cubeides_files(project):
    file = project / GS / "STM32CubeIDE/.project"
    write(file, PROJECT_XML.replace("<name>GS_Audio_N6</name>", ""))
    assert refused(project) == f"{file}: the element <name> of the CubeIDE project is missing"
    write(file, "<project")
    assert refused(project).startswith(f"{file}: no XML")
    write(file, PROJECT_XML)
    write(project / GS / "STM32CubeIDE/.cproject", CPROJECT_XML.replace('"BM"', '"BM2"'))
    assert refused(project).endswith("BM2, FREERTOS, BM_LP, FREERTOS_LP (did you mean BM2?)")


def test_several_profiles(older):
    write(older / "old/user_neural_art.json", "{}")
    message = refused(older)
    assert "several files user_neural_art.json" in message and "by the key 'neuralart_user_path'" in message


def test_bytes_that_are_no_text(project):
    (project / CONF).write_bytes(b'{"configurations": "\xff"}')
    assert "no text in UTF-8" in refused(project)


def test_names_that_cubeide_would_take_for_patterns(project):
    write(project / GS / "STM32CubeIDE/.project", PROJECT_XML.replace("GS_Audio_N6", "Audio (N6+)"))
    toolbox = Toolbox(*[Path("tool")] * 4)
    found = read(project)
    steps = {step.name: step for step in steps_of(toolbox, Path("m"), found, Places(project, found.application), None)}
    assert steps["build"].words[-2:] == ("-cleanBuild", r"Audio \(N6\+\)/BM")


# -- the runtime of an installation ---------------------------------------------------------------------------------


def runtime_of(stedgeai, project):
    return find_runtime(read(project).templates, stedgeai, project.resolve())


def test_the_runtime_is_that_of_the_program(project, tmp_path, monkeypatch):
    make_runtime(tmp_path / "STEdgeAI/3.0", "3.0")
    program = write(tmp_path / "STEdgeAI/3.0/Utilities/linux/stedgeai", "")
    expected = {project / name: tmp_path / "STEdgeAI/3.0" / name for name in RUNTIME_FOLDERS}
    assert runtime_of(program, project) == expected
    # a program elsewhere that calls it
    monkeypatch.setenv("STEDGEAI_CORE_DIR", str(tmp_path / "STEdgeAI/3.0"))
    assert runtime_of(write(tmp_path / "bin/stedgeai", ""), project) == expected
    monkeypatch.delenv("STEDGEAI_CORE_DIR")
    link = tmp_path / "bin/link"
    try:
        link.symlink_to(program)
    except OSError:
        return
    assert runtime_of(link, project) == expected


def test_a_program_without_a_runtime(project, tmp_path, monkeypatch):
    monkeypatch.delenv("STEDGEAI_CORE_DIR", raising=False)
    # the project has one, which is not an installation's
    for program in (write(tmp_path / "bin/stedgeai", ""), write(project / "tools/stedgeai", "")):
        with pytest.raises(UserError, match="is in no installation of ST Edge AI: no folder above it") as caught:
            runtime_of(program, project)
        assert "tools.stedgeai.path_to_stedgeai" in str(caught.value)
    write(tmp_path / "STEdgeAI/Middlewares/ST/AI/Inc/stai.h", "")
    with pytest.raises(UserError, match=r"there is no folder .*ARMCortexM55, which the C project's templates ask for"):
        runtime_of(write(tmp_path / "STEdgeAI/Utilities/linux/stedgeai", ""), project)


# -- changing the project -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("output", ["STM32CubeIDE/BM", "STM32CubeIDE/BM_LP", "BuildGCC/FREERTOS"])
def test_an_interrupted_change_is_taken_back(project, tmp_path, output):
    output = project / GS / output
    make_runtime(tmp_path / "installed", "3.0")
    new = {project / name: tmp_path / "installed" / name for name in RUNTIME_FOLDERS}
    files = [project / MODELS / "network.c", project / "other/folder/new.c"]
    new |= dict.fromkeys(files, write(tmp_path / "new", "new"))
    before, folders = contents(project), {path for path in project.rglob("*") if path.is_dir()}
    with pytest.raises(KeyboardInterrupt), change_project(project, new, output, tmp_path / "kept") as replaced:
        assert replaced == [project / name for name in (*RUNTIME_FOLDERS, f"{MODELS}/network.c")]
        assert not output.exists()
        assert {path.read_text(encoding="utf-8") for path in files} == {"new"}
        assert all(contents(target) == contents(source) for target, source in new.items() if source.is_dir())
        write(output / "made.bin", "half")
        raise KeyboardInterrupt
    assert contents(project) == before and {path for path in project.rglob("*") if path.is_dir()} == folders
    assert contents(tmp_path / "kept") == {}


def test_a_second_interruption_waits(project, tmp_path, monkeypatch):
    """As it would come while the project is put back."""
    before, remove = contents(project), project_files._remove
    new = {project / MODELS / "network.c": write(tmp_path / "new", "new"), project / "other/new.c": tmp_path / "new"}
    with pytest.raises(KeyboardInterrupt), change_project(project, new, project / "out", tmp_path / "kept"):
        monkeypatch.setattr(project_files, "_remove", lambda path: (signal.raise_signal(signal.SIGINT), remove(path)))
        raise KeyboardInterrupt
    assert contents(project) == before


def test_a_file_in_a_folder_that_is_replaced(project, tmp_path):
    make_runtime(tmp_path / "installed", "3.0")
    folder, before = project / RUNTIME_FOLDERS[2], contents(project)
    new = {folder: tmp_path / "installed" / RUNTIME_FOLDERS[2], folder / "ll_aton.c": write(tmp_path / "new", "new")}
    with pytest.raises(KeyboardInterrupt), change_project(project, new, project / "out", tmp_path / "kept"):
        assert (folder / "ll_aton.c").read_text(encoding="utf-8") == "new"
        raise KeyboardInterrupt
    assert contents(project) == before
    with change_project(project, new, project / "out", tmp_path / "kept"):
        pass
    assert contents(tmp_path / "kept") == {
        name: text for name, text in before.items() if name.startswith(RUNTIME_FOLDERS[2])
    }


def test_a_folder_that_cannot_be_copied_changes_nothing(project, tmp_path):
    before = contents(project)
    new = {project / MODELS / "network.c": write(tmp_path / "new", "new"), project / "b/c": tmp_path / "none"}
    with (
        pytest.raises(UserError, match=r"^cannot change the C project: .*none: "),
        change_project(project, new, project / "out", tmp_path / "kept"),
    ):
        pytest.fail("nothing may be done with half of the files")
    assert contents(project) == before and not (project / "b").exists()
    assert not [path for path in project.iterdir() if path.name.startswith(".")]


def test_a_runtime_that_cannot_be_read(project, tmp_path):
    before, runtime = contents(project), tmp_path / "runtime"
    try:
        write(runtime / "good.h", "").with_name("lost.h").symlink_to(tmp_path / "none")
    except OSError:
        pytest.skip("links are not allowed here")
    change = change_project(project, {project / RUNTIME_FOLDERS[1]: runtime}, project / "out", tmp_path / "kept")
    with pytest.raises(UserError, match=r"^cannot copy .*lost\.h to "), change:
        pytest.fail("nothing may be done with half of the files")
    assert contents(project) == before


# -- the document ---------------------------------------------------------------------------------------------------


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def test_the_documents_configurations_are_valid(tmp_path):
    for text in blocks("yaml"):
        config = compose_file(write(tmp_path / "user_config.yaml", text))
        assert config.operation_mode in ("deployment", "chain_qd")
        assert "d" in config.operation_mode and config.deployment.c_project_path is not None
    assert len(blocks("yaml")) == 2


def test_the_documents_conf_is_one_that_is_read(project):
    (text,) = blocks("json")
    write(project / CONF, text)
    found = read(project)
    assert found.location == project / GS / "STM32CubeIDE" and found.build.name == "BM"
    assert found.fsbl == project / "Binaries/fsbl_fw_lrun_v1.2.0.bin"
    assert [template.target for template in found.templates if template.is_folder] == [
        project / name for name in RUNTIME_FOLDERS
    ]
