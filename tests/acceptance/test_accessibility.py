"""The gate: no page breaks WCAG 2.2 A or AA in any theme or is wider than a phone; a keyboard is enough; who listens
hears what happens.

A new page, or a new state of one, is a line in PAGES.
"""

import re
import uuid
from collections.abc import Callable

import pytest
from django.template.loader import render_to_string
from playwright.sync_api import Page, expect

from tests.acceptance.axe import wrong_in
from tests.acceptance.conftest import NewContext, sign_in
from tests.acceptance.screen import PATIENCE, Screen
from tests.stack import Stack

pytestmark = [
    pytest.mark.browser, pytest.mark.docker, pytest.mark.redis, pytest.mark.timeout(600, func_only=True),
    pytest.mark.usefixtures("nothing_is_left"),
]  # fmt: skip

# Whose admin has the pools of all: alice's shows those of her tenant, and there is none.
OPERATOR = "olga"

# Every kind of output that our own page draws.
OUTPUTS = """
import sys, pandas as pd, matplotlib.pyplot as plt
from IPython.display import display, HTML, JSON, Latex, Markdown, SVG
print('plain', *(f'\\033[{n}mcoloured\\033[0m' for n in (1, 2, 31, 32, 33, 34, 35, 36, 45)))
print('to stderr', file=sys.stderr)
plt.figure(figsize=(3, 1)); plt.plot([1, 3, 2]); plt.show()
display(Markdown('## A heading\\n\\n[a link](https://example.org), `code`, a list:\\n\\n- one\\n- two'))
display(Markdown('|a|b|\\n|-|-|\\n|1|2|\\n\\n> said'))
display(Latex('$e^{i\\\\pi} = -1$'))
display(JSON({'a': [1, True, None], 'b': {'c': 'text'}}))
display(HTML('<p style="font-style: italic">of a cell</p><script></script>'))
display(SVG('<svg xmlns="http://www.w3.org/2000/svg" width="20" height="20"><rect width="9" height="9"/></svg>'))
pd.DataFrame({'number': [1, 2], 'word': ['a', 'b']})
"""


def login(page: Page) -> None:
    page.context.clear_cookies()
    page.goto("/login")


def login_refused(page: Page) -> None:
    page.context.clear_cookies()
    sign_in(page, password="wrong")
    expect(page.get_by_role("alert")).to_be_visible()


def list_empty(page: Page) -> None:
    page.context.clear_cookies()
    sign_in(page, "charlie")
    expect(page.get_by_text("Nothing here yet.")).to_be_visible()


def list_full(page: Page) -> None:
    new_notebook(page)
    page.get_by_label(re.compile("^More for")).first.click()
    expect(page.get_by_role("button", name="Duplicate").first).to_be_visible()


def list_of_examples(page: Page) -> None:
    page.goto("/notebooks/?q=nothing-has-this-name")
    page.get_by_text("From an example").click()


def list_after_deleting(page: Page) -> None:
    new_notebook(page)
    page.get_by_label(re.compile("^More for")).first.click()
    page.get_by_role("button", name="Delete").first.click()
    expect(page.get_by_role("button", name="Undo")).to_be_focused()


def trash(page: Page) -> None:
    list_after_deleting(page)
    page.get_by_role("link", name="Trash").first.click()
    expect(page.get_by_role("button", name="Restore").first).to_be_visible()


def data(page: Page) -> None:
    page.goto("/data")
    page.get_by_role("button", name="Make an archive of my data").click()
    expect(page.get_by_text("Data of alice").first).to_be_visible()


def statement(page: Page) -> None:
    page.goto("/accessibility")


def account(page: Page) -> None:
    page.goto("/notebooks/")
    page.locator("#account > summary").click()


def usage(page: Page) -> None:
    page.goto("/usage")
    expect(page.get_by_role("heading", name="Your usage")).to_be_visible()


def tokens(page: Page) -> None:
    page.goto("/account/tokens")
    expect(page.get_by_role("button", name="Make the token")).to_be_visible()


