"""The files panel: bring, look, edit, take; names of any bytes; and files that outlive their session."""

import io
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from tests.acceptance.conftest import SCREENSHOTS
from tests.acceptance.screen import PATIENCE, Screen
from tests.stack import Stack

pytestmark = [
    pytest.mark.browser, pytest.mark.docker, pytest.mark.redis, pytest.mark.timeout(600, func_only=True),
    pytest.mark.usefixtures("nothing_is_left"),
]  # fmt: skip

# What a row says after the name.
KINDS = r"[\d.]+ \w+|folder|link"
DROP = """([target, names, text]) => {
  const data = new DataTransfer();
  for (const name of names) data.items.add(new File([text], name, { type: 'text/plain' }));
  for (const kind of ['dragenter', 'dragover', 'drop'])
    target.dispatchEvent(new DragEvent(kind, { dataTransfer: data, bubbles: true, cancelable: true }));
}"""


@pytest.fixture(autouse=True)
def patience() -> Iterator[None]:
    """Every step here waits for a server."""
    expect.set_options(timeout=PATIENCE)
    yield
    expect.set_options(timeout=5000)


def panel(screen: Screen) -> Locator:
    found = screen.page.get_by_role("complementary", name="Files")
    if not found.count():
        screen.page.get_by_role("button", name="Files", exact=True).click()
    expect(found).to_be_visible()
    return found


def item(screen: Screen, name: str) -> Locator:
    return panel(screen).get_by_role("treeitem", name=re.compile(rf"^{re.escape(name)} ({KINDS})$"))


def drop(screen: Screen, target: Locator, names: list[str], text: str) -> None:
    screen.page.evaluate(DROP, [target.element_handle(), names, text])


DRAG_OUT = """(row) => {
    const dataTransfer = new DataTransfer();
    row.dispatchEvent(new DragEvent("dragstart", { dataTransfer, bubbles: true }));
    row.dispatchEvent(new DragEvent("dragend", { bubbles: true }));
    return dataTransfer.getData("DownloadURL");
}"""


def shot(screen: Screen, name: str) -> None:
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    screen.page.screenshot(path=SCREENSHOTS / f"files-{name}.png")


def downloaded(screen: Screen, button: str) -> bytes:
    with screen.page.expect_download() as waiting:
        panel(screen).get_by_role("button", name=button, exact=True).click()
    return Path(waiting.value.path()).read_bytes()


def test_files_are_brought_looked_at_edited_and_taken(screen: Screen) -> None:
    page = screen.page
    screen.create()
    screen.run("import os; os.makedirs('data/deep', exist_ok=True); print('made')")
    screen.finished()
    expect(item(screen, "data")).to_be_visible()
    # Dropped on a folder, then the same name again.
    drop(screen, item(screen, "data"), ["table.csv"], "name,amount\nada,1\ngrace,20\n")
    expect(panel(screen).get_by_text("uploaded")).to_be_visible()
    item(screen, "data").click()
    expect(item(screen, "table.csv")).to_be_visible()
    drop(screen, item(screen, "data"), ["table.csv"], "name,amount\nother,3\n")
    page.get_by_role("dialog").get_by_role("button", name="Keep both").click()
    expect(item(screen, "table (2).csv")).to_be_visible()
    # A table, by keys alone.
    item(screen, "data").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    expect(item(screen, "table.csv")).to_have_attribute("aria-selected", "true")
    page.keyboard.press("Enter")
    preview = page.get_by_role("dialog", name="File table.csv")
    expect(preview.get_by_role("columnheader", name="amount")).to_be_visible()
    expect(preview.get_by_role("cell", name="grace")).to_be_visible()
    expect(preview).to_contain_text("2 rows, 2 columns")
    shot(screen, "table")
    # The same as text: edited, saved, and then changed by code behind our back.
    preview.get_by_role("button", name="Edit").click()
    text = preview.get_by_role("textbox", name="Text of table.csv")
    text.click()
    page.keyboard.press("Control+End")
    page.keyboard.insert_text("linus,300\n")
    expect(preview.get_by_text("not saved")).to_be_visible()
    page.keyboard.press("Control+s")
    expect(preview.get_by_text("not saved")).to_have_count(0)
    page.keyboard.insert_text("mine,4\n")
    preview.get_by_role("button", name="Close the file").click()
    page.get_by_role("dialog", name="Leave without saving?").get_by_role("button", name="Cancel").click()
    preview.get_by_role("button", name="Save").click()
    expect(preview.get_by_text("not saved")).to_have_count(0)
    preview.get_by_role("button", name="Close the file").click()
    screen.run("print(open('data/table.csv').read().split()[-2:]); open('data/table.csv', 'a').write('by code')")
    screen.shows("['linus,300', 'mine,4']")
    # Dragged out to the desktop, which takes it from the address that the drag carries.
    item(screen, "table.csv").click()
    kind, name, address = item(screen, "table.csv").evaluate(DRAG_OUT).split(":", 2)
    assert (kind, name) == ("application/octet-stream", "table.csv")
    assert page.request.get(address).body().endswith(b"by code")
    # A folder as a zip.
    item(screen, "data").click()
    packed = zipfile.ZipFile(io.BytesIO(downloaded(screen, "Download as zip")))
    assert {"table.csv", "table (2).csv", "deep/"} <= set(packed.namelist())
    assert packed.read("table.csv").endswith(b"mine,4\nby code")
    shot(screen, "tree")


