"""Several people at one notebook, links to frozen copies, and runs that need no tab."""

import re
import time
import uuid
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.acceptance.axe import faults
from tests.acceptance.conftest import SCREENSHOTS, NewContext, sign_in
from tests.acceptance.screen import PATIENCE, Screen
from tests.stack import Stack

pytestmark = [
    pytest.mark.browser, pytest.mark.docker, pytest.mark.redis, pytest.mark.timeout(300, func_only=True),
    pytest.mark.usefixtures("nothing_is_left"),
]  # fmt: skip

# A second, and then some for a loaded machine.
SOON = 5000


@pytest.fixture(scope="module")
def colleagues(stack: Stack) -> None:
    for name in ("bo", "vera"):
        stack.console.person(name=name, tenant="acme", role="member", password="secret")


@pytest.fixture
def window(new_context: NewContext, colleagues: None) -> Any:
    """A window of somebody's."""

    def of(name: str, address: str, **options: Any) -> Screen:
        screen = Screen(new_context(storage_state=None, **options).new_page())
        sign_in(screen.page, name)
        screen.page.wait_for_url("**/notebooks/")
        screen.page.goto(address)
        return screen

    return of


def share(page: Page, name: str, role: str) -> None:
    page.get_by_role("button", name="Share", exact=True).click()
    dialog = page.get_by_role("dialog", name="Share")
    dialog.get_by_label("Name").fill(name)
    dialog.get_by_label("What this person may").select_option(role)
    dialog.get_by_role("button", name="Add").click()
    expect(dialog.get_by_label(f"What {name} may")).to_have_value(role)
    page.screenshot(path=SCREENSHOTS / "share.png")
    page.keyboard.press("Escape")


def test_one_edits_the_others_see_it_and_the_editing_changes_hands(screen: Screen, window: Any) -> None:
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    address = screen.create()
    alice = screen.page
    screen.run("print('made by', 'alice')")
    screen.finished()
    share(alice, "bo", "editor")
    share(alice, "vera", "viewer")

    bo, vera = window("bo", address), window("vera", address)
    for other in (bo, vera):
        other.shows("made by alice")
        expect(other.page.get_by_text("alice is editing.")).to_be_visible()
        expect(other.page.get_by_role("list", name="Also here")).to_contain_text("alice, editing")
    expect(vera.page.get_by_role("button", name="Share", exact=True)).to_have_count(0)
    expect(vera.page.get_by_role("button", name="Terminal", exact=True)).to_have_count(0)

    # What alice types is there within a second or so, and before it is saved.
    screen.code(1).click()
    alice.keyboard.press("Control+End")
    alice.keyboard.type("  # live", delay=60)
    for other in (bo, vera):
        expect(other.code(1)).to_contain_text("# live", timeout=SOON)
    alice.get_by_role("button", name="Add code cell").click()
    expect(vera.code(2)).to_be_visible(timeout=SOON)

    # A viewer types nothing, and has nothing to run with.
    vera.code(1).click()
    vera.page.keyboard.type("nonsense")
    expect(vera.code(1)).not_to_contain_text("nonsense")
    vera.page.keyboard.press("Control+Enter")
    expect(vera.page.get_by_role("status").filter(has_text="You may look at this notebook")).to_be_visible()
    expect(vera.page.get_by_role("button", name="Run cell 1")).to_have_count(0)
    vera.page.screenshot(path=SCREENSHOTS / "looking-on.png")

    # Bo takes over: both see it, and what alice typed last is not lost.
    screen.code(1).click()
    alice.keyboard.press("Control+End")
    alice.keyboard.type(" to the last")
    bo.page.get_by_role("button", name="Take over").click()
    expect(alice.get_by_text("bo is editing.")).to_be_visible(timeout=8000)
    expect(bo.page.get_by_role("button", name="Take over")).to_have_count(0)
    expect(bo.code(1)).to_contain_text("to the last")
    alice.screenshot(path=SCREENSHOTS / "taken-over.png")
    bo.run("print('run by', 'bo')", cell=2)
    for other in (screen, vera, bo):
        other.shows("run by bo", cell=2)
    screen.finished(2)
    alice.reload()
    expect(screen.code(1)).to_contain_text("to the last")
    screen.shows("run by bo", cell=2)
    expect(alice.get_by_text("bo is editing.")).to_be_visible()

    # The list of bo's has it, and alice's second tab is no stranger.
    bo.page.goto("/notebooks/")
    expect(bo.page.get_by_role("region", name="Shared with you")).to_contain_text("by alice")
    expect(alice.get_by_text("bo is editing.")).to_have_count(0, timeout=8000)
    screen.run("print('mine again')", cell=2)
    screen.shows("mine again", cell=2)