def token_made(page: Page) -> None:
    tokens(page)
    page.get_by_label("What it is for").fill("A program with a rather long name, to see how it wraps")
    page.get_by_role("button", name="Make the token").click()
    expect(page.get_by_label("Token", exact=True)).to_be_visible()


def token_refused(page: Page) -> None:
    tokens(page)
    page.get_by_label("What it is for").fill("x")
    page.get_by_label(re.compile("^Only from these networks")).fill("here")
    page.get_by_role("button", name="Make the token").click()
    expect(page.get_by_role("alert")).to_be_visible()


def not_found(page: Page) -> None:
    page.goto("/nothing")


def too_large(page: Page) -> None:
    submit(page, "/notebooks/new", "x" * 3_000_000)
    expect(page.get_by_role("heading", name="That is too large")).to_be_visible()


def out_of_date(page: Page) -> None:
    submit(page, "/notebooks/new", "python")
    expect(page.get_by_role("heading", name="This page was out of date")).to_be_visible()


def submit(page: Page, address: str, value: str) -> None:
    """A form that lacks its token."""
    page.goto("/accessibility")
    page.evaluate(
        """([address, value]) => {
          const form = document.body.appendChild(document.createElement("form"));
          Object.assign(form, { method: "post", action: address, hidden: true });
          const field = form.appendChild(document.createElement("textarea"));
          Object.assign(field, { name: "pool", value });
          form.submit();
        }""",
        [address, value],
    )


def organisation(page: Page) -> None:
    page.goto("/organisation/")
    expect(page.get_by_role("heading", name="Invite somebody")).to_be_visible()


def invitation_made(page: Page) -> None:
    invite(page)


def invitation_to_sign_up(page: Page) -> None:
    open_as_nobody(page, invite(page))


def sign_up_refused(page: Page) -> None:
    invitation_to_sign_up(page)
    page.get_by_label("User name").fill("alice")
    page.get_by_role("button", name="Make the account and join").click()
    expect(page.get_by_role("alert").first).to_be_visible()


def invitation_to_join(page: Page) -> None:
    link = invite(page)
    page.context.clear_cookies()
    sign_in(page, "charlie")
    page.goto(link)
    expect(page.get_by_role("button", name="Join")).to_be_visible()


def invitation_over(page: Page) -> None:
    page.goto("/invitations/of-nobody/")
    expect(page.get_by_role("heading", name="This invitation cannot be used")).to_be_visible()


def organisation_of_a_member(page: Page) -> None:
    join(page)
    page.goto("/organisation/")


def leaving(page: Page) -> None:
    organisation_of_a_member(page)
    page.get_by_role("link", name="Leave").click()
    expect(page.get_by_role("button", name="Leave")).to_be_visible()


def removal(page: Page) -> None:
    name = join(page)
    new_notebook(page)
    page.context.clear_cookies()
    sign_in(page)
    page.goto("/organisation/")
    page.get_by_role("link", name=f"Remove {name}").click()
    expect(page.get_by_label("Who gets the notebooks")).to_be_visible()


def invite(page: Page) -> str:
    """An invitation's link, which the page shows."""
    page.goto("/organisation/")
    page.get_by_label("For whom").fill("Ida")
    page.get_by_role("button", name="Make a link").click()
    return page.get_by_label("Link").input_value()


def open_as_nobody(page: Page, link: str) -> None:
    page.context.clear_cookies()
    page.goto(link)
    expect(page.get_by_role("heading", name="Make an account")).to_be_visible()


def join(page: Page) -> str:
    """Somebody new, who has made an account by a link."""
    name = f"ida-{uuid.uuid4().hex[:6]}"
    open_as_nobody(page, invite(page))
    page.get_by_label("User name").fill(name)
    page.get_by_label("Password", exact=True).fill("a sound pass phrase")
    page.get_by_label("The password again").fill("a sound pass phrase")
    page.get_by_role("button", name="Make the account and join").click()
    expect(page.get_by_text("Welcome to")).to_be_visible()
    return name


def admin_index(page: Page) -> None:
    account(page)
    page.get_by_role("link", name="Administration").click()
    expect(page.get_by_role("link", name="Dashboard").first).to_be_visible()


