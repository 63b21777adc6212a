"""Hooks of the documentation site: pages that lie elsewhere in the repository, notebooks, and the links to them."""

import json
import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
PAGES = {
    "changelog.md": ROOT / "CHANGELOG.md",
    "contributing.md": ROOT / "CONTRIBUTING.md",
    **{f"zoo/{card.parent.name}.md": card for card in sorted((ROOT / "src/sezoo/zoo").glob("*/README.md"))},
}
"""Sources of the pages outside of docs/, by their place on the site."""

LINK = re.compile(r"(?<!!)\[(?P<text>[^\]]*)\]\((?P<target>[^)#:]+)(?P<anchor>#[^)]*)?\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add those pages, and one for each notebook."""
    for place, source in PAGES.items():
        files.append(File.generated(config, place, abs_src_path=str(source)))
    for notebook in sorted(Path(config.docs_dir).glob("notebooks/*.ipynb")):
        place = notebook.relative_to(config.docs_dir).with_suffix(".md").as_posix()
        files.append(File.generated(config, place, content=page_of_notebook(notebook)))
    return files


def page_of_notebook(path: Path) -> str:
    """A notebook's cells as Markdown, its title first, then where the notebook itself is."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    texts = ["".join(cell["source"]) for cell in cells]
    title, _, rest = texts[0].partition("\n")
    parts = [title, f"A notebook to [download]({path.name}) and run; its outputs are left out here.", rest.strip()]
    for cell, text in zip(cells[1:], texts[1:], strict=True):
        parts.append(f"```python\n{text}\n```" if cell["cell_type"] == "code" else text)
    return "\n\n".join(parts) + "\n"


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Links to files of the repository lead to their page; those to files without one are text."""
    here = page.file.src_uri
    source = PAGES.get(here, Path(config.docs_dir, here))
    places = {path: place for place, path in PAGES.items()}

    def on_the_site(link: re.Match[str]) -> str:
        path = Path(posixpath.normpath((source.parent / link["target"]).as_posix()))
        if path in places:
            place = places[path]
        elif path.is_relative_to(config.docs_dir) and path.suffix != ".ipynb":
            place = path.relative_to(config.docs_dir).as_posix()
        else:
            return link["text"] if path.exists() else link[0]
        return f"[{link['text']}]({posixpath.relpath(place, posixpath.dirname(here))}{link['anchor'] or ''})"

    return LINK.sub(on_the_site, markdown)
