"""What the page says of the sandbox behind it: its terminal, its end, its faults; and what its output may not do."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

from tests.acceptance.conftest import SCREENSHOTS, NewContext
from tests.acceptance.screen import PATIENCE, Screen
from tests.stack import Stack

pytestmark = [
    pytest.mark.browser, pytest.mark.docker, pytest.mark.redis, pytest.mark.timeout(600, func_only=True),
    pytest.mark.usefixtures("nothing_is_left"),
]  # fmt: skip


def test_a_terminal_is_still_there_after_a_reload(screen: Screen) -> None:
    screen.create()
    screen.run("open('made.txt', 'w').write('by a cell')")
    screen.finished()
    screen.open_terminal()
    screen.type_in_terminal("cat made.txt; x=kept; echo and-$((40 + 2))\n")
    screen.terminal_shows("by a cell")
    screen.terminal_shows("and-42")
    screen.page.reload()
    screen.open_terminal()
    screen.terminal_shows("and-42")
    screen.type_in_terminal("echo $x-still\n")
    screen.terminal_shows("kept-still")


def test_terminals_have_names_a_place_and_a_key_that_leaves_them_and_programs_are_redrawn(screen: Screen) -> None:
    screen.create()
    screen.open_terminal()
    page = screen.page
    dock = page.locator("#terminal")
    dock.get_by_role("button", name="New terminal").click()
    second = dock.get_by_role("button", name="Terminal 2", exact=True)
    second.dblclick()
    dock.get_by_role("textbox", name="Name of Terminal 2").fill("pager")
    page.keyboard.press("Enter")
    rows = dock.locator(".terminal-holder:not([hidden]) .xterm-rows")
    expect(rows).to_contain_text("$", timeout=PATIENCE)
    typed = dock.get_by_role("textbox", name=re.compile("^pager"))
    expect(typed).to_be_focused()
    page.keyboard.type("seq 1 5000 | less\n")
    expect(rows).to_contain_text(re.compile("1.*2.*3.*:", re.DOTALL), timeout=PATIENCE)
    page.keyboard.press("Shift+F6")
    assert page.evaluate("document.activeElement.closest('#terminal')") is None
    dock.get_by_label("Settings of the terminal").click()
    dock.get_by_role("button", name="Right").click()
    expect(dock).to_have_class(re.compile("right"))
    assert dock.bounding_box()["x"] > 600  # type: ignore[index]
    page.screenshot(path=shot("terminal-right"))
    page.reload()
    # It is there again, at its place and with its tabs, and has not taken the keyboard.
    expect(dock).to_have_class(re.compile("right"), timeout=PATIENCE)
    expect(dock.get_by_role("button", name="Terminal 1", exact=True)).to_be_visible(timeout=PATIENCE)
    assert page.evaluate("document.activeElement.closest('#terminal')") is None
    dock.get_by_role("button", name="pager", exact=True).click()
    expect(rows).to_contain_text(re.compile("1.*2.*3.*:", re.DOTALL), timeout=PATIENCE)
    expect(typed).to_be_focused()
    # A key that comes together with a new size is lost inside of less.
    screen.until(lambda: page.keyboard.press("q"), lambda: expect(rows).to_contain_text("$", timeout=2000))
    page.keyboard.type("exit 3\n")
    expect(dock.get_by_text("The shell ended with code 3.", exact=True)).to_be_visible(timeout=PATIENCE)
    dock.get_by_role("button", name="Open a new one").click()
    expect(typed).to_be_focused()
    page.keyboard.type("echo and-$((40 + 2))\n")
    expect(rows).to_contain_text("and-42", timeout=PATIENCE)
    dock.get_by_role("button", name="Close pager").click()
    expect(dock.get_by_role("button", name="pager", exact=True)).to_have_count(0)


def test_a_server_in_the_sandbox_is_found_and_opened_on_an_origin_of_its_own(screen: Screen) -> None:
    screen.create()
    page = screen.page
    page.set_viewport_size({"width": 360, "height": 740})
    screen.state.click()
    page.get_by_role("button", name="Open port…").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Nothing listens yet.", timeout=PATIENCE)
    expect(dialog).to_contain_text("python -m http.server 8000")
    page.screenshot(path=shot("ports-phone"))
    page.keyboard.press("Escape")
    page.set_viewport_size({"width": 1280, "height": 800})
    screen.open_terminal()
    screen.type_in_terminal("echo served > page.html; python -m http.server 8000 &\n")
    screen.terminal_shows("Serving HTTP")
    screen.state.click()
    page.get_by_role("button", name="Open port…").click()
    with page.context.expect_page() as opened:
        dialog.get_by_role("button", name="Open port 8000").click(timeout=PATIENCE)
    expect(opened.value.get_by_role("link", name="page.html")).to_be_visible(timeout=PATIENCE)
    assert re.fullmatch(r"http://[0-9a-f]{32}-8000\.preview\.localhost:\d+/", opened.value.url)
    assert opened.value.evaluate("window.opener") is None
    expect(dialog).to_have_count(0)
    screen.state.click()
    page.get_by_role("button", name="Open port…").click()
    dialog.get_by_label("Another port").fill("http://127.0.0.1:8000/page.html")
    with page.context.expect_page() as opened:
        dialog.get_by_role("button", name="Open", exact=True).click()
    expect(opened.value.get_by_text("served")).to_be_visible(timeout=PATIENCE)
    # The address that a program prints leads there too, and never to this machine.
    screen.run("print('Running on http://127.0.0.1:8000/page.html, press Ctrl C to stop')")
    with page.context.expect_page() as opened:
        screen.output().get_by_role("link", name="http://127.0.0.1:8000/page.html").click(timeout=PATIENCE)
    expect(opened.value.get_by_text("served")).to_be_visible(timeout=PATIENCE)
    assert "-8000.preview.localhost" in opened.value.url


def test_after_the_cooldown_the_page_says_why_and_running_starts_a_new_session(screen: Screen, stack: Stack) -> None:
    with stack.pool("brief", cooldown=10, ready_instances=2):
        screen.create("brief")
        screen.run("x = 1; print('x is', x)")
        screen.finished()
        expect(screen.page.get_by_text(re.compile(r"^Ends in \d:"))).to_be_visible(timeout=PATIENCE)
        ended = screen.page.get_by_text("The session has ended.").locator("..")
        expect(ended).to_contain_text(re.compile("idle"), timeout=PATIENCE)
        screen.shows("x is 1")
        screen.page.screenshot(path=shot("cooldown"))
        screen.run("print('x' in globals())")
        screen.shows("False")
        expect(ended).to_have_count(0)


def test_a_kernel_out_of_memory_is_told_and_restarted_from_the_page(screen: Screen) -> None:
    screen.create()
    screen.run("blocks = []\nwhile True: blocks.append(b'x' * (64 << 20))")
    told = screen.page.get_by_role("alert").filter(has_text="The kernel died.")
    memory = screen.output().get_by_text("MemoryError")
    expect(told.or_(memory).first).to_be_visible(timeout=PATIENCE)
    if told.count():
        expect(told).to_contain_text("memory")
        told.get_by_role("button", name="Restart").click()
        expect(told).to_have_count(0, timeout=PATIENCE)
    screen.run("6 * 7")
    screen.shows("42")


# Tries, from HTML in an output, to read and change what is ours; tells the outer page what it could reach.
HOSTILE = """
from IPython.display import HTML
HTML('''<p id="shown">shown</p><script>
const found = [];
const attempt = (name, act) => { try { if (act()) found.push(name); } catch {} };
attempt('cookie', () => document.cookie);
attempt('parent document', () => parent.document.body);
attempt('storage', () => localStorage.length >= 0);
attempt('nothing', () => { top.location = '/logout'; });
attempt('opened', () => window.open('/notebooks/'));
fetch('/api/v1/sessions', {credentials: 'include'}).then(() => { found.push('fetch'); }, () => {});
try { new WebSocket('ws://' + location.host + '/ws/'); } catch {}
const form = document.createElement('form'); form.action = '/logout'; form.method = 'post';
document.body.append(form); try { form.submit(); } catch {}
setTimeout(() => { document.getElementById('shown').textContent = `reached: ${found.join(', ')}.`; }, 700);
</script><img src=x onerror="try { parent.hacked = true } catch {}">''')
"""


def test_html_of_a_cell_reaches_nothing_of_ours(screen: Screen) -> None:
    address = screen.create()
    requests: list[str] = []
    screen.page.on("request", lambda request: requests.append(f"{request.method} {request.url}"))
    screen.run(HOSTILE)
    frame = screen.output().frame_locator("iframe")
    expect(frame.locator("#shown")).to_have_text("reached: .", timeout=PATIENCE)
    assert screen.page.url == address
    assert screen.page.evaluate("window.hacked") is None
    assert not [line for line in requests if "logout" in line]
    # Markdown and SVG are no way round it.
    screen.run(
        "from IPython.display import Markdown, SVG, display\n"
        "display(Markdown('<img src=x onerror=\"window.hacked=1\"> [x](javascript:window.hacked=1) **bold**'))\n"
        'display(SVG(\'<svg xmlns="http://www.w3.org/2000/svg" width="400" height="200">'
        '<script>window.hacked=1</script><rect onclick="window.hacked=1" width="400" height="200"/></svg>\'))\n'
        "display({'text/html': '<table><tr><td onmouseover=\"window.hacked=1\">cell</td></tr></table>'}, raw=True)"
    )
    expect(screen.output().get_by_text("bold")).to_be_visible(timeout=PATIENCE)
    screen.output().locator("iframe").hover()
    screen.output().get_by_role("img").last.click()
    expect(screen.output().locator("a[href^=javascript]")).to_have_count(0)
    assert screen.page.evaluate("window.hacked") is None
    assert screen.page.url == address


def test_a_line_that_breaks_comes_back_and_misses_nothing(screen: Screen, stack: Stack) -> None:
    screen.create()
    screen.run("import time\nfor i in range(60): print('line', i); time.sleep(0.1)")
    screen.shows("line 5")
    stack.kill(stack.web)
    stack.start_web()
    screen.shows("line 59")
    text = screen.output().inner_text()
    shown = [int(number) for number in re.findall(r"line (\d+)", text)]
    assert shown == list(range(60))
    screen.finished()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_pages_in_both_themes(new_context: NewContext, stack: Stack, theme: str) -> None:
    page = new_context(color_scheme=theme).new_page()
    failures: list[str] = []
    page.on("requestfailed", lambda request: failures.append(request.url))
    screen = Screen(page)
    page.goto("/notebooks/")
    page.screenshot(path=shot(f"notebooks-{theme}"))
    screen.create()
    screen.run(
        "import numpy as np, pandas as pd, matplotlib.pyplot as plt\n\n"
        "def wave(x: np.ndarray, n: int = 3) -> np.ndarray:\n"
        "    \"\"\"A sum of sines.\"\"\"\n"
        "    return sum(np.sin(k * x) / k for k in range(1, n + 1))  # odd and even\n\n"
        "x = np.linspace(0, 6, 200)\nplt.figure(figsize=(6, 2.5))\nplt.plot(x, wave(x))\nplt.show()\n"
        "print('\\033[32mgreen\\033[0m and \\033[1mbold\\033[0m')\n"
        "pd.DataFrame({'x': x[:4], 'wave': wave(x[:4])})"
    )  # fmt: skip
    screen.finished()
    expect(screen.output().get_by_role("img")).to_be_visible()
    page.get_by_role("button", name="Add code cell").first.click()
    screen.run("raise ValueError('no such thing')", 2)
    screen.finished(2, "failed")
    page.screenshot(path=shot(f"cells-{theme}"))
    screen.open_terminal()
    screen.type_in_terminal("ls -la --color=always /\n")
    screen.terminal_shows("work")
    page.screenshot(path=shot(f"notebook-{theme}"))
    page.set_viewport_size({"width": 390, "height": 800})
    page.screenshot(path=shot(f"phone-{theme}"))
    # The cells scroll, the page around them never does.
    size = "[document.scrollingElement.scrollWidth, document.scrollingElement.scrollHeight]"
    assert page.evaluate(size) == [390, 800]
    assert not failures


def test_the_page_loads_and_says_so_when_no_sandbox_can_be_had(screen: Screen) -> None:
    def refuse(route: Route) -> None:
        body = '{"error": "pool_unavailable", "message": "New sandboxes cannot be started at the moment."}'
        if route.request.method == "POST":
            route.fulfill(status=503, headers={"Retry-After": "15"}, content_type="application/json", body=body)
        else:
            route.continue_()

    page: Page = screen.page
    page.route("**/api/v1/sessions", refuse)
    screen.create()
    screen.run("6 * 7")
    told = page.locator(".banners").filter(has_text="No sandbox yet.")
    expect(told).to_contain_text("cannot be started at the moment", timeout=PATIENCE)
    page.unroute("**/api/v1/sessions")
    page.get_by_role("button", name="Try again").click()
    screen.shows("42")


def shot(name: str) -> Path:
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    return SCREENSHOTS / f"{name}.png"