def admin_dashboard(page: Page) -> None:
    page.goto("/admin/interpreters/poolsample/")
    expect(page.get_by_role("heading", name="Wait for a session")).to_be_visible()


def admin_pools(page: Page) -> None:
    page.context.clear_cookies()
    sign_in(page, OPERATOR)
    page.goto("/admin/interpreters/sessionpool/")
    expect(page.get_by_label("Keep the figures current")).to_be_checked()


def admin_new_pool(page: Page) -> None:
    page.goto("/admin/interpreters/sessionpool/add/")


def admin_sessions(page: Page) -> None:
    page.goto("/admin/interpreters/session/")
    expect(page.get_by_role("heading", name="Filter")).to_be_visible()


def admin_tenant(page: Page) -> None:
    page.goto("/admin/tenants/tenant/")
    page.locator("#result_list tbody th a").first.click()
    expect(page.get_by_label("Name", exact=False).first).to_be_visible()


def admin_password(page: Page) -> None:
    page.goto("/admin/password_change/")


def broken(page: Page) -> None:
    page.set_content(render_to_string("500.html"))


def away(page: Page) -> None:
    page.set_content(render_to_string("503.html"))


PAGES: list[Callable[[Page], None]] = [
    login, login_refused, list_empty, list_full, list_of_examples, list_after_deleting, trash, data, statement, account,
    usage, not_found, too_large, out_of_date, broken, away, organisation, organisation_of_a_member, invitation_made,
    invitation_to_sign_up, sign_up_refused, invitation_to_join, invitation_over, leaving, removal,
    admin_index, admin_dashboard, admin_pools, admin_new_pool, admin_sessions, admin_tenant, admin_password,
    tokens, token_made, token_refused,
]  # fmt: skip


def new_notebook(page: Page) -> None:
    """One in the list that is not opened: no sandbox is needed for it."""
    page.goto("/notebooks/")
    page.evaluate(
        """async () => {
          const token = /csrftoken=([^;]+)/.exec(document.cookie)[1];
          const body = new URLSearchParams({ pool: "python" });
          const headers = { "X-CSRFToken": token };
          await fetch("/notebooks/new", { method: "POST", headers, body, redirect: "manual" });
        }"""
    )
    page.reload()


def cells(screen: Screen) -> None:
    """Cells of every kind, with every kind of output; one runs and asks."""
    screen.run(OUTPUTS)
    screen.finished()
    screen.page.get_by_role("button", name="Add code cell").first.click()
    screen.run("1 / 0", 2)
    screen.finished(2, "failed")
    screen.page.get_by_role("button", name="Add code cell").first.click()
    screen.run("input('Your name? ')", 3)
    expect(screen.output(3).get_by_role("textbox")).to_be_visible(timeout=PATIENCE)
    screen.page.get_by_role("region", name=re.compile("^Cell 1 of")).focus()


def files(screen: Screen) -> None:
    screen.page.get_by_role("button", name="Files", exact=True).click()


def terminal(screen: Screen) -> None:
    screen.open_terminal()


def keys(screen: Screen) -> None:
    screen.page.get_by_role("region", name=re.compile("^Cell 1 of")).focus()
    screen.page.keyboard.press("?")
    expect(screen.page.get_by_role("dialog")).to_be_visible()


def palette(screen: Screen) -> None:
    screen.page.keyboard.press("Control+Shift+p")
    expect(screen.page.get_by_role("combobox", name="Find a command")).to_be_focused()
    screen.page.keyboard.type("run")


def search(screen: Screen) -> None:
    screen.page.get_by_role("region", name=re.compile("^Cell 1 of")).focus()
    screen.page.keyboard.press("Control+f")
    expect(screen.page.get_by_role("textbox", name="Find in all cells")).to_be_focused()
    screen.page.keyboard.type("plt")


def outline(screen: Screen) -> None:
    screen.page.get_by_role("button", name="Outline", exact=True).click()
    expect(screen.page.get_by_role("complementary", name="Outline")).to_be_visible()


