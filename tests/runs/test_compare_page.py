"""The page of a comparison: its text, and what a real browser makes of it."""

import html
import json
import re
import shutil
import subprocess
from pathlib import Path

import fake_runs
import pytest

import reverie
from reverie.evaluation.comparison import page

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--window-size=1300,2200",
    "--virtual-time-budget=20000",
)  # fmt: skip
TASKS = ("dm_control/walker-walk-v0", "dm_control/hopper-hop-v0")
PROBE = """
<script>addEventListener("load", () => setTimeout(() => {
  const inside = root => [...root.querySelectorAll("*")]
    .flatMap(e => [e, ...(e.shadowRoot ? inside(e.shadowRoot) : [])]);
  const canvases = inside(document).filter(e => e.tagName === "CANVAS");
  const painted = canvases.filter(c => c.width > 100 && c.getContext("2d")
    .getImageData(0, 0, c.width, c.height).data.some((x, i) => i % 4 === 0 && x > 0 && x < 200));
  const table = document.querySelectorAll("table")[1];
  const column = name => [...table.tHead.rows[0].cells].findIndex(cell => cell.textContent === name);
  const means = () => [...table.tBodies[0].rows].map(row => row.cells[column("mean")].dataset.value);
  const press = name => table.tHead.rows[0].cells[column(name)].querySelector("button").click();
  press("mean"); const up = means(); press("mean"); const down = means();
  const box = document.querySelector("#legend input"); box.click();
  const hidden = Bokeh.documents.flatMap(d => [...(d.all_models ?? d._all_models.values())])
    .filter(m => m.tags?.includes(box.value) && m.visible === false).length;
  const probe = {painted: painted.length, up, down, hidden, errors: window.errors,
    wide: document.documentElement.scrollWidth - innerWidth, asked: performance.getEntriesByType("resource").length};
  const place = document.createElement("pre"); place.id = "probe"; place.textContent = JSON.stringify(probe);
  document.body.append(place);
}, 4000));</script>
"""
CATCH = "<script>window.errors = []; addEventListener('error', e => errors.push(e.message));</script>"


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> Path:
    """Two tasks x two seeds of a method with a hostile name, one cell not done, beside published scores."""
    returns = [(at, at / 1_000) for at in range(1_000, 100_001, 1_000)]
    cells = {
        ("<b>mine</b>", task, seed): {
            "returns": [(at, value * (1 + seed)) for at, value in returns],
            "frames": 100_000,
            "seconds": ((50_000, 600), (100_000, 1_200)),
        }
        for task in TASKS
        for seed in range(2)
    }
    cells["<b>mine</b>", TASKS[0], 1] |= {"done": False, "returns": returns[:60], "seconds": ((50_000, 600),)}
    folder = tmp_path_factory.mktemp("page")
    found = reverie.compare(fake_runs.sweep(folder / "sweep", cells), published=["dreamer_v1", "planet"])
    (folder / "index.html").write_text(page.html(found))
    return folder / "index.html"


def test_the_page_asks_nothing_of_the_network_and_escapes_names(report):
    text = report.read_text()
    assert "default-src 'none'" in text
    body = text[text.rindex("<body>") :]
    assert not re.search(r"""(src|href)\s*=\s*["']""", body)
    assert "<b>mine" not in body
    assert "&lt;b&gt;mine&lt;/b&gt; on 2 tasks" in body
    assert "3 of 4 cells are done" in body
    assert len(text) < 1_600_000


def test_the_page_says_that_one_seed_has_no_interval(tmp_path):
    run = fake_runs.run(tmp_path / "run", [(at, at / 100) for at in range(100, 10_001, 100)])
    text = page.html(reverie.compare(run))
    assert "One seed: no interval is drawn." in text
    assert "One seed tells no interval: none is drawn for dreamer_v1." in text
    assert "Shaded" not in text


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="there is no Chromium here")
def test_a_browser_draws_sorts_and_hides(report, tmp_path):
    probed = report.read_text().replace("<title>", f"{CATCH}<title>", 1).replace("</body>", f"{PROBE}</body>")
    (tmp_path / "page.html").write_text(probed)
    command = [
        str(BROWSER),
        *FLAGS,
        f"--user-data-dir={tmp_path / 'user'}",
        "--dump-dom",
        f"file://{tmp_path}/page.html",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    found = re.search(r'<pre id="probe">(.*?)</pre>', done.stdout, re.DOTALL)
    assert found, done.stderr[-2_000:]
    probe = json.loads(html.unescape(found[1]))
    assert probe["errors"] == []
    assert probe["asked"] == 0
    assert probe["painted"] >= 2 + 4 + 3  # a panel a task, the aggregates, and what is shown over time
    known = [float(value) for value in probe["up"] if value]
    assert known == sorted(known)
    assert len(set(known)) > 3
    assert probe["down"] == probe["up"][::-1] or [float(x) for x in probe["down"] if x] == sorted(known, reverse=True)
    assert probe["hidden"] > 4
    assert probe["wide"] <= 0
