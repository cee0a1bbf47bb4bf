"""The pages of the site: README as the first one, docs/, and the list of examples, links between them.

``make docs`` calls it, and then MkDocs on what it wrote: ``python docs/site.py build/site-pages``.
"""

import re
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGES = {
    "README.md": "index.md",
    "examples/README.md": "examples.md",
    "examples/assignments/README.md": "assignments.md",
    "CONTRIBUTING.md": "contributing.md",
}
_LINK = re.compile(r"(?<=\]\()(?!https?:|#)([^)#]+)")


def page(path: Path) -> str:
    """The text of a page; what a link leads to that is no page is named, and not linked."""
    names = {str((ROOT / source).resolve()): name for source, name in PAGES.items()}
    names.update({str(found): found.name for found in (ROOT / "docs").glob("*.md")})

    def target(found: re.Match[str]) -> str:
        to = (path.parent / found[1]).resolve()
        if str(to) in names:
            return names[str(to)]
        return f"files/{to.relative_to(ROOT)}" if to.is_file() else found[1]

    return _LINK.sub(target, path.read_text(encoding="utf-8"))


def linked_files(path: Path) -> set[Path]:
    """Files of the repository that a page links to or shows, which are no pages."""
    found = {
        (path.parent / link).resolve() for link in _LINK.findall(path.read_text(encoding="utf-8"))
    }
    return {file for file in found if file.is_file() and file.suffix != ".md"}


def main(folder: Path) -> None:
    """Write all pages into a folder."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    pages = {ROOT / source: name for source, name in PAGES.items()}
    pages.update({found: found.name for found in sorted((ROOT / "docs").glob("*.md"))})
    for source, name in pages.items():
        (folder / name).write_text(page(source), encoding="utf-8")
        for file in linked_files(source):
            to = folder / "files" / file.relative_to(ROOT)
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, to)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
