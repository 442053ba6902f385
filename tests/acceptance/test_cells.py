"""Cells by the keyboard and by the mouse: JupyterLab's keys, several at once, drag, palette, queue, find, outline."""

import re
import time

import pytest
from playwright.sync_api import Page, expect

from tests.acceptance.conftest import NewContext
from tests.acceptance.screen import PATIENCE, Screen

pytestmark = [
    pytest.mark.browser, pytest.mark.docker, pytest.mark.redis, pytest.mark.timeout(600, func_only=True),
    pytest.mark.usefixtures("nothing_is_left"),
]  # fmt: skip


# One pixel, as a screenshot comes from the clipboard.
PASTE_PICTURE = """(target) => {
  const png = atob("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==");
  const clipboardData = new DataTransfer();
  const bytes = Uint8Array.from(png, (byte) => byte.charCodeAt(0));
  clipboardData.items.add(new File([bytes], "image.png", { type: "image/png" }));
  target.dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true }));
}"""


def filled(screen: Screen, *sources: str) -> Page:
    """A notebook of code cells with these texts, the first one active in command mode."""
    page = screen.page
    screen.create()
    screen.write(sources[0])
    page.keyboard.press("Escape")
    for source in sources[1:]:
        page.keyboard.press("b")
        page.keyboard.press("Enter")
        page.keyboard.insert_text(source)
        page.keyboard.press("Escape")
    page.keyboard.press("Home")
    return page


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def shows_cells(page: Page, *sources: str) -> None:
    """The texts of the cells, in their order."""
    expect(page.locator(".cell")).to_have_count(len(sources))
    for cell, source in zip(page.locator(".cell").all(), sources, strict=True):
        expect(cell.locator(".cm-content, .editor-still, .rendered")).to_have_text(source)


def is_active(page: Page, words: str) -> None:
    expect(page.locator(".cell.active")).to_have_attribute("aria-label", re.compile(words))


def test_the_keys_of_jupyterlab(screen: Screen) -> None:
    page = filled(screen, "one", "two", "three")
    shows_cells(page, "one", "two", "three")
    # Insert, cut, paste; several at once; undo and redo.
    press(page, "a")
    shows_cells(page, "", "one", "two", "three")
    press(page, "d", "d")
    press(page, "Shift+j")
    expect(page.locator(".cell.selected")).to_have_count(2)
    press(page, "x")
    shows_cells(page, "three")
    press(page, "v")
    shows_cells(page, "three", "one", "two")
    press(page, "z", "z")
    shows_cells(page, "one", "two", "three")
    press(page, "Shift+z")
    shows_cells(page, "three")
    press(page, "z", "Control+a")
    expect(page.locator(".cell.selected")).to_have_count(3)
    # Merge all, split at the cursor.
    press(page, "Shift+m")
    expect(page.locator(".cell")).to_have_count(1)
    press(page, "Enter", "Control+Home", "ArrowDown", "Control+Shift+Minus")
    expect(screen.code(2)).to_be_focused()
    press(page, "Escape", "Home")
    expect(page.locator(".cell")).to_have_count(2)
    press(page, "z", "z")
    shows_cells(page, "one", "two", "three")
    # Order, type, headings: digits mean something on Markdown only.
    press(page, "Home", "Control+Shift+ArrowDown")
    shows_cells(page, "two", "one", "three")
    press(page, "2")
    shows_cells(page, "two", "one", "three")
    press(page, "m", "2", "Control+Enter")
    expect(page.get_by_role("heading", name="one", level=2)).to_be_visible()
    press(page, "r")
    is_active(page, "raw text")
    press(page, "y")
    is_active(page, ", code")
    # Line numbers, the list of keys, and the browser's own copy and paste.
    press(page, "l")
    expect(page.locator(".cm-lineNumbers").first).to_be_visible()
    press(page, "l", "?")
    keys = page.get_by_role("dialog", name="Keys")
    keys.get_by_role("searchbox").fill("split")
    expect(keys.get_by_text("Split the cell at the cursors")).to_be_visible()
    expect(keys.get_by_text("Cut cells")).to_have_count(0)
    press(page, "Escape", "End", "Control+c", "Control+v")
    shows_cells(page, "two", "## one", "three", "three")