def variables(screen: Screen) -> None:
    screen.page.get_by_role("button", name="Variables", exact=True).click()
    screen.page.get_by_role("checkbox", name="Functions and modules").check(timeout=PATIENCE)
    expect(screen.page.get_by_role("complementary", name="Variables")).to_contain_text("plt")


def sharing(screen: Screen) -> None:
    screen.page.get_by_role("button", name="Share", exact=True).click()
    expect(screen.page.get_by_role("dialog", name="Share")).to_be_visible()


def question(screen: Screen) -> None:
    screen.page.get_by_role("button", name="Restart", exact=True).click()
    expect(screen.page.get_by_role("dialog")).to_be_visible()


def session(screen: Screen) -> None:
    # Its menu would lie over half a button of it.
    screen.page.get_by_role("button", name="Hide terminals").click()
    screen.state.click()


def writing(screen: Screen) -> None:
    screen.code(1).click()


# What a notebook can look like, one after the other in the same one; it is loaded again in between.
STATES: list[Callable[[Screen], None]] = [
    cells, files, outline, variables, search, palette, sharing, terminal, keys, question, session, writing,
]  # fmt: skip


@pytest.fixture(scope="module")
def operator(stack: Stack) -> None:
    stack.console.operator(name=OPERATOR, password="secret")


@pytest.mark.usefixtures("operator")
@pytest.mark.parametrize("make", PAGES, ids=lambda make: make.__name__)
def test_a_page(new_context: NewContext, make: Callable[[Page], None]) -> None:
    page = new_context(reduced_motion="reduce").new_page()
    make(page)
    wrong = wrong_in(page)
    assert not wrong, "\n".join(wrong)


def test_a_notebook_in_each_state(new_context: NewContext) -> None:
    page = new_context(reduced_motion="reduce").new_page()
    screen = Screen(page)
    screen.create()
    wrong: list[str] = []
    for make in STATES:
        make(screen)
        # In a dialog the rest of the page is hidden, with its main.
        wrong += [f"{make.__name__}: {line}" for line in wrong_in(page) if "landmark" not in line]
        page.reload()
        # The cell still asks, and its field takes the focus when it comes back.
        expect(screen.output(3).get_by_role("textbox")).to_be_focused(timeout=PATIENCE)
    assert not wrong, "\n".join(wrong)


def focused(page: Page) -> str:
    return str(page.evaluate("document.activeElement?.getAttribute('aria-label') || document.activeElement?.tagName"))


def tab_to(page: Page, name: str, most: int = 40) -> None:
    """Press Tab until what has the focus is called so."""
    for _ in range(most):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.innerText || document.activeElement.ariaLabel || ''").startswith(name):
            return
    raise AssertionError(f"Tab never came to {name}; it is at {focused(page)}")


def test_a_keyboard_is_enough(new_context: NewContext) -> None:
    page = new_context().new_page()
    screen, press = Screen(page), page.keyboard.press
    page.goto("/notebooks/")
    tab_to(page, "Skip to content", 1)
    press("Enter")
    tab_to(page, "Py\nPython")
    press("Enter")
    # The cursor waits in the new cell.
    expect(screen.code(1)).to_be_focused(timeout=PATIENCE)
    page.keyboard.type("print('by hand')")
    press("Shift+Enter")
    screen.shows("by hand")
    expect(screen.code(2)).to_be_focused()
    page.keyboard.type("import time")
    press("Enter")
    page.keyboard.type("time.sleep(600)")
    press("Control+Enter")
    expect(page.get_by_role("button", name="Stop cell 2")).to_be_visible(timeout=PATIENCE)
    press("Escape")
    press("i")
    press("i")
    screen.finished(2, "(failed|aborted)")
    press("b")
    press("d")
    press("d")
    expect(page.get_by_role("region", name=re.compile(r"^Cell 2 of 2"))).to_be_focused()
    press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.get_by_role("region", name=re.compile(r"^Cell 2 of 2"))).to_be_focused()
    press("Control+Shift+Backquote")
    expect(page.get_by_role("textbox", name=re.compile("^Terminal 1"))).to_be_focused(timeout=PATIENCE)
    page.keyboard.type("echo $((40 + 2))\n")
    screen.terminal_shows("42")
    press("Control+Shift+Backquote")
    expect(page.get_by_role("region", name=re.compile(r"^Cell 2 of 2"))).to_be_focused()
    # From the top of the page, each place is one key away.
    page.locator(".brand").focus()
    press("Shift+Tab")
    assert page.evaluate("document.activeElement.innerText") == "Skip to terminal"
    press("Shift+Tab")
    assert page.evaluate("document.activeElement.innerText") == "Skip to notebook"


