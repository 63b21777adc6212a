"""Reading the user's C project: its .conf, CubeIDE's files, and what is said about those that do not fit."""

import re
from pathlib import Path

import pytest

from sezoo.config.composition import compose_file
from sezoo.config.sections import Deployment
from sezoo.deployment.stm32n6.c_project import read_c_project
from sezoo.deployment.stm32n6.project_files import changed_project
from sezoo.deployment.stm32n6.steps import Places, steps_of
from sezoo.deployment.stm32n6.tools import Toolbox
from sezoo.errors import UserError
from stm32n6_stand_ins import CONF, CPROJECT_XML, PROJECT_XML, contents, make_project, write

DOCUMENT = Path(__file__).parents[2] / "docs" / "stm32n6.md"


@pytest.fixture
def project(tmp_path):
    return make_project(tmp_path / "C project")


def read(folder, **settings):
    return read_c_project(Deployment(c_project_path=folder, **settings))


def refused(folder, **settings):
    with pytest.raises(UserError) as caught:
        read(folder, **settings)
    return str(caught.value)


def change(project, old, new):
    text = (project / CONF).read_text(encoding="utf-8")
    assert old in text
    write(project / CONF, text.replace(old, new))


def test_comments_commas_and_references(project):
    found = read(project)
    assert found.name == "GS Audio" and found.conf == project / CONF
    assert found.application == project / "Projects/CubeIDE/BM/Audio_BM.bin"
    assert found.fsbl == project / "FSBL/ai_fsbl.hex"
    assert found.neural_art == project / "Projects/AI models/user_neural_art.json"
    assert {template.source: template.target for template in found.templates} == {
        **{
            name: project / "Projects/AI models" / name
            for name in ("network.c", "network.h", "stai_network.c", "network_ecblobs.h")
        },
        **{
            name: project / "Projects/Dpu" / name
            for name in ("ai_model_config.h", "user_mel_tables.h", "user_mel_tables.c")
        },
    }


def test_the_other_configuration(project):
    found = read(project, build_conf="N6 Audio Thread X")
    assert found.application == project / "Projects/CubeIDE/TX/GS Audio.bin"


def test_a_project_somewhere_below(project):
    assert read(project.parent).conf == project / CONF
    other = make_project(project.parent / "second")
    message = refused(project.parent)
    assert "holds several projects" in message and str(other) in message and str(project) in message


def test_a_file_that_says_little(project):
    """Folders and files that are there once need no key."""
    change(project, '"cproject_location": "Projects/CubeIDE", ', "")
    (project / "Projects/CubeIDE/.cproject").unlink()
    found = read(project)
    assert found.location == project / "Projects/CubeIDE"
    assert found.application == project / "Projects/CubeIDE/BM/GS Audio.bin"
    (project / "Projects/Dpu").rename(project / "Dpu")
    headers = {template.source: template.target for template in read(project).templates}
    assert headers["user_mel_tables.c"] == project / "Dpu/user_mel_tables.c"


def test_keys_for_what_is_elsewhere(project):
    write(project / "models of mine/profile.json", "{}")
    write(project / "boot.bin", "boot")
    change(project, '"version"', '"user_neural_art": "models of mine/profile.json", "fsbl_bin": "boot.bin", "version"')
    found = read(project)
    assert found.neural_art == project / "models of mine/profile.json" and found.fsbl == project / "boot.bin"


