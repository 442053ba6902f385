"""Whatever happens to the line, the tab or the session: nothing is lost, and the page says how it stands."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.acceptance.conftest import SCREENSHOTS, NewContext, sign_in
from tests.acceptance.screen import PATIENCE, Screen
from tests.network import Network
from tests.stack import Stack

pytestmark = [
    pytest.mark.browser, pytest.mark.docker, pytest.mark.redis, pytest.mark.timeout(300, func_only=True),
    pytest.mark.usefixtures("nothing_is_left"),
]  # fmt: skip

OFFLINE = 10_000


@pytest.fixture
def network(stack: Stack) -> Iterator[Network]:
    with Network(stack.port) as network:
        yield network


def test_ten_seconds_offline_in_the_middle_of_a_run_lose_nothing(new_context: NewContext, network: Network) -> None:
    context = new_context(base_url=network.url)
    screen = Screen(context.new_page())
    address = screen.create()
    screen.run("import time\nfor i in range(85): print('line', i); time.sleep(0.17)")
    screen.shows("line 5")
    page = screen.page
    with network.gone():
        context.set_offline(True)
        page.get_by_role("button", name="Add code cell").first.click()
        screen.run("ran = globals().get('ran', 0) + 1; print('ran', ran)", 2)
        offline = page.locator(".banners .notice").filter(has_text="You are offline.")
        expect(offline).to_contain_text("what you type is kept", timeout=OFFLINE)
        expect(offline).to_contain_text(re.compile("Trying again"))
        expect(screen.state).to_have_attribute("aria-label", re.compile("Disconnected"))
        page.screenshot(path=SCREENSHOTS / "offline.png")
        page.wait_for_timeout(2000)
        context.set_offline(False)
        expect(page.locator(".banners .notice").filter(has_text="The server cannot be reached.")).to_be_visible()
    page.get_by_role("button", name="Try now").click()
    expect(page.locator(".banners .notice")).to_have_count(0, timeout=PATIENCE)
    screen.shows("ran 1", 2)
    shown = [int(number) for number in re.findall(r"line (\d+)", screen.output().inner_text())]
    assert shown == list(range(85))
    expect(page.locator(".save-state")).to_contain_text("Saved", timeout=PATIENCE)
    page.goto(address)
    expect(page.get_by_role("region", name="Cell 2 of 2")).to_contain_text("ran = globals()")


def test_a_question_waits_through_a_reload(screen: Screen) -> None:
    screen.create()
    screen.run("print('Hello', input('Your name? '))")
    expect(screen.page.get_by_label("Your name?")).to_be_visible(timeout=PATIENCE)
    screen.page.reload()
    answer = screen.page.get_by_label("Your name?")
    answer.fill("Ada")
    answer.press("Enter")
    screen.shows("Hello Ada")
    screen.finished()


def test_a_session_that_ends_in_the_middle_of_a_run_says_so_in_every_tab(
    screen: Screen, new_context: NewContext, stack: Stack
) -> None:
    address = screen.create()
    screen.run("import time\nprint('begun')\nwhile True: time.sleep(0.1)")
    screen.shows("begun")
    second = Screen(new_context().new_page())
    second.page.goto(address)
    second.shows("begun")
    expect(second.state).to_have_attribute("aria-label", re.compile("Busy"), timeout=PATIENCE)
    [session] = stack.live(identifier__startswith="notebook-", tenant__slug="acme", state="leased")[-1:]
    stack.console.end(session=session["id"])
    for tab in (screen, second):
        expect(tab.page.get_by_text("The session has ended.")).to_be_visible(timeout=PATIENCE)
        tab.shows("begun")
        expect(tab.state).to_have_attribute("aria-label", re.compile("Ended"))
    screen.page.get_by_role("button", name="New session").click()
    screen.run("print('again')")
    screen.shows("again")


def test_who_is_signed_out_signs_in_elsewhere_and_the_page_goes_on(new_context: NewContext) -> None:
    context = new_context(storage_state=None)
    screen = Screen(context.new_page())
    sign_in(screen.page)
    screen.create()
    screen.run("x = 41; print('ready')")
    screen.shows("ready")
    other = context.new_page()
    other.goto("/notebooks/")
    other.locator("#account summary").click()
    other.get_by_role("button", name="Sign out").click()
    told = screen.page.locator(".banners .notice").filter(has_text="You are signed out.")
    expect(told).to_be_visible(timeout=PATIENCE)
    screen.run("x += 1; print('x is', x)")
    with context.expect_page() as opened:
        told.get_by_role("link", name="Sign in again").click()
    sign_in(opened.value)
    expect(told).to_have_count(0, timeout=PATIENCE)
    screen.shows("x is 42")
    expect(screen.page.locator(".save-state")).to_contain_text("Saved", timeout=PATIENCE)


def test_an_idle_session_is_kept_by_a_button_and_its_menu_tells_its_end(screen: Screen, stack: Stack) -> None:
    with stack.pool("short", cooldown=16):
        screen.create("short")
        screen.run("1")
        screen.finished()
        screen.state.click()
        expect(screen.page.locator(".session-menu .sheet")).to_contain_text(
            "if nothing happens. A running cell counts as use."
        )
        screen.state.click()
        ending = screen.page.locator(".banners .notice").filter(has_text="This session ends in")
        expect(ending).to_be_visible(timeout=PATIENCE)
        assert screen.page.title().startswith("⚠ ")
        screen.page.screenshot(path=SCREENSHOTS / "ends-soon.png")
        ending.get_by_role("button", name="Keep running").click()
        expect(ending).to_have_count(0)
        assert not screen.page.title().startswith("⚠ ")