def test_who_listens_hears_how_cells_end(screen: Screen) -> None:
    screen.create()
    screen.run("import time; time.sleep(1.2); print('many\\nlines\\n' * 50)")
    screen.finished()
    screen.page.get_by_role("button", name="Add code cell").first.click()
    screen.run("1 / 0", 2)
    screen.finished(2, "failed")
    told = screen.page.get_by_role("log", name="Progress")
    expect(told).to_contain_text(re.compile(r"Cell 2 failed"))
    said = [line for line in told.inner_text().splitlines() if line.startswith("Cell")]
    assert re.fullmatch(r"Cell 1 finished in \d+(\.\d)? s", said[0])
    assert re.fullmatch(r"Cell 2 failed in .*: ZeroDivisionError", said[1])
    assert "many" not in told.inner_text()


def test_the_focus_is_never_lost(screen: Screen) -> None:
    """What closes gives the focus back: nobody starts again at the top of the page."""
    page = screen.page
    screen.create()
    for name in ("Files", "Terminal"):
        opener = page.get_by_role("button", name=name, exact=True)
        opener.focus()
        page.keyboard.press("Enter")
        closer = page.get_by_role("button", name=re.compile(rf"^(Close|Hide) {name}", re.IGNORECASE)).first
        expect(closer).to_be_visible(timeout=PATIENCE)
        closer.focus()
        page.keyboard.press("Enter")
        expect(closer).to_have_count(0)
        expect(page.locator(":focus")).not_to_have_count(0)
    screen.state.focus()
    page.keyboard.press("Enter")
    page.get_by_role("button", name="End session…").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.locator(":focus")).not_to_have_count(0)


def test_a_phone_has_run_stop_and_the_keys_that_it_lacks(new_context: NewContext) -> None:
    page = new_context(viewport={"width": 320, "height": 640}, has_touch=True, is_mobile=True).new_page()
    screen = Screen(page)
    screen.create()
    assert page.evaluate("parseFloat(getComputedStyle(document.querySelector('.cm-content')).fontSize)") >= 16
    screen.write("for i in range(3):")
    page.get_by_role("button", name="Tab", exact=True).tap()
    page.get_by_role("button", name="Ctrl", exact=True).tap()
    page.get_by_role("button", name="Control A").tap()
    page.keyboard.insert_text("import time; time.sleep(600)")
    for name in ("Run", "Stop"):
        box = page.get_by_role("button", name=name, exact=True).bounding_box()
        assert box
        assert box["width"] >= 44
        assert box["height"] >= 44
        assert box["y"] + box["height"] <= 640
    page.get_by_role("button", name="Run", exact=True).tap()
    expect(page.get_by_role("button", name="Stop cell 1")).to_be_visible(timeout=PATIENCE)
    screen.stop()
    screen.finished(1, "(failed|aborted)")
    page.get_by_role("button", name="Terminal", exact=True).tap()
    expect(page.locator("#terminal .xterm-rows")).to_be_visible(timeout=PATIENCE)
    page.keyboard.type("sleep 600\n")
    page.get_by_role("button", name="Ctrl", exact=True).tap()
    page.get_by_role("button", name="Control C").tap()
    screen.terminal_shows("^C")
    small = page.evaluate(
        "[...document.querySelectorAll('.toolbar button, .toolbar summary, .key-row button, .dock-bar button')]"
        ".filter((e) => e.offsetParent && e.getBoundingClientRect().height < 43.5).map((e) => e.outerHTML.slice(0, 90))"
    )
    assert not small
    assert page.evaluate("document.scrollingElement.scrollWidth") == 320
