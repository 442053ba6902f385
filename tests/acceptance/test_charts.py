"""What plotly and altair of the Python image draw, as people write it elsewhere: nothing is set up."""

import re

import pytest
from playwright.sync_api import expect

from tests.acceptance.screen import PATIENCE, Screen
from tests.acceptance.test_outputs import add, frame

pytestmark = [
    pytest.mark.browser, pytest.mark.docker, pytest.mark.redis, pytest.mark.timeout(300, func_only=True),
    pytest.mark.usefixtures("nothing_is_left"),
]  # fmt: skip

DATA = """
import pandas as pd
rows = pd.DataFrame({'a': range(300), 'b': [n % 17 for n in range(300)], 'kind': ['odd', 'even'] * 150})
"""
PLOTLY = DATA + "import plotly.express as px\npx.scatter(rows, x='a', y='b', color='kind', title='Three hundred')"
SHOWN = "px.line(rows, x='a', y='b').show()"
MAP = "px.choropleth(locations=['FRA', 'ITA'], color=[1, 2])"
WIDGET = "import plotly.graph_objects as go\ngo.FigureWidget(go.Bar(y=[3, 1, 2]))"
ALTAIR = (
    DATA
    + """
import altair as alt
alt.Chart(rows, title='Sizes').mark_circle().encode(x='a', y='b', size='b', color='kind')
"""
)
MANY = "alt.Chart(pd.DataFrame({'a': range(5001)})).mark_point().encode(x='a')"


FILL = "one => getComputedStyle(one).fill"


def numbers(colour: str) -> list[int]:
    """Red, green and blue."""
    return [int(part) for part in re.findall(r"\d+", colour)[:3]]


def test_figures_of_plotly_are_drawn(screen: Screen) -> None:
    page = screen.page
    screen.create()
    scatter = screen.run(PLOTLY)
    screen.finished()
    expect(frame(scatter).locator(".scatterlayer .point")).to_have_count(300, timeout=PATIENCE)
    title = frame(scatter).locator(".gtitle")
    light = title.evaluate(FILL)
    assert max(numbers(light)) < 128
    page.emulate_media(color_scheme="dark")
    expect(title).not_to_have_css("fill", light, timeout=PATIENCE)
    assert min(numbers(title.evaluate(FILL))) > 128
    line = add(screen, SHOWN, 2)
    expect(frame(line).locator(".scatterlayer .js-line")).to_be_visible(timeout=PATIENCE)
    # The outlines of the countries are ours: nothing is fetched.
    countries = add(screen, MAP, 3)
    expect(frame(countries).locator(".choroplethlayer path")).to_have_count(2, timeout=PATIENCE)
    expect(countries.get_by_text("wants the internet")).to_have_count(0)
    # Without anywidget it is a figure, and says so.
    widget = add(screen, WIDGET, 4)
    expect(frame(widget).locator(".barlayer .point")).to_have_count(3, timeout=PATIENCE)
    expect(widget.get_by_text("Here a FigureWidget is a plain figure")).to_be_visible()


MOVED = """
import altair as alt, ipywidgets, pandas as pd, plotly.graph_objects as go
@ipywidgets.interact(n=ipywidgets.IntText(3), by=['plotly', 'altair'])
def bars(n, by):
    if by == 'plotly':
        return go.Figure(go.Bar(y=list(range(1, n + 1))))
    return alt.Chart(pd.DataFrame({'a': range(n)})).mark_bar().encode(x='a:O', y='a')
"""


def test_what_a_control_draws_is_drawn_anew_when_it_is_moved(screen: Screen) -> None:
    screen.create()
    output = screen.run(MOVED)
    screen.finished()
    expect(frame(output).locator(".barlayer .point")).to_have_count(3, timeout=PATIENCE)
    number = frame(output).get_by_role("spinbutton")
    number.fill("5")
    number.press("Enter")
    expect(frame(output).locator(".barlayer .point")).to_have_count(5, timeout=PATIENCE)
    frame(output).get_by_role("combobox").select_option("altair")
    expect(frame(output).locator(".mark-rect path")).to_have_count(5, timeout=PATIENCE)
    expect(frame(output).locator(".barlayer")).to_have_count(0)
    light = frame(output).locator(".role-axis-title text").first.evaluate(FILL)
    screen.page.emulate_media(color_scheme="dark")
    expect(frame(output).locator(".role-axis-title text").first).not_to_have_css("fill", light, timeout=PATIENCE)


def test_charts_of_altair_are_drawn(screen: Screen) -> None:
    page = screen.page
    screen.create()
    chart = screen.run(ALTAIR)
    screen.finished()
    expect(frame(chart).locator(".mark-symbol.marks path")).to_have_count(300, timeout=PATIENCE)
    expect(frame(chart).get_by_text("Sizes")).to_be_visible()
    # Vega-Lite's own ink for a legend of sizes.
    black = frame(chart).locator("path[fill=black]")
    expect(black).not_to_have_count(0)
    page.emulate_media(color_scheme="dark")
    expect(black).to_have_count(0, timeout=PATIENCE)
    assert min(numbers(frame(chart).get_by_text("Sizes").evaluate(FILL))) > 128
    refused = add(screen, MANY, 2)
    screen.finished(2, "failed")
    expect(refused).to_contain_text("MaxRowsError")
