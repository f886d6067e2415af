"""Measure the prose: sentences of README, docs, docstrings and messages.

    python bench/prose.py                      # figures of this checkout
    python bench/prose.py --before a916872     # write bench/results/prose.json: that commit beside this checkout
    python bench/prose.py --check              # what `./check` asks: sentences too long, words not used
    python bench/prose.py --check reverie/runs # the same for some files or folders

A sentence ends at a period, question mark, exclamation mark or paragraph. Tables and code blocks are not prose; an item
of a list is a paragraph. A word stands between spaces and has a letter or digit. Docstrings are those of modules,
classes, functions and settings.
"""

import argparse
import ast
import json
import re
import statistics
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RESULT = ROOT / "bench" / "results" / "prose.json"
LONGEST = 30
"""Words of a sentence, at most."""
README = {"lines": 120, "words": 900, "numbers": 40, "pictures": 4}
"""What the README may have, at most."""
PACKAGES = ("reverie", "reverie_worlds", "studies", "examples", "bench")
WORDS: dict[str, str] = {
    r"behaviour\w*": "behavior",
    r"colour\w*": "color",
    r"(optim|normal|initial|regular|standard|minim|maxim|general|visual|organ|recogn)is(e[drs]?|ers|ing|ation)": "-ize",
    r"summaris(e|es|ed|ing)": "summarize",
    r"practis(e|es|ed|ing)": "practice",
    r"neighbour\w*": "neighbor",
    r"modell(ed|ing)": "modeled, modeling",
    r"labell(ed|ing)": "labeled, labeling",
    r"favour\w*": "favor",
    r"grey\w*": "gray",
    r"centre[ds]?": "center",
    r"nobody|somebody|whoever|whom": "a thing that is not a person",
}
"""Words that are not used, and what stands for them."""


def clean(paragraph: str) -> str:
    """A paragraph without the marks of Markdown: pictures, addresses of links, emphasis; code becomes one word."""
    paragraph = re.sub(r"!\[[^\]]*\]\([^)]*\)", " ", paragraph)
    paragraph = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", paragraph)
    paragraph = re.sub(r"``?[^`]+``?", "`code`", paragraph)
    return re.sub(r"[*_]{1,3}(?=\S)|(?<=\S)[*_]{1,3}", "", paragraph)


def paragraphs(text: str) -> Iterator[str]:
    """Paragraphs of Markdown or of a docstring. Code, tables, headings and formulas are left out."""
    lines: list[str] = []
    fenced = False
    for line in [*text.splitlines(), ""]:
        stripped = line.strip()
        skipped = ("|", "#", "<", "!!! ", "??? ", ":::")
        indented = line.startswith("    ") and not lines
        if stripped.startswith(("```", "~~~")) or stripped == "$$":
            fenced = not fenced
            stripped = ""
        elif fenced or indented or stripped.startswith((*skipped, "$$")) or re.match(r"[-=]{3,}$", stripped):
            stripped = ""
        item = re.match(r"(?:[-*+]|\d+\.)\s+(.*)", stripped)
        if (item or not stripped) and lines:
            yield clean(" ".join(lines))
            lines = []
        if stripped:
            lines.append(item.group(1) if item else stripped)


def sentences(text: str) -> Iterator[str]:
    for paragraph in paragraphs(text):
        joined = re.sub(r"\b(e\.g|i\.e|cf|vs|Eq|Sec|Fig|Alg|App|et al|etc|approx|No)\.", r"\1", paragraph)
        for sentence in re.split(r"(?<=[.!?])[\"')\]]*\s+(?=[\"'(\[`]*[A-Z0-9`])", joined):
            if count_words(sentence):
                yield sentence.strip()


def count_words(text: str) -> int:
    return sum(bool(re.search(r"\w", word)) for word in text.split())


def docstrings(source: str) -> Iterator[str]:
    """Every docstring of a module, and every string that describes a setting."""
    for node in ast.walk(ast.parse(source)):
        body = getattr(node, "body", None)
        for statement in body if isinstance(body, list) else []:
            value = getattr(statement, "value", None) if isinstance(statement, ast.Expr) else None
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                first, _, rest = value.value.partition("\n")
                yield first + "\n" + textwrap.dedent(rest)


def texts(path: Path) -> list[str]:
    """The prose of a file: a page, or the docstrings of a module and the Markdown cells of a notebook."""
    text = path.read_text()
    cells = re.findall(r"^# %% \[markdown\]\n((?:#.*\n)+)", text, re.MULTILINE)
    return [text] if path.suffix == ".md" else [*docstrings(text), *(re.sub(r"(?m)^# ?", "", cell) for cell in cells)]