def test_a_link_shows_a_copy_that_runs_nothing(screen: Screen, new_context: NewContext, stack: Stack) -> None:
    screen.create()
    alice = screen.page
    screen.run(
        "from IPython.display import HTML\nHTML('<b id=x>frozen</b><script>x.title = document.referrer</script>')"
    )
    screen.finished()
    alice.get_by_role("button", name="Share", exact=True).click()
    dialog = alice.get_by_role("dialog", name="Share")
    dialog.get_by_label("Opens for").select_option("public")
    dialog.get_by_role("button", name="Make a link").click()
    link = dialog.get_by_label(re.compile("^The link")).input_value()
    assert "/shared/" in link
    alice.keyboard.press("Escape")
    screen.write("print('later')")
    alice.keyboard.press("Control+s")

    stranger = new_context(storage_state=None, viewport={"width": 360, "height": 740}).new_page()
    asked: list[str] = []
    stranger.on("request", lambda request: asked.append(f"{request.method} {request.url}"))
    response = stranger.goto(link)
    assert response is not None
    assert response.headers["referrer-policy"] == "strict-origin"
    expect(stranger.get_by_role("textbox", name="Code of cell 1")).to_contain_text("HTML(")
    frame = stranger.frame_locator("iframe[title^='Output drawn by']")
    expect(frame.locator("#x")).to_have_text("frozen", timeout=PATIENCE)
    assert "shared" not in (frame.locator("#x").get_attribute("title") or ""), "the secret address stays with us"
    assert stranger.evaluate("document.documentElement.scrollWidth <= innerWidth"), "it fits a phone"
    stranger.get_by_role("textbox", name="Code of cell 1").click()
    stranger.keyboard.type("changed")
    stranger.keyboard.press("Control+Enter")
    expect(stranger.get_by_role("textbox", name="Code of cell 1")).not_to_contain_text("changed")
    assert not [line for line in asked if "/api/" in line or "/ws/" in line or line.startswith("POST")]
    stranger.screenshot(path=SCREENSHOTS / "shared-phone.png")
    with stranger.expect_download() as download:
        stranger.get_by_role("link", name="Download .ipynb").click()
    assert download.value.suggested_filename.endswith(".ipynb")
    for scheme in ("light", "dark"):
        stranger.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        assert faults(stranger) == []

    # Of a member it makes a notebook; revoked, it says so to everybody.
    member = new_context().new_page()
    member.goto(link)
    member.screenshot(path=SCREENSHOTS / "shared.png")
    member.get_by_role("button", name="Make a copy").click()
    member.wait_for_url(re.compile(r"/notebooks/[0-9a-f-]{36}/"))
    expect(member.get_by_label("Name of the notebook")).to_have_value(re.compile("^Copy of "))
    alice.get_by_role("button", name="Share", exact=True).click()
    expect(dialog).to_contain_text("Opened 2 times")
    assert faults(alice) == []
    dialog.get_by_role("button", name=re.compile("^Revoke")).click()
    expect(dialog.get_by_role("list", name="Links")).to_have_count(0)
    gone = stranger.goto(link)
    assert gone is not None
    assert gone.status == 410
    expect(stranger.get_by_role("heading", name="This link is not valid any more")).to_be_visible()


