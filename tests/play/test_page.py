"""The page in a real browser: a click, a key, what is drawn, and nothing that goes wrong."""

import io
from threading import Thread

import chromium
import numpy as np
import pytest
from PIL import Image

from reverie.play.server import listen
from reverie.play.session import Session

pytest.importorskip("websockets")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(chromium.PROGRAM is None, reason="there is no Chromium here: apt-get install chromium"),
]


@pytest.fixture(scope="module")
def address(stage):
    with listen(lambda: Session(stage), port=0) as running:
        Thread(target=running.serve).start()
        yield running.address


@pytest.fixture(scope="module")
def browser():
    with chromium.browser() as opened:
        yield opened


@pytest.fixture
def page(browser, address):
    browser.errors.clear()
    browser.show(address)
    browser.wait_for("typeof state !== 'undefined' && state.about && state.moments.length === 1")
    yield browser
    assert browser.errors == []


def colors(canvas):
    """JavaScript for the number of different pixels of a canvas."""
    return (
        f"(canvas => new Set(new Uint32Array(canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height)"
        f".data.buffer)).size)(document.querySelector('{canvas}'))"
    )


def test_a_click_plays_and_another_pauses(page):
    page.click("#play")
    page.wait_for("state.at >= 3")
    page.click("#play")
    page.wait_for("!state.playing")
    assert page.evaluate("state.moments.at(-1).driver") == "policy"
    assert page.wait_for("$('latency').textContent").endswith("ms")


def test_a_key_takes_the_wheel_and_acts(page):
    page.press("ArrowRight")
    page.wait_for("state.at === 1")
    assert page.evaluate("[state.driver, state.moments[1].action[0]]") == ["person", 1]
    page.press(".")
    page.wait_for("state.at === 2")
    assert page.evaluate("state.moments[2].action[0]") == 0
    page.press("q")
    assert page.evaluate("state.driver") == "policy"


def test_both_worlds_and_the_curves_are_drawn(page):
    for at in (1, 2, 3):
        page.press(".")
        page.wait_for(f"state.at === {at}")
    for canvas in ("#real canvas", "#dream canvas"):
        assert page.evaluate(f"document.querySelector('{canvas}').width") == 16
        page.wait_for(f"{colors(canvas)} > 1")
    for canvas in ("#reward", "#value", "#surprise"):
        page.wait_for(f"{colors(canvas)} > 4")
    page.press("p")
    page.wait_for("$('scores').textContent.includes('plans by their predicted rewards')")
    assert page.evaluate("$('strip').children.length") == 3


def test_time_goes_back_and_another_future_leaves_the_old_one_faint(page):
    for at in (1, 2, 3):
        page.press(".")
        page.wait_for(f"state.at === {at}")
    page.press(",")
    page.press(",")
    page.wait_for("state.at === 1")
    assert page.evaluate("state.moments.length") == 4
    page.press("ArrowLeft")
    page.wait_for("state.at === 2 && state.moments.length === 3")
    assert page.evaluate("[state.ghosts.length, state.ghosts[0].from]") == [1, 2]


def test_the_dream_alone_hides_the_real_world(page):
    page.click("#worlds button:nth-child(2)")
    page.wait_for("$('real').hidden && !state.moments[0].real")
    page.press(".")
    page.wait_for("state.at === 1 && state.moments[1].surprise === null")


@pytest.mark.parametrize(("width", "height"), [(1280, 800), (390, 844)])
def test_the_page_fits_a_laptop_and_a_phone(browser, address, width, height):
    browser.show(address, width, height)
    browser.wait_for("typeof state !== 'undefined' && state.about && state.moments.length === 1")
    assert browser.evaluate("document.documentElement.scrollWidth <= innerWidth")
    seen = np.asarray(Image.open(io.BytesIO(browser.picture())).convert("RGB"))
    assert seen.shape == (height, width, 3)
    buttons = browser.evaluate(
        "[...document.querySelectorAll('.bar button')].map(x => x.getBoundingClientRect().bottom)"
    )
    assert max(buttons) < height, "the buttons are seen without scrolling"