def files_below(tree: Path, names: list[str]) -> list[Path]:
    """Pages and modules in these files and folders."""
    found: list[Path] = []
    for name in names:
        path = tree / name
        found += [path] if path.is_file() else [*sorted(path.rglob("*.md")), *sorted(path.rglob("*.py"))]
    return found


def all_files(tree: Path) -> dict[str, list[Path]]:
    """The files of each part of the prose."""
    pages = [path for path in [*tree.glob("*.md"), *sorted((tree / "docs").rglob("*.md"))] if path.name != "README.md"]
    studies = [*sorted((tree / "studies").rglob("*.md")), *sorted((tree / "examples").rglob("*.md"))]
    return {
        "readme": [tree / "README.md"],
        "docs": [*pages, *studies],
        "docstrings": [path for path in files_below(tree, list(PACKAGES)) if path.suffix == ".py"],
    }


def readme_figures(tree: Path) -> dict[str, int]:
    """Lines, words, numbers and pictures of the README. Numbers in code and in addresses do not count."""
    text = (tree / "README.md").read_text()
    prose = re.sub(r"```.*?```", " ", text, flags=re.DOTALL)
    pictures = len(re.findall(r"!\[[^\]]*\]\((?!https://img)", prose)) + len(re.findall(r"<img ", prose))
    prose = re.sub(r"<[^>]*>", " ", prose)
    prose = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r" \1 ", prose)
    numbers = re.findall(r"(?<![\w./-])-?\d[\d,]*(?:\.\d+)?(?![\w/-])", re.sub(r"`[^`]*`", " ", prose))
    return {
        "lines": len(text.splitlines()),
        "words": len(text.split()),
        "numbers": len(numbers),
        "pictures": pictures,
    }


def figures(tree: Path) -> dict[str, object]:
    result: dict[str, object] = {"README": readme_figures(tree)}
    for part, files in all_files(tree).items():
        lengths = [count_words(s) for path in files for text in texts(path) for s in sentences(text)]
        result[part] = {
            "sentences": len(lengths),
            "median_words": statistics.median(lengths),
            "longest": max(lengths),
            f"over_{LONGEST}": sum(length > LONGEST for length in lengths),
        }
    return result


def faults(path: Path, tree: Path) -> Iterator[str]:
    """What is wrong with a file's prose, a line each."""
    name = path.relative_to(tree)
    for text in texts(path):
        for sentence in sentences(text):
            if (length := count_words(sentence)) > LONGEST:
                yield f"{name}: {length} words: {sentence}"
            said = re.sub(r'"[^"]*"', " ", sentence)  # a quoted word may be any
            for pattern, instead in WORDS.items():
                for match in re.finditer(rf"\b(?:{pattern})\b", said, flags=re.IGNORECASE):
                    yield f"{name}: `{match.group()}` ({instead}): {sentence}"


def checkout(commit: str, folder: Path) -> Path:
    archive = subprocess.run(["git", "archive", commit], cwd=ROOT, capture_output=True, check=True).stdout
    subprocess.run(["tar", "-x", "-C", str(folder)], input=archive, check=True)
    return folder


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--check", action="store_true", help="list what is wrong; exit code 1 if anything is")
    parser.add_argument("--before", metavar="COMMIT", help=f"compare with a commit, in {RESULT.relative_to(ROOT)}")
    parser.add_argument("paths", nargs="*", help="files and folders to check (default: all)")
    options = parser.parse_args()
    if options.check:
        named = [path.relative_to(ROOT) for part in all_files(ROOT).values() for path in part]
        wrong = [
            fault
            for path in files_below(ROOT, options.paths or [str(path) for path in named])
            for fault in faults(path, ROOT)
        ]
        if not options.paths:
            has = readme_figures(ROOT)
            wrong += [
                f"README.md: {has[name]} {name}, at most {most}" for name, most in README.items() if has[name] > most
            ]
        print("\n".join(wrong))
        return int(bool(wrong))
    results: dict[str, object] = {"now": figures(ROOT)}
    if options.before:
        with tempfile.TemporaryDirectory() as folder:
            results = {f"before ({options.before})": figures(checkout(options.before, Path(folder))), **results}
        command = f"python bench/prose.py --before {options.before}"
        RESULT.write_text(json.dumps({"command": command, "results": results}, indent=1) + "\n")
    print(json.dumps(results, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