def ran(context: BrowserContext, stack: Stack, pool: str, count: int) -> bool:
    """Whether so many cells have run. What no tab has looked at yet is asked of its sandbox."""
    rows = stack.console.executions(session__pool__name=pool)
    states = [context.request.get(f"/api/v1/executions/{row['id']}").json().get("state") for row in rows]
    return states == ["ok"] * count


def test_cells_asked_for_during_a_start_run_with_every_tab_closed(screen: Screen, stack: Stack) -> None:
    # Of its own, also at a second try: what ran in it is counted.
    cold = f"cold-{uuid.uuid4().hex[:8]}"
    with stack.pool(cold, ready_instances=0, max_concurrent=2):
        stack.worker.stop()
        try:
            address = screen.create(cold)
            for cell, code in enumerate(
                ("import time; began = [1]", "began.append(2)", "print(began, time.time())"), 1
            ):
                screen.write(code, cell)
                screen.page.keyboard.press("Shift+Enter")
            region = screen.page.get_by_role("region", name=re.compile(r"^Cell 3 of \d+, code, number 3 in the queue"))
            expect(region).to_be_visible(timeout=PATIENCE)
            screen.page.keyboard.press("Control+s")
            screen.page.reload()
            expect(region, "a reload shows them with their places").to_be_visible(timeout=PATIENCE)
            screen.page.screenshot(path=SCREENSHOTS / "waiting.png")
            context = screen.page.context
            screen.page.close()
        finally:
            stack.worker.start()
        deadline = time.monotonic() + 120
        while not stack.states(cold)["leased"]:
            assert time.monotonic() < deadline
            time.sleep(0.2)
        while not ran(context, stack, cold, 3):
            assert time.monotonic() < deadline
            time.sleep(0.2)
        opened = time.time()
        later = Screen(context.new_page())
        later.page.goto(address)
        later.shows(re.compile(r"\[1, 2\] \d+"), cell=3)
        assert float(later.output(3).inner_text().split()[2]) < opened


def test_cells_wait_for_a_place_in_a_full_pool_and_run_with_every_tab_closed(screen: Screen, stack: Stack) -> None:
    with stack.pool("narrow", ready_instances=0, max_concurrent=1):
        context = screen.page.context
        holder = Screen(context.new_page())
        holder.create("narrow")
        holder.run("print('held')")
        holder.shows("held")
        address = screen.create("narrow")
        for cell, code in enumerate(("began = [1]", "began.append(2)", "began.append(3)", "print(began)"), 1):
            screen.write(code, cell)
            screen.page.keyboard.press("Shift+Enter")
        told = screen.page.locator(".banners .notice").filter(has_text="Waiting for a place.")
        expect(told).to_contain_text("All 1 sessions of this pool are in use", timeout=PATIENCE)
        expect(screen.state).to_have_attribute("aria-label", re.compile("Waiting for a place"))
        screen.page.screenshot(path=SCREENSHOTS / "waiting-for-a-place.png")
        # It survives a reload, and one is taken out.
        screen.page.keyboard.press("Control+s")
        screen.page.reload()
        expect(told).to_be_visible(timeout=PATIENCE)
        screen.page.get_by_text("4 waiting").click()
        screen.page.get_by_role("button", name="Take cell 3 out", exact=True).click()
        expect(screen.page.get_by_text("3 waiting")).to_be_visible()
        screen.page.close()
        (held,) = stack.console.sessions(pool__name="narrow", state="leased")
        stack.console.end(session=str(held["id"]))
        deadline = time.monotonic() + 60
        while not ran(context, stack, "narrow", 4):
            assert time.monotonic() < deadline
            time.sleep(0.2)
        later = Screen(context.new_page())
        later.page.goto(address)
        later.shows("[1, 2]", cell=4)
