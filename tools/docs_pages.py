"""Hooks of the documentation site: pages that lie elsewhere in the repository, and the links to them."""

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
    """Add those pages."""
    for place, source in PAGES.items():
        files.append(File.generated(config, place, abs_src_path=str(source)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Links to files of the repository lead to their page; those to files without one are text."""
    here = page.file.src_uri
    source = PAGES.get(here, Path(config.docs_dir, here))
    places = {path: place for place, path in PAGES.items()}

    def on_the_site(link: re.Match[str]) -> str:
        path = Path(posixpath.normpath((source.parent / link["target"]).as_posix()))
        if path in places:
            place = places[path]
        elif path.is_relative_to(config.docs_dir):
            place = path.relative_to(config.docs_dir).as_posix()
        else:
            return link["text"] if path.exists() else link[0]
        return f"[{link['text']}]({posixpath.relpath(place, posixpath.dirname(here))}{link['anchor'] or ''})"

    return LINK.sub(on_the_site, markdown)