def test_single_letters_can_be_switched_off(screen: Screen) -> None:
    page = filled(screen, "one")
    press(page, "?")
    page.get_by_label("Single letters are commands").uncheck()
    press(page, "Escape")
    expect(page.locator(".save-state.saved")).to_be_attached()
    page.reload()
    expect(screen.code(1)).to_be_visible()
    press(page, "a", "b", "d", "d")
    shows_cells(page, "one")
    press(page, "Control+Shift+p")
    page.keyboard.type("single")
    press(page, "Escape", "Shift+Enter")
    expect(page.locator(".cell")).to_have_count(2)


def test_palette_menu_and_find(screen: Screen) -> None:
    page = filled(screen, "total = 1", "Total = total + 1", "print(total)")
    press(page, "Control+Shift+p")
    palette = page.get_by_role("combobox", name="Find a command")
    expect(palette).to_be_focused()
    page.keyboard.type("insmark")
    expect(page.get_by_role("option", selected=True)).to_contain_text("Insert a Markdown cell below")
    press(page, "Enter")
    expect(page.get_by_role("textbox", name="Markdown of cell 2")).to_be_focused()
    page.keyboard.type("# About total")
    press(page, "Shift+Enter", "Escape", "F1")
    expect(page.get_by_role("option").first).to_contain_text("Insert a Markdown cell below")
    # A command may open a dialog, and the focus comes back from there.
    page.keyboard.type("list of keys")
    press(page, "Enter")
    expect(page.get_by_role("searchbox", name="Find a key")).to_be_focused()
    press(page, "Escape")
    expect(page.locator(".cell.active")).to_be_focused()
    # Its heading is in the outline.
    page.get_by_role("button", name="Outline", exact=True).click()
    page.get_by_role("navigation", name="Headings").get_by_role("button", name="About total", exact=True).click()
    is_active(page, "^Cell 2 of 4, Markdown")
    # Find in all cells, replace, take it back.
    press(page, "Control+f")
    page.keyboard.type("total")
    bar = page.get_by_role("search")
    expect(bar.get_by_role("status")).to_have_text("2 of 5")
    bar.get_by_role("button", name="Match capital letters").click()
    expect(bar.get_by_role("status")).to_have_text("2 of 4")
    bar.get_by_label("Replace with").fill("sum")
    bar.get_by_role("button", name="Replace all").click()
    page.get_by_role("button", name="Close find").click()
    shows_cells(page, "sum = 1", "About sum", "Total = sum + 1", "print(sum)")
    page.get_by_role("button", name="Undo").click()
    shows_cells(page, "total = 1", "About total", "Total = total + 1", "print(total)")
    # The same commands are in the menu.
    page.get_by_label("Menu of the notebook").click()
    page.locator(".menu-group summary", has_text="View").click()
    page.get_by_role("button", name="Hide all code").click()
    expect(page.get_by_role("button", name=re.compile("Code is hidden"))).to_have_count(3)
    page.keyboard.press("Control+s")
    expect(page.get_by_text("Saved", exact=True).first).to_be_visible()
    page.reload()
    expect(page.get_by_role("button", name=re.compile("Code is hidden"))).to_have_count(3)


def test_a_cell_is_dragged_and_a_deleted_one_comes_back_with_its_output(screen: Screen) -> None:
    page = filled(screen, "print('first')", "second", "third")
    press(page, "Control+Enter")
    screen.shows("first")
    screen.finished()
    grip = page.locator(".cell").nth(0).locator(".grip")
    page.locator(".cell").nth(0).hover()
    start, target = grip.bounding_box(), page.locator(".cell").nth(2).bounding_box()
    assert start
    assert target
    page.mouse.move(start["x"] + 5, start["y"] + 5)
    page.mouse.down()
    page.mouse.move(target["x"] + 50, target["y"] + target["height"] - 4, steps=8)
    expect(page.locator(".drop-line")).to_be_visible()
    page.mouse.up()
    shows_cells(page, "second", "third", "print('first')")
    screen.shows("first", cell=3)
    page.locator(".cell").nth(2).hover()
    page.get_by_role("button", name="Delete cell 3").click()
    shows_cells(page, "second", "third")
    page.keyboard.press("Control+s")
    page.get_by_role("button", name="Undo").click()
    screen.shows("first", cell=3)
    # Another text than the one that ran is marked, by words, and still after a reload.
    screen.write("print('changed')", 3)
    mark = page.locator(".cell").nth(2).get_by_text("edited")
    expect(mark).to_be_visible()
    page.keyboard.press("Control+s")
    expect(page.get_by_text("Saved", exact=True).first).to_be_visible()
    page.reload()
    expect(mark).to_be_visible()
    screen.shows("first", cell=3)


