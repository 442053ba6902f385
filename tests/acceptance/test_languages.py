"""Languages as a person meets them: SQL with its tables, help and variables while a cell runs, another language."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.acceptance.screen import PATIENCE, Screen
from tests.stack import Stack

pytestmark = [
    pytest.mark.browser, pytest.mark.docker, pytest.mark.redis, pytest.mark.timeout(600, func_only=True),
    pytest.mark.usefixtures("nothing_is_left"),
]  # fmt: skip


@pytest.fixture(scope="module")
def sql(stack: Stack) -> Iterator[str]:
    if not stack.offers("sql"):
        pytest.skip("the image of sql was never built here: manage.py build_images sql")
    stack.console.image(name="sql")
    with stack.pool("sql", image="sql", memory=512) as name:
        yield name


def shows_in_a_table(screen: Screen, text: str) -> None:
    """In the page's own table, or in the frame of a result as HTML."""
    output = screen.output()
    expect(output.locator("iframe, table").first).to_be_visible(timeout=PATIENCE)
    place = output.frame_locator("iframe").first if output.locator("iframe").count() else output
    expect(place.get_by_text(text, exact=True).first).to_be_visible(timeout=PATIENCE)


def test_sql_reads_an_uploaded_file_and_tells_its_tables(screen: Screen, sql: str) -> None:
    screen.create(sql)
    screen.run("CREATE TABLE made AS SELECT 1 AS one")
    screen.shows("1 row stored.")
    page = screen.page
    page.get_by_role("button", name="Files", exact=True).click()
    rows = "id,item\n" + "".join(f"{number},tea {number}\n" for number in range(300))
    page.locator("input[type=file]").set_input_files(
        [{"name": "shop.csv", "mimeType": "text/csv", "buffer": rows.encode()}]
    )
    expect(page.get_by_role("treeitem", name=re.compile("^shop.csv"))).to_be_visible(timeout=PATIENCE)
    screen.run("SELECT * FROM 'shop.csv'; SELECT count(*) AS n FROM 'shop.csv'")
    screen.finished()
    shows_in_a_table(screen, "tea 7")
    page.get_by_role("button", name="Variables", exact=True).click()
    panel = page.get_by_role("complementary", name="Variables")
    expect(panel.get_by_role("button", name=re.compile("^made table"))).to_be_visible(timeout=PATIENCE)
    screen.run("SELECT *\nFROM nowhere")
    screen.shows("LINE 2: FROM nowhere")


def test_help_and_variables_are_there_while_a_cell_runs(screen: Screen) -> None:
    screen.create()
    page = screen.page
    page.get_by_role("button", name="Variables", exact=True).click()
    panel = page.get_by_role("complementary", name="Variables")
    screen.run(
        "import time\nlong_name, big = 41, bytearray(5_000_000)\n"
        "class Slow:\n    def __repr__(self): time.sleep(60)\nslow = Slow()\n"
        "def mix(first, second=2): 'Mixes two.'\n"
        "print('begun')\nwhile True: time.sleep(0.01)"
    )
    screen.shows("begun")
    row = panel.get_by_role("button", name=re.compile("^long_name int"))
    expect(row).to_contain_text("41", timeout=PATIENCE)
    expect(panel.get_by_role("button", name=re.compile("^big .*among the largest"))).to_be_visible()
    expect(panel.get_by_role("button", name=re.compile("^slow Slow"))).to_be_visible()
    row.click()
    expect(panel.get_by_label("Value of long_name", exact=True)).to_have_text("41", timeout=PATIENCE)
    # In a second cell: completion, signature and help by the kernel, which is busy.
    page.get_by_role("region", name=re.compile("^Cell 1 of")).press("b")
    code = screen.code(2)
    expect(code).to_be_visible()
    code.click()
    page.keyboard.type("long_n")
    option = page.get_by_role("option", name=re.compile("long_name"))
    expect(option).to_be_visible(timeout=PATIENCE)
    option.click()
    expect(code).to_have_text("long_name")

    def rest_on_the_name() -> None:
        page.mouse.move(5, 5)
        word = page.get_by_role("textbox", name="Code of cell 2").get_by_text("long_name")
        word.hover(position={"x": 20, "y": 8})

    # The kernel has six seconds to answer, while a cell of ours runs and never stops.
    screen.until(rest_on_the_name, lambda: expect(page.locator(".inspection")).to_contain_text("int", timeout=7000))
    code.focus()
    page.keyboard.press("Escape")
    expect(page.locator(".inspection")).to_have_count(0)
    code.click()
    page.keyboard.press("Control+End")
    page.keyboard.type("\nmix(1,")
    expect(page.locator(".cm-signature strong")).to_have_text("second=2", timeout=PATIENCE)
    screen.stop()
    screen.finished(1, "failed")


def test_a_notebook_changes_its_language_and_keeps_its_cells(screen: Screen, sql: str) -> None:
    screen.create()
    screen.run("print('from python')")
    screen.shows("from python")
    page = screen.page
    screen.state.click()
    page.get_by_role("button", name="Change the language…").click()
    dialog = page.get_by_role("dialog", name="Change the language")
    dialog.get_by_role("radio", name=re.compile("^SQL")).check()
    with page.expect_navigation():
        dialog.get_by_role("button", name="Change", exact=True).click()
    screen.shows("from python")
    screen.run("SELECT 6 * 7 AS answer")
    shows_in_a_table(screen, "42")
