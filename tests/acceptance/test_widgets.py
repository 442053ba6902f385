"""Widgets whose kernel is gone: what they showed stays, as all output does."""

import re

import pytest
from playwright.sync_api import FrameLocator, Locator, expect

from tests.acceptance.conftest import NewContext
from tests.acceptance.screen import PATIENCE, Screen
from tests.stack import Stack

pytestmark = [
    pytest.mark.browser, pytest.mark.docker, pytest.mark.redis, pytest.mark.timeout(600, func_only=True),
    pytest.mark.usefixtures("nothing_is_left"),
]  # fmt: skip
BARS = """
from tqdm.auto import tqdm
for i in tqdm(range(4), desc='outer'):
    for j in tqdm(range(20), desc=f'inner {i}', leave=False): pass
"""
SLIDER = "import ipywidgets\nslider = ipywidgets.IntSlider(value=5, description='n')\nslider"
GONE = "This widget’s kernel is gone"


def frame(output: Locator, number: int = 0) -> FrameLocator:
    return output.locator("iframe").nth(number).content_frame


def show_what_they_were(screen: Screen) -> None:
    expect(frame(screen.output(1)).get_by_text("outer: 100%")).to_be_visible(timeout=PATIENCE)
    expect(frame(screen.output(1)).get_by_text("4/4")).to_be_visible()
    expect(screen.output(1)).not_to_contain_text("inner")
    assert screen.output(1).locator("iframe").count() == 1
    expect(frame(screen.output(2)).locator(".widget-readout")).to_have_text("8", timeout=PATIENCE)


def test_bars_and_controls_are_as_they_were_when_their_kernel_is_gone(
    screen: Screen, stack: Stack, new_context: NewContext
) -> None:
    page = screen.page
    address = screen.create()
    screen.run(BARS)
    screen.finished()
    page.keyboard.press("Escape")
    page.keyboard.press("b")
    screen.run(SLIDER, 2)
    screen.finished(2)
    page.keyboard.press("Escape")
    page.keyboard.press("b")
    # A later cell changes it: what was saved of the earlier one follows.
    screen.run("slider.value = 8; print('moved')", 3)
    screen.shows("moved", 3)
    show_what_they_were(screen)
    expect(page.get_by_text(GONE)).to_have_count(0)
    identifier = f"notebook-{re.search('[0-9a-f-]{36}', address)[0]}"  # type: ignore[index]
    (session,) = stack.console.sessions(identifier__startswith=identifier)
    stack.console.end(session=str(session["id"]))
    elsewhere = Screen(new_context().new_page())
    elsewhere.page.goto(address)
    show_what_they_were(elsewhere)
    # A bar says all that there is to say; a control would invite to be used.
    expect(elsewhere.output(1)).not_to_contain_text(GONE)
    expect(elsewhere.output(2)).to_contain_text(GONE)
    handle = frame(elsewhere.output(2)).locator(".noUi-target")
    expect(handle).to_have_js_property("inert", True)
