"""The page as a browser shows it: Chromium, headless. Everything that takes a browser is here."""

import shutil
import time

import pytest

from hostile_names import HOSTILE
from hostile_runs import make_hostile
from sezoo.report.page import report_of

playwright = pytest.importorskip("playwright.sync_api", reason="the package playwright is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine")

POSITION = """() => {
  const figure = document.querySelector('.player'), sounds = [...figure.querySelectorAll('audio')];
  const heard = sounds.findIndex((sound) => !sound.paused);
  return {heard, seconds: heard < 0 ? null : sounds[heard].currentTime};
}"""


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as started:
        chromium = started.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--autoplay-policy=no-user-gesture-required"]
        )
        yield chromium
        chromium.close()


@pytest.fixture
def opened(browser, full_page):
    """Opens a page, that of a full run or another, with settings of the browser; whatever goes wrong fails the test."""
    troubles, contexts = [], []

    def open_page(path=full_page, **settings):
        contexts.append(browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **settings}))
        contexts[-1].set_default_timeout(300_000)  # of milliseconds: a busy machine draws slowly
        page = contexts[-1].new_page()
        page.on("console", lambda message: troubles.append(message.text))
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("dialog", lambda dialog: (troubles.append(dialog.message), dialog.dismiss()))
        page.on("request", lambda request: _is_local(request.url) or troubles.append(request.url))
        page.goto(path.as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert troubles == []


def _is_local(url):
    return url.startswith(("file:", "data:"))


def until(page, condition):
    """Wait until what the page plays is so; its own policy forbids what Playwright would do this with."""
    for _ in range(400):
        if condition(state := page.evaluate(POSITION)):
            return
        time.sleep(0.02)
    pytest.fail(f"it never came to that: {state}")


def first(page):
    return page.locator(".player").first


def chosen(page):
    return first(page).locator("button.version[aria-pressed=true]").inner_text()


def test_keys_switch_between_versions_and_keep_the_position(opened):
    page = opened()
    assert chosen(page) == "4 int8 on the board"
    page.keyboard.press("ArrowRight")
    page.keyboard.press(" ")
    until(page, lambda state: (state["seconds"] or 0) > 1.1)
    for key, label in (("1", "1 noisy"), ("5", "5 clean"), ("4", "4 int8 on the board"), ("2", "2 float")):
        before = page.evaluate(POSITION)["seconds"]
        page.keyboard.press(key)
        assert chosen(page) == label
        until(page, lambda state, heard=int(key) - 1: state["heard"] == heard)
        assert page.evaluate(POSITION)["seconds"] >= before - 0.1
        assert first(page).locator(".track:visible").count() == 1
    page.keyboard.press(" ")
    assert page.evaluate(POSITION)["heard"] == -1
    stopped = float(first(page).locator(".seek").input_value())
    page.keyboard.press("3")
    assert float(first(page).locator(".seek").input_value()) == pytest.approx(stopped, abs=0.02)


def test_a_click_on_the_spectrogram_moves_there_and_the_cursor_with_it(opened):
    page = opened()
    picture = first(page).locator(".track.chosen .timed")
    box = picture.bounding_box()
    picture.click(position={"x": box["width"] / 2, "y": 20})
    assert float(first(page).locator(".seek").input_value()) == pytest.approx(1.5, abs=0.02)
    cursor = picture.locator(".cursor").bounding_box()
    assert cursor["x"] - box["x"] == pytest.approx(box["width"] / 2, abs=2)
    first(page).locator("button.play").click()
    until(page, lambda state: (state["seconds"] or 0) > 1.6)
    assert page.locator(".player").nth(1).locator(".seek").input_value() == "0"


def test_keys_go_to_the_player_used_last_and_only_one_plays(opened):
    page = opened()
    page.keyboard.press(" ")
    until(page, lambda state: state["heard"] >= 0)
    page.locator(".player").nth(1).locator("button.play").click()
    page.keyboard.press("1")
    assert page.locator(".player").nth(1).locator("button[aria-pressed=true]").inner_text() == "1 noisy"
    assert chosen(page) == "4 int8 on the board"
    assert page.evaluate("[...document.querySelectorAll('audio')].filter((sound) => !sound.paused).length") == 1


def test_a_player_is_worked_without_a_mouse(opened):
    page = opened()
    play = first(page).locator("button.play")
    play.focus()
    page.keyboard.press("Enter")
    assert play.get_attribute("aria-label") == "Pause"
    page.keyboard.press(" ")  # on a button it is what presses it
    assert play.get_attribute("aria-label") == "Play"
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert chosen(page) == "1 noisy"
    page.keyboard.press("ArrowDown")
    assert chosen(page) == "2 float"


def test_a_narrow_page_does_not_scroll_sideways_and_every_picture_is_told_in_words(opened):
    page = opened(viewport={"width": 400, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") == 400
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") == 400
    assert page.locator("img").count() > 10
    assert page.locator("img:not([alt]), img[alt='']").count() == 0
    unnamed = "svg:not([aria-label]):not([aria-hidden=true])"
    assert page.locator("svg[role=img]").count() > 5
    assert page.locator(unnamed).count() == 0
    assert page.evaluate("[...document.images].every((image) => image.naturalWidth > 0)")


def test_light_dark_and_paper_have_their_colours(opened):
    ground = "getComputedStyle(document.body).backgroundColor"
    light, dark = (opened(color_scheme=scheme) for scheme in ("light", "dark"))
    assert light.evaluate(ground) == "rgb(253, 253, 253)"
    assert dark.evaluate(ground) == "rgb(20, 23, 27)"
    ink = "getComputedStyle(document.querySelector('svg[role=img] text')).fill"
    assert light.evaluate(ink) != dark.evaluate(ink)
    dark.emulate_media(media="print", color_scheme="dark")
    assert dark.evaluate(ground) == "rgb(255, 255, 255)"
    assert dark.locator(".player").first.locator(".track:visible").count() == 5
    assert dark.locator("button:visible").count() == 0
    assert dark.pdf().startswith(b"%PDF")


def test_without_scripts_the_sounds_have_controls_of_their_own(opened):
    page = opened(java_script_enabled=False)
    assert first(page).locator("audio:visible").count() == 5
    assert page.locator("button:visible").count() == 0


def test_hostile_names_run_nothing(opened, make_full_run, tmp_path):
    folder = make_full_run(tmp_path / "<img src=x onerror=window.hit=1>")
    make_hostile(folder, [name for name in HOSTILE if name])
    page = opened(report_of(folder))
    assert page.evaluate("typeof window.hit") == "undefined"
    assert page.title().startswith("<img src=x onerror=window.hit=1>")
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280
    assert "<script>window.hit = 1</script>" in page.locator("body").inner_text()
    page.screenshot(path=tmp_path / "hostile.png", full_page=True)