def test_a_pasted_picture_is_a_part_of_its_text(screen: Screen) -> None:
    page = filled(screen, "one")
    # Code takes none.
    press(page, "Enter")
    screen.code(1).evaluate(PASTE_PICTURE)
    press(page, "Escape", "m", "Enter", "Control+End")
    text = page.get_by_role("textbox", name="Markdown of cell 1")
    expect(text).to_be_focused()
    text.evaluate(PASTE_PICTURE)
    expect(text).to_have_text("one![image.png](attachment:image.png)")
    press(page, "Control+Enter")
    picture = page.get_by_role("img", name="image.png")
    expect(picture).to_be_visible()
    # One step of undo, there and back.
    press(page, "z")
    shows_cells(page, "one")
    press(page, "Shift+z", "Control+s")
    expect(page.locator(".save-state.saved")).to_be_attached()
    page.reload()
    expect(picture).to_be_visible()
    assert picture.evaluate("(image) => image.decode().then(() => image.naturalWidth)") == 1


def test_run_above_and_below_the_queue_and_stop_on_error(screen: Screen) -> None:
    page = filled(screen, "import time; time.sleep(3)", "print('two')", "1 / 0", "print('four')")
    press(page, "End")
    run(page, "Run all cells above")
    queued = page.locator(".queue summary")
    expect(queued).to_have_text(re.compile("queued"), timeout=PATIENCE)
    expect(page.get_by_role("button", name=re.compile("Cell 1 is running"))).to_be_visible(timeout=PATIENCE)
    queued.click()
    page.get_by_role("button", name="Take cell 2 out", exact=True).click()
    screen.finished(2, "cancelled")
    screen.finished(3, "failed")
    expect(screen.output(2)).to_have_count(0)
    # An error keeps the rest from running, unless that is switched off.
    page.locator(".cell").nth(1).click(position={"x": 20, "y": 20})
    run(page, "Run the selected cell and all below")
    screen.finished(4, "aborted")
    run(page, "Stop at the first error")
    run(page, "Run the selected cell and all below")
    screen.shows("four", cell=4)
    screen.finished(3, "failed")
    # It runs once more on a new kernel, and what was printed can be cleared and brought back.
    run(page, "Clear all outputs")
    expect(page.locator(".outputs")).to_have_count(0)
    press(page, "z")
    screen.shows("four", cell=4)


def run(page: Page, command: str) -> None:
    press(page, "Escape", "F1")
    page.keyboard.insert_text(command)
    press(page, "Enter")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_two_hundred_cells_open_at_once_and_typing_is_not_slowed(screen: Screen) -> None:
    page = filled(screen, *(f"value_{number} = {number}" for number in range(3)))
    for _ in range(6):
        press(page, "Control+a", "c", "End", "v")
    expect(page.locator(".cell")).to_have_count(3 * 2**6)
    page.keyboard.press("Control+s")
    expect(page.get_by_text("Saved", exact=True).first).to_be_visible(timeout=PATIENCE)
    page.reload()
    began = time.monotonic()
    expect(page.locator(".cell")).to_have_count(192)
    assert time.monotonic() - began < 15
    # Those far from the screen have no editor yet, and are there all the same: for search, for Tab, for a click.
    assert page.locator(".cm-editor").count() < 60
    last = screen.code(192)
    last.scroll_into_view_if_needed()
    last.click()
    page.keyboard.press("Control+End")
    page.keyboard.type(" # end")
    expect(last).to_contain_text("value_2 = 2 # end")
    expect(last).to_be_focused()


def test_on_a_phone_everything_is_in_the_menu(new_context: NewContext) -> None:
    screen = Screen(new_context(viewport={"width": 320, "height": 640}, has_touch=True).new_page())
    page = screen.page
    screen.create()
    page.get_by_label("Menu of the notebook").click()
    page.locator(".menu-group summary", has_text="Cell").click()
    page.get_by_role("button", name="Insert a Markdown cell below").click()
    expect(page.get_by_role("textbox", name="Markdown of cell 2")).to_be_focused()
    assert page.evaluate("document.scrollingElement.scrollWidth") == 320
