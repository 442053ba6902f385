"""The story of a user: sign in, a notebook, cells that stream, draw and ask, a loop that is stopped."""

import re
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.acceptance.conftest import NewContext, sign_in
from tests.acceptance.screen import PATIENCE, Screen
from tests.stack import Stack

pytestmark = [
    pytest.mark.browser, pytest.mark.docker, pytest.mark.redis, pytest.mark.timeout(600, func_only=True),
    pytest.mark.usefixtures("nothing_is_left"),
]  # fmt: skip
COUNT = "import time\nfor i in range({}): print('line', i); time.sleep(0.5)"


def test_signing_in_leads_to_the_notebooks_and_a_wrong_password_does_not(new_context: NewContext) -> None:
    page = new_context(storage_state=None).new_page()
    page.goto("/notebooks/")
    expect(page).to_have_url(re.compile(r"/login\?next="))
    sign_in(page, password="wrong")
    expect(page.get_by_role("alert")).to_contain_text("do not match")
    sign_in(page)
    expect(page.get_by_role("heading", name="New notebook")).to_be_visible()


def test_output_appears_line_by_line_while_the_cell_runs(screen: Screen) -> None:
    screen.create()
    screen.run(COUNT.format(12))
    screen.shows("line 1")
    assert "line 11" not in screen.output().inner_text()
    screen.shows("line 11")
    screen.finished()


def test_the_first_result_of_a_new_notebook_comes_at_once(screen: Screen, stack: Stack) -> None:
    stack.wait_for_ready("python", 1)
    known = {one["id"] for one in stack.console.sessions(state="ready")}
    screen.create()
    screen.run("6 * 7")
    screen.shows("42")
    identifier = f"notebook-{re.search('[0-9a-f-]{36}', screen.page.url)[0]}"  # type: ignore[index]
    (session,) = stack.console.sessions(identifier__startswith=identifier)
    assert session["id"] in known, "it was there before anybody asked"


LOADED = """performance.getEntries().filter((each) => "transferSize" in each)
    .map(({ name, transferSize }) => ({ name, bytes: transferSize }))"""


def test_what_a_notebook_loads_comes_compressed_and_only_once(new_context: NewContext) -> None:
    context = new_context()
    first = Screen(context.new_page())
    address = first.create()
    # A window that has nothing kept.
    page = new_context().new_page()

    def load() -> list[dict[str, Any]]:
        page.goto(address)
        page.locator(".cm-content").first.wait_for()
        loaded: list[dict[str, Any]] = page.evaluate(LOADED)
        return loaded

    loaded = load()
    assert 50 * 1024 < sum(one["bytes"] for one in loaded) <= 350 * 1024, "the budget of a first load"
    assert len([one for one in loaded if "/document" in one["name"]]) == 1, "the page asks for what was preloaded"
    again = [one for one in load() if "/dist/assets/" in one["name"]]
    assert again
    assert {one["bytes"] for one in again} == {0}, "named by their content: kept, and not asked for again"


def test_a_plot_appears_as_a_picture(screen: Screen) -> None:
    screen.create()
    screen.run("import matplotlib.pyplot as plt\nplt.plot([1, 4, 9])\nplt.show()")
    picture = screen.output().get_by_role("img")
    expect(picture).to_be_visible(timeout=PATIENCE)
    assert picture.evaluate("picture => picture.decode().then(() => picture.naturalWidth)") > 100


def test_a_question_of_the_code_is_answered_on_the_page(screen: Screen) -> None:
    screen.create()
    screen.run("name = input('Your name? ')\nprint('Hello', name)")
    field = screen.output().get_by_label("Your name?")
    expect(field).to_be_focused(timeout=PATIENCE)
    field.fill("Ada")
    field.press("Enter")
    screen.shows("Hello Ada")
    screen.finished()


def test_a_loop_is_stopped_and_the_kernel_goes_on(screen: Screen) -> None:
    screen.create()
    screen.run("kept = 41\nprint('in', flush=True)\nwhile True: pass")
    screen.shows("in")
    screen.stop()
    screen.shows("KeyboardInterrupt")
    screen.run("kept + 1")
    screen.shows("42")


def test_an_error_is_shown_with_its_traceback(screen: Screen) -> None:
    screen.create()
    screen.run("def broken():\n    raise ValueError('no such thing')\nbroken()")
    screen.shows("ValueError: no such thing")
    screen.finished(state="failed")


