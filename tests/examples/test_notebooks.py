"""Each notebook runs from its first to its last cell, at a tiny size, and becomes a file of Jupyter and a page."""

import ast
import base64
import json
import re
from pathlib import Path

import processes
import pytest
import scripts

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "examples" / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.py"))
by_notebook = pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)


@pytest.fixture(scope="module")
def notebooks():
    return scripts.load(ROOT / "docs" / "notebooks.py")


@pytest.fixture(scope="module")
def process():
    with processes.one_process(NOTEBOOK_UPDATES="10", MPLBACKEND="Agg", OMP_NUM_THREADS="1") as process:
        yield process


@pytest.mark.slow
@by_notebook
def test_a_notebook_runs_and_draws_the_figures_that_are_published(notebook, process, tmp_path):
    process.submit(processes.program, notebook, (), tmp_path).result()
    drawn = re.findall(r'savefig\("([^"]+)"', notebook.read_text())
    assert drawn
    for name in drawn:
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")
        assert (FOLDER / "figures" / name).stat().st_size < 150_000


@by_notebook
def test_a_notebook_is_a_lesson(notebook, notebooks):
    parts = list(notebooks.cells(notebook.read_text()))
    text = "\n".join(body for kind, body in parts if kind == "markdown")
    assert parts[0][0] == "markdown"
    assert parts[0][1].startswith("# ")
    assert "$$" in text
    assert "## Exercises" in text
    for link in re.findall(r"\]\(([^)#\s]+)", text):
        assert re.match(r"\w+:", link) or (notebook.parent / link).is_file(), link


@by_notebook
def test_the_file_of_jupyter_has_the_same_code_and_the_figures(notebook, notebooks):
    content = json.loads(json.dumps(notebooks.jupyter(notebook)))
    assert content["nbformat"] == 4
    assert len({cell["id"] for cell in content["cells"]}) == len(content["cells"])
    code = [cell for cell in content["cells"] if cell["cell_type"] == "code"]
    assert code[0]["source"] == "# %pip install git+URL"
    joined = "\n".join(cell["source"] for cell in code[1:])
    assert ast.dump(ast.parse(joined)) == ast.dump(ast.parse(notebook.read_text()))
    pictures = [base64.b64decode(output["data"]["image/png"]) for cell in code for output in cell["outputs"]]
    names = re.findall(r'savefig\("([^"]+)"', joined)
    assert pictures == [(FOLDER / "figures" / name).read_bytes() for name in names]


def test_cells_are_read(notebooks):
    text = "# %% [markdown]\n# # Title\n#\n# Text.\n\n# %%\nx = 1\n\n# a comment\ny = 2\n"
    assert list(notebooks.cells(text)) == [("markdown", "# Title\n\nText."), ("code", "x = 1\n\n# a comment\ny = 2")]


def test_a_page_has_text_code_and_figures(notebooks, tmp_path):
    notebook = tmp_path / "lesson.py"
    notebook.write_text('# %% [markdown]\n# # Title\n# [a](b.md)\n# %%\nx[0](1)\nfigure.savefig("one.png")\n')
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "one.png").write_bytes(b"png")
    page = notebooks.page(notebook, lambda text: text.replace("b.md", "c.md"))
    assert "# Title\n[a](c.md)\n" in page
    assert "~~~~~~python\nx[0](1)\n" in page
    assert page.endswith("![Figure of the cell above](figures/one.png)\n")
    assert "[the notebook](lesson.ipynb)" in page


def test_links_of_a_file_of_jupyter_name_the_files(notebooks):
    text = "[a page](../../docs/a.md), [a site](https://b.c)"
    assert notebooks.LINK.sub(r"\1 (`\2`)", text) == "a page (`docs/a.md`), [a site](https://b.c)"


def test_the_site_names_every_notebook():
    config = (ROOT / "mkdocs.yml").read_text()
    assert [path.name for path in NOTEBOOKS if f"examples/notebooks/{path.name}.md" not in config] == []


def test_the_prose_of_cells_is_checked_too(tmp_path):
    words = " ".join(["word"] * 31)
    (tmp_path / "lesson.py").write_text(
        f"# %% [markdown]\n# # Title\n#\n# A {words}.\n#\n# $$\n# x = 1\n# $$\n\n# %%\nx = 1\n"
    )
    prose = scripts.load(ROOT / "bench" / "prose.py")
    (fault,) = prose.faults(tmp_path / "lesson.py", tmp_path)
    assert fault.startswith("lesson.py: 32 words: A word")
