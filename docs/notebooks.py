"""Make files of Jupyter and pages of the site from notebooks, which are Python files with percent cells (jupytext).

    python docs/notebooks.py FOLDER       # write an .ipynb file for each file of examples/notebooks

A figure that a cell saves as `NAME.png` is shown below the cell if `figures/NAME.png` lies beside the notebook.
"""

import base64
import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent.parent / "examples" / "notebooks"
MARK = re.compile(r"^# %%(.*)\n", re.MULTILINE)
LINK = re.compile(r"(?<!!)\[([^\]]*)\]\((?!\w+:)(?:\.\./)*([^)]*)\)")
FIRST = """\
[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/#upload)

In Colab, upload this file. Then install Reverie by the next cell, from the address `URL` of its repository. On a
machine of your own, install the checkout: `pip install -e .`
"""
INSTALL = "# %pip install git+URL"


def cells(text: str) -> Iterator[tuple[str, str]]:
    """Return the cells of a percent file in order: `markdown` or `code`, and its text."""
    _, *parts = MARK.split(text)
    for kind, body in zip(parts[::2], parts[1::2]):
        if kind.strip() == "[markdown]":
            yield "markdown", re.sub(r"^# ?", "", body.strip(), flags=re.MULTILINE)
        else:
            yield "code", body.strip()


def figures(notebook: Path, code: str) -> list[Path]:
    """Return the figures that a cell saves and that lie beside the notebook."""
    paths = [notebook.parent / "figures" / name for name in re.findall(r'savefig\("([^"]+)"', code)]
    return [path for path in paths if path.exists()]


def jupyter(notebook: Path) -> dict[str, Any]:
    """Return the content of an .ipynb file (format 4.5). Links to files of the repository become their names."""
    parts = list(cells(notebook.read_text()))
    parts[1:1] = [("markdown", FIRST), ("code", INSTALL)]  # below the title
    content = []
    for number, (kind, text) in enumerate(parts):
        cell: dict[str, Any] = {"cell_type": kind, "id": f"cell-{number}", "metadata": {}}
        cell["source"] = LINK.sub(r"\1 (`\2`)", text) if kind == "markdown" else text
        if kind == "code":
            pngs = [base64.b64encode(path.read_bytes()).decode() for path in figures(notebook, text)]
            outputs = [{"output_type": "display_data", "metadata": {}, "data": {"image/png": png}} for png in pngs]
            cell |= {"execution_count": None, "outputs": outputs}
        content.append(cell)
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return {"cells": content, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}


def page(notebook: Path, lead: Callable[[str], str]) -> str:
    """Return a notebook as Markdown: text by `lead`, code, and the figures beside the notebook."""
    parts, name = [], notebook.stem
    for number, (kind, text) in enumerate(cells(notebook.read_text())):
        parts.append(lead(text) if kind == "markdown" else f"~~~~~~python\n{text}\n~~~~~~")
        if kind == "code":
            parts += [f"![Figure of the cell above](figures/{path.name})" for path in figures(notebook, text)]
        if number == 0:
            parts.append(
                f"*Run it: `python examples/notebooks/{name}.py`, or [the notebook]({name}.ipynb) in Jupyter.*"
            )
    return "\n\n".join(parts) + "\n"


def write(folder: Path) -> list[Path]:
    """Write all notebooks into `folder` as .ipynb files, and return these."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for notebook in sorted(FOLDER.glob("*.py")):
        written.append(folder / f"{notebook.stem}.ipynb")
        written[-1].write_text(json.dumps(jupyter(notebook), indent=1) + "\n")
    return written


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    print("\n".join(map(str, write(Path(sys.argv[1])))))
