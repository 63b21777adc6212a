"""The files around the package say what is so."""

import re
from pathlib import Path

import pytest
import yaml

from sezoo.base.version import __version__

ROOT = Path(__file__).parents[1]
FORMS = sorted(path for path in (ROOT / ".github").rglob("*.yml") if path.name != "config.yml")


def load(path):
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def test_the_citation_is_of_this_version():
    citation = load(ROOT / "CITATION.cff")
    assert citation["version"] == __version__
    assert {"cff-version", "message", "title", "authors", "license"} <= citation.keys()


def test_the_changelog_has_this_version_or_unreleased_changes():
    headings = re.findall(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert headings[0] == "Unreleased" or headings[0] == __version__


@pytest.mark.parametrize("form", [path for path in FORMS if path.parent.name == "ISSUE_TEMPLATE"], ids=lambda p: p.stem)
def test_issue_forms(form):
    content = load(form)
    assert {"name", "description", "body"} <= content.keys()
    for field in content["body"]:
        assert field["type"] in ("textarea", "input", "dropdown", "markdown")
        assert field["attributes"]["label"]


def test_the_workflow_runs_what_ci_runs():
    jobs = load(ROOT / ".github/workflows/tests.yml")["jobs"]
    assert {"run": ".ci/run"} in jobs["linux"]["steps"]
    assert jobs["linux"]["strategy"]["matrix"]["python"] == ["3.11", "3.13"]
    assert {"macos-latest", "windows-latest"} <= set(jobs["core"]["strategy"]["matrix"]["os"])


def test_the_image_copies_what_the_package_is_built_of():
    """What `.dockerignore` lets through is what the Dockerfile copies and pyproject.toml needs."""
    copied = re.findall(r"^COPY (?!--from)(.*) \S+$", (ROOT / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE)
    names = {name for line in copied for name in line.split()}
    let_through = re.findall(r"^!(\S+)$", (ROOT / ".dockerignore").read_text(encoding="utf-8"), re.MULTILINE)
    assert names == set(let_through) == {"pyproject.toml", "README.md", "LICENSE", "src"}