MINE = """(notebook) => fetch('/api/v1/sessions').then((answer) => answer.json())
  .then((all) => all.find((one) => one.identifier.includes(notebook)).id)"""
MADE = """
open('note.txt', 'w').write('first')
open('pic.svg', 'w').write("<svg xmlns='http://www.w3.org/2000/svg' width='40' height='40'>"
                           "<script>top.hacked = 1</script><rect width='40' height='40' fill='teal'/></svg>")
open('d.parquet', 'wb').write(b'PAR1')
"""


def test_a_file_that_code_changed_is_not_saved_over_and_a_picture_runs_nothing(screen: Screen) -> None:
    page = screen.page
    screen.create()
    screen.run(MADE)
    screen.finished()
    item(screen, "note.txt").dblclick()
    preview = page.get_by_role("dialog", name="File note.txt")
    preview.get_by_role("textbox", name="Text of note.txt").click()
    page.keyboard.press("Control+A")
    page.keyboard.insert_text("mine")
    session = page.evaluate(MINE, re.findall(r"[0-9a-f-]{36}", page.url)[0])
    write = """([id]) => fetch(`/api/v1/sessions/${id}/files/note.txt`, { method: 'PUT', body: 'by code',
      headers: { 'X-CSRFToken': document.cookie.match(/csrftoken=([^;]+)/)[1] } }).then((r) => r.status)"""
    assert page.evaluate(write, [session]) == 204
    page.keyboard.press("Control+s")
    clash = page.get_by_role("dialog", name="The file was changed meanwhile")
    expect(clash).to_be_visible()
    clash.get_by_role("button", name="Discard mine").click()
    expect(preview.get_by_role("textbox", name="Text of note.txt")).to_contain_text("by code")
    page.keyboard.press("Escape")  # gives Tab back to the page
    page.keyboard.press("Escape")
    expect(preview).to_have_count(0)
    item(screen, "pic.svg").dblclick()
    picture = page.get_by_role("dialog", name="File pic.svg")
    expect(picture.get_by_text("40 × 40")).to_be_visible()
    assert page.evaluate("() => window.hacked") is None
    picture.get_by_role("button", name="Close the file").click()
    item(screen, "d.parquet").dblclick()
    expect(page.get_by_role("dialog", name="File d.parquet")).to_contain_text('pd.read_parquet("d.parquet")')


STRANGE = """
import os
for name in (b'not \\xff text', b'new\\nline', 'x\\u202egnp.exe'.encode(), b'-rf', b'a' * 255,
             b'<img src=x onerror=top.hacked=1>'):
    open(name, 'wb').write(b'content')
print(len(os.listdir(b'.')) > 5)
"""


def test_names_of_any_bytes_are_seen_had_renamed_and_deleted(screen: Screen) -> None:
    page = screen.page
    screen.create()
    screen.run(STRANGE)
    screen.shows("True")
    for name in (
        "not \\xff text",
        "new\\nline",
        "x\\u202egnp.exe",
        "-rf",
        "a" * 255,
        "<img src=x onerror=top.hacked=1>",
    ):
        expect(item(screen, name)).to_be_visible()
    expect(panel(screen).locator("code.escaped").first).to_be_visible()
    shot(screen, "names")
    for name in ("not \\xff text", "new\\nline"):
        item(screen, name).click()
        assert downloaded(screen, "Download") == b"content"
        page.keyboard.press("Escape")
    item(screen, "x\\u202egnp.exe").click()
    page.keyboard.press("Delete")
    page.get_by_role("dialog").get_by_role("button", name="Delete", exact=True).click()
    expect(item(screen, "x\\u202egnp.exe")).to_have_count(0)
    item(screen, "not \\xff text").click()
    page.keyboard.press("F2")
    page.get_by_role("dialog").get_by_label("New name").fill("plain.txt")
    page.keyboard.press("Enter")
    expect(item(screen, "plain.txt")).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    expect(item(screen, "not \\xff text")).to_be_visible()
    assert page.evaluate("() => window.hacked") is None
    page.set_viewport_size({"width": 320, "height": 640})
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 320
    shot(screen, "narrow")


def test_files_are_there_again_after_the_session_ended(screen: Screen, stack: Stack) -> None:
    with stack.pool("brief", ready_instances=2):
        page = screen.page
        screen.create("brief")
        screen.run("open('work.txt', 'w').write('all day'); print('written')")
        screen.finished()
        kept = panel(screen).get_by_role("region", name="Kept files")
        expect(kept.get_by_role("switch")).to_be_checked()
        kept.get_by_role("button", name="Save now").click()
        expect(kept).to_contain_text("Kept as of")
        screen.run("open('last.txt', 'w').write('a moment before the end'); print('again')")
        screen.shows("again")
        screen.state.click()
        page.get_by_role("button", name="End session…").click()
        page.get_by_role("dialog").get_by_role("button", name="End session").click()
        expect(page.get_by_text("Kept for the next session")).to_be_visible()
        shot(screen, "kept")
        screen.run("print(open('work.txt').read(), '|', open('last.txt').read())")
        screen.shows("all day | a moment before the end")
        expect(item(screen, "last.txt")).to_be_visible()
