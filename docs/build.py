"""Build the documentation site from the pages of the repository: `make docs`, then open `build/site/index.html`.

Pages lie in the site as they lie in the repository, so one relative link works in both. The README is the front page.
A linked source file becomes a page with its code, and a notebook one with text and figures. Equations become MathML, so
nothing is fetched from the network.
Warnings, missing links and external assets end the build with exit code 1.
"""

import html
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import notebooks
from latex2mathml.converter import convert

ROOT = Path(__file__).resolve().parent.parent
PAGES, SITE = ROOT / "build" / "pages", ROOT / "build" / "site"
LINK = re.compile(r"(?<=\]\()([^)#\s]+)")
CODE = {".py": "python", ".sh": "bash", ".toml": "toml", ".json": "json", ".cff": "yaml", "": "text"}
"""Languages of linked files that become pages."""
FOLDERS = ("docs", "studies", "examples")
"""Folders whose Markdown and pictures belong to the site."""
ASSET = re.compile(r"<(?:script|img|link|iframe)\b[^>]*\b(?:src|href)=\"?(?:https?:)?//[^\s\">]+[^>]*>")


def pages() -> list[Path]:
    """Return the Markdown pages and notebooks of the site, as paths from the repository's root."""
    found = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.md"))]
    found += sorted(notebooks.FOLDER.glob("*.py"))
    return [path.relative_to(ROOT) for path in [*ROOT.glob("*.md"), *found]]


def copy_page(page: Path) -> set[Path]:
    """Copy a page to `PAGES`, with links to code led to pages of code. Return the linked files, from the root."""
    linked: set[Path] = set()

    def lead(match: re.Match[str]) -> str:
        target = match[1]
        if re.match(r"\w+:", target):
            return target
        path = Path(os.path.normpath(page.parent / target))
        if (ROOT / path).is_dir():
            raise SystemExit(f"{page}: link to a page or file in `{target}`, not to the folder.")
        if not (ROOT / path).exists():
            raise SystemExit(f"{page}: `{target}` does not exist.")
        if path == Path("README.md"):
            return os.path.relpath("index.md", page.parent)
        linked.add(path)
        return f"{target}.md" if path.suffix in CODE else target

    def lead_links(text: str) -> str:
        return LINK.sub(lead, text)

    copy = PAGES / ("index.md" if page == Path("README.md") else page)
    copy.parent.mkdir(parents=True, exist_ok=True)
    if page.suffix == ".md":
        copy.write_text(lead_links((ROOT / page).read_text()))
        return linked
    copy.with_name(f"{page.name}.md").write_text(notebooks.page(ROOT / page, lead_links))
    return linked


def copy_linked(path: Path) -> None:
    """Copy a linked picture, or write the page of a linked source file."""
    copy = PAGES / path
    copy.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix in CODE:
        code = (ROOT / path).read_text()
        # Material draws no table of contents for code; a JSON of thousands of lines is cut.
        lines = code.splitlines()
        shown = "\n".join(lines[:600]) + ("\n..." if len(lines) > 600 else "")
        fence = "~~~~~~"
        copy.with_name(f"{path.name}.md").write_text(
            f"---\nhide: [toc]\n---\n# `{path}`\n\n{fence}{CODE[path.suffix]}\n{shown}\n{fence}\n"
        )
    elif path.suffix != ".md":
        shutil.copy(ROOT / path, copy)


def write_mathml(page: Path) -> None:
    """Replace the equations of a built page by MathML."""

    def replace(match: re.Match[str]) -> str:
        display = match[1] == "["
        return convert(html.unescape(match[2]).strip(), display="block" if display else "inline")

    text = page.read_text()
    page.write_text(re.sub(r"\\([(\[])(.*?)\\[)\]](?=</(?:span|div)>)", replace, text, flags=re.DOTALL))


def main() -> int:
    shutil.rmtree(PAGES, ignore_errors=True)
    linked = set().union(*(copy_page(page) for page in pages()))
    for path in sorted(linked - set(pages())):
        copy_linked(path)
    folder = PAGES / notebooks.FOLDER.relative_to(ROOT)
    notebooks.write(folder)
    shutil.copytree(notebooks.FOLDER / "figures", folder / "figures")
    command = [sys.executable, "-m", "zensical", "build", "--strict", "--clean"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    print(re.sub(r"\x1b\[[\d;]*m", "", done.stdout + done.stderr).strip())  # it colors pipes too
    if done.returncode:
        return 1
    built = sorted(SITE.rglob("*.html"))
    for page in built:
        write_mathml(page)
    external = [f"{page.relative_to(SITE)}: {tag[0]}" for page in built for tag in ASSET.finditer(page.read_text())]
    print("\n".join(external) or f"{len(built)} pages: {SITE.relative_to(ROOT) / 'index.html'}")
    return int(bool(external))


if __name__ == "__main__":
    sys.exit(main())