def test_a_reload_and_a_second_tab_miss_nothing_of_a_running_cell(screen: Screen, new_context: NewContext) -> None:
    address = screen.create()
    screen.run(COUNT.format(12))
    screen.shows("line 2")
    screen.page.keyboard.press("Control+s")
    screen.page.reload()
    second = Screen(new_context().new_page())
    second.page.goto(address)
    for one in (screen, second):
        one.shows("line 11")
        text = one.output().inner_text()
        assert [text.count(f"line {i}\n") for i in range(11)] == [1] * 11
        one.finished()


def test_outputs_are_there_after_the_session_is_gone(screen: Screen, stack: Stack) -> None:
    address = screen.create()
    screen.run("print('kept for good')")
    screen.finished()
    screen.page.keyboard.press("Control+s")
    screen.page.close()
    reopened = Screen(screen.page.context.new_page())
    reopened.page.goto(address)
    reopened.shows("kept for good")


def test_another_tenants_notebook_is_not_there(screen: Screen, new_context: NewContext) -> None:
    address = screen.create()
    stranger = new_context(storage_state=None).new_page()
    sign_in(stranger, "charlie")
    expect(stranger.get_by_role("heading", name="New notebook")).to_be_visible()
    for path in ("", "document", "download"):
        response = stranger.request.get(f"{address}{path}")
        assert response.status == 404, path
    assert stranger.goto(address).status == 404  # type: ignore[union-attr]


def test_all_of_it_goes_by_the_keyboard_alone(screen: Screen) -> None:
    page = screen.page
    page.goto("/notebooks/")
    python = page.locator("button[name=pool][value='python']")
    for _ in range(30):
        page.keyboard.press("Tab")
        if python.evaluate("button => button === document.activeElement"):
            break
    page.keyboard.press("Enter")
    # A new notebook is ready to be written in.
    expect(screen.code(1)).to_be_focused(timeout=PATIENCE)
    page.keyboard.type("6 * 7")
    page.keyboard.press("Shift+Enter")
    screen.shows("42")
    expect(screen.code(2)).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("b")
    page.keyboard.press("Enter")
    page.keyboard.type("while True: pass")
    page.keyboard.press("Control+Enter")
    screen.finished(2, "running")
    page.keyboard.press("Escape")
    page.keyboard.press("i")
    page.keyboard.press("i")
    screen.shows("KeyboardInterrupt", cell=2)
    page.keyboard.press("Control+Shift+Backquote")
    expect(page.locator("#terminal textarea")).to_be_focused(timeout=PATIENCE)
    page.keyboard.type("echo by-$((40 + 2))\n")
    screen.terminal_shows("by-42")
    page.keyboard.press("Control+Shift+Backquote")
    page.keyboard.press("d")
    page.keyboard.press("d")
    expect(screen.output(2)).to_have_count(0)


# Somebody who looks at another tab, and what the system would show.
ELSEWHERE = """
let there = true;
Object.defineProperty(document, "visibilityState", { get: () => (there ? "visible" : "hidden") });
window.look = (now) => { there = now; document.dispatchEvent(new Event("visibilitychange")); };
window.told = [];
window.Notification = class {
    static permission = "granted";
    static requestPermission() { return Promise.resolve("granted"); }
    constructor(title, more) { window.told.push([title, more.body]); }
};
"""


def test_the_end_of_a_long_run_is_told_to_who_looks_elsewhere(screen: Screen) -> None:
    page = screen.page
    page.add_init_script(ELSEWHERE)
    screen.create()
    page.keyboard.press("Control+Shift+P")
    page.get_by_role("combobox").fill("notify me")
    page.keyboard.press("Enter")
    screen.run("import time; time.sleep(8.5); print('done')")
    expect(page).to_have_title(re.compile("^● "), timeout=PATIENCE)
    page.evaluate("look(false)")
    expect(page).to_have_title(re.compile("^✓ "), timeout=PATIENCE)
    ((title, words),) = page.evaluate("told")
    assert words.startswith("Cell 1 finished in ")
    assert title in page.title()
    page.evaluate("look(true)")
    expect(page).not_to_have_title(re.compile("^✓ "))
    expect(page.get_by_role("button", name="Go to it")).to_be_visible()