def test_variables_of_the_environment(project, monkeypatch):
    change(project, '"Projects/Dpu/ai', '"${DPU_FOLDER}/ai')
    assert "${DPU_FOLDER} is set nowhere in the file, nor in the environment" in refused(project)
    monkeypatch.setenv("DPU_FOLDER", "Projects/Dpu")
    assert read(project).templates[4].target == project / "Projects/Dpu/ai_model_config.h"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"version":', '"version"', "no JSON (with comments and trailing commas): Expecting ':' delimiter: line 3"),
        ('"configurations"', '"configuration"', "the key 'configurations' is missing"),
        ('"templates"', '"template"', "the key 'templates' is missing"),
        ('"templates": [', '"templates": 3, "more": [', "the key 'templates' is no list"),
        ('["stai_network.c", "${network}/stai_network.c"]', '["one"]', "templates[2]: found ['one']"),
        ('"copy-file"], // not', '"delete"], // not', "templates[3]: found 'delete'; allowed: copy-file"),
        ('"Projects/Dpu/ai', '"../elsewhere/ai', "elsewhere/ai_model_config.h is outside of deployment.c_project_path"),
        ('"${ProjectFolder}/Projects/AI models"', '"${network}"', "${network} refers to itself"),
        ('"cproject_config": "BM"', '"cproject_config": "bm"', "no configuration 'bm'; those of"),
        ('"cproject_location": "Projects/CubeIDE", "env"', '"cproject_location": "Projects", "env"', "there is no"),
        ('"version": "1.0"', '"user_neural_art": "none.json"', "user_neural_art: there is no file"),
        ('"version": "1.0"', '"fsbl_bin": "boot.bin"', "there is no boot.bin in"),
        ('"version": "1.0"', '"fsbl_bin": 7', "fsbl_bin: found 7; a text is expected"),
        ('"N6 Audio Bare Metal": {', '"N6 Audio Bare Metal": 1, "x": {', "N6 Audio Bare Metal is no mapping"),
    ],
)
def test_files_that_do_not_fit(project, old, new, words):
    change(project, old, new)
    message = refused(project)
    assert words in message and CONF in message


def test_a_configuration_that_is_none(project):
    message = refused(project, build_conf="N6 Audio bare metal!")
    assert message.startswith("deployment.build_conf: found 'N6 Audio bare metal!'; allowed, by ")
    assert message.endswith("N6 Audio Bare Metal, N6 Audio Thread X (did you mean N6 Audio Bare Metal?)")


def test_no_project(project, tmp_path):
    assert refused(None).startswith("deployment.c_project_path: not set")
    assert "is not there (the working directory is" in refused(tmp_path / "none")
    assert "is a file" in refused(project / CONF)
    (tmp_path / "empty").mkdir()
    assert f"there is no {CONF} in" in refused(tmp_path / "empty")


def test_cubeides_files(project):
    file = project / "Projects/CubeIDE/.project"
    write(file, PROJECT_XML.replace("<name>GS Audio</name>", ""))
    assert refused(project) == f"{file}: the element <name> of the CubeIDE project is missing"
    write(file, "<project")
    assert refused(project).startswith(f"{file}: no XML")
    write(file, PROJECT_XML)
    write(project / "Projects/CubeIDE/.cproject", CPROJECT_XML.replace('"BM"', '"BM2"'))
    assert refused(project).endswith("BM2, TX (did you mean BM2?)")


def test_several_profiles(project):
    write(project / "old/user_neural_art.json", "{}")
    message = refused(project)
    assert "several files user_neural_art.json" in message and "by the key 'user_neural_art'" in message


def test_bytes_that_are_no_text(project):
    (project / CONF).write_bytes(b'{"configurations": "\xff"}')
    assert "no text in UTF-8" in refused(project)


def test_names_that_cubeide_would_take_for_patterns(project):
    write(project / "Projects/CubeIDE/.project", PROJECT_XML.replace("GS Audio", "Audio (N6+)"))
    toolbox = Toolbox(*[Path("tool")] * 4)
    found = read(project)
    steps = {step.name: step for step in steps_of(toolbox, Path("m"), found, Places(project, found.application), None)}
    assert steps["build"].words[-2:] == ("-cleanBuild", r"Audio \(N6\+\)/BM")


def test_an_interrupted_change_is_taken_back(project, tmp_path):
    before, new = contents(project), write(tmp_path / "new", "new")
    changes = {project / "FSBL/ai_fsbl.hex": new, project / "other/new.c": new}
    made = project / "made.bin"
    with (
        pytest.raises(KeyboardInterrupt),
        changed_project(project, changes, lambda: [made] if made.exists() else [], tmp_path / "kept") as replaced,
    ):
        assert replaced == [project / "FSBL/ai_fsbl.hex"]
        assert {path.read_text(encoding="utf-8") for path in changes} == {"new"}
        write(made, "half")
        raise KeyboardInterrupt
    assert contents(project) == before
    assert contents(tmp_path / "kept") == {"FSBL/ai_fsbl.hex": before["FSBL/ai_fsbl.hex"]}


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
    write(project / "STM32CubeIDE/.project", PROJECT_XML)
    found = read(project)
    assert found.location == project / "STM32CubeIDE" and len(found.templates) == 7
    assert found.fsbl == project / "FSBL/ai_fsbl.hex"
