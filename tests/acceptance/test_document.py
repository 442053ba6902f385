"""What becomes of a document: two tabs, no network, former versions, files in and out, the trash."""

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.acceptance.conftest import SCREENSHOTS, NewContext
from tests.acceptance.screen import PATIENCE, Screen
from tests.documents import code_cell, document_of, text_cell
from tests.services import wait_until

pytestmark = [
    pytest.mark.browser, pytest.mark.docker, pytest.mark.redis, pytest.mark.timeout(600, func_only=True),
]  # fmt: skip


DROP = """([name, text]) => {
    const dataTransfer = new DataTransfer();
    dataTransfer.items.add(new File([text], name));
    for (const type of ["dragover", "drop"])
        document.body.dispatchEvent(new DragEvent(type, { dataTransfer, bubbles: true, cancelable: true }));
}"""


KEPT_BY_THE_BROWSER = """(text) => new Promise((resolve) => {
    const opening = indexedDB.open("thermae", 1);
    opening.onsuccess = () => {
        const all = opening.result.transaction("drafts").objectStore("drafts").getAll();
        all.onsuccess = () => resolve(JSON.stringify(all.result).includes(text));
    };
})"""


def saved(page: Page) -> None:
    expect(page.locator(".save-state.saved")).to_be_attached(timeout=PATIENCE)


def dialog(page: Page) -> Locator:
    return page.get_by_role("dialog")


def text(screen: Screen, cell: int = 1) -> Locator:
    return screen.code(cell)


def write(screen: Screen, code: str, cell: int = 1) -> None:
    screen.write(code, cell)
    saved(screen.page)


def test_two_tabs_are_merged_where_they_can_be_and_shown_both_where_not(new_context: NewContext) -> None:
    context = new_context()
    first, second = Screen(context.new_page()), Screen(context.new_page())
    address = first.create()
    write(first, "shared = 1")
    first.page.get_by_role("button", name="Add code cell").first.click()
    write(first, "other = 2", 2)
    # It hears nothing of the other while that is edited, as a tab on a bad line.
    second.page.route_web_socket(re.compile("/ws/notebooks/"), lambda socket: None)
    second.page.goto(address)
    expect(text(second)).to_contain_text("shared = 1")

    # Different cells: both edits are there, in both tabs, without a question.
    write(first, "shared = 10")
    write(second, "other = 20", 2)
    expect(text(second)).to_contain_text("shared = 10")
    expect(second.page.get_by_text("put together")).to_be_visible()
    first.page.reload()
    expect(text(first, 2)).to_contain_text("other = 20")

    # The same cell: both are shown, and both are kept.
    write(first, "theirs = 'from the first tab'")
    second.write("mine = 'from the second tab'")
    told = second.page.get_by_role("alert").filter(has_text="Changed in two places.")
    told.get_by_role("button", name="Compare and choose").click()
    shown = dialog(second.page)
    expect(shown.locator(".line.minus")).to_contain_text("theirs = 'from the first tab'")
    expect(shown.locator(".line.plus")).to_contain_text("mine = 'from the second tab'")
    second.page.screenshot(path=shot("conflict"))
    shown.get_by_role("button", name="Keep both").click()
    expect(text(second)).to_contain_text("theirs")
    saved(second.page)
    with context.expect_page() as opened:
        second.page.get_by_role("button", name="Open it").click()
    expect(opened.value.get_by_role("textbox", name="Code of cell 1")).to_contain_text("mine = 'from", timeout=PATIENCE)
    expect(opened.value.get_by_label("Name of the notebook")).to_have_value(re.compile(r"\(my edits\)$"))


def test_edits_without_a_sign_in_or_a_network_outlive_the_page(new_context: NewContext) -> None:
    context = new_context()
    screen = Screen(context.new_page())
    address = screen.create()
    kept = context.cookies()
    for cookie in ("sessionid", None):
        context.clear_cookies(name=cookie) if cookie else context.clear_cookies()
        screen.write(f"signed_out = {cookie!r}")
        told = screen.page.get_by_role("alert").filter(has_text="You are signed out.")
        expect(told).to_be_visible(timeout=PATIENCE)
        expect(told.get_by_role("link")).to_have_attribute("href", re.compile(r"^/login\?next="))
        context.add_cookies(kept)  # as signing in again in another tab does
        saved(screen.page)
        expect(told).to_have_count(0)
    write(screen, "before = 1")
    context.set_offline(True)
    screen.write("written_offline = 2")
    expect(screen.page.locator(".save-state.failed")).to_be_visible(timeout=PATIENCE)
    wait_until(lambda: screen.page.evaluate(KEPT_BY_THE_BROWSER, "written_offline"), "the browser's own copy", 10)
    screen.page.close(run_before_unload=False)
    context.set_offline(False)
    again = Screen(context.new_page())
    again.page.goto(address)
    expect(text(again)).to_contain_text("before = 1")
    told = again.page.get_by_role("alert").filter(has_text="Edits were not saved.")
    told.get_by_role("button", name="Compare and choose").click()
    expect(dialog(again.page).locator(".line.plus")).to_contain_text("written_offline = 2")
    dialog(again.page).get_by_role("button", name="Put both together").click()
    expect(text(again)).to_contain_text("written_offline = 2")
    saved(again.page)
    again.page.reload()
    expect(text(again)).to_contain_text("written_offline = 2")
    expect(again.page.get_by_role("alert")).to_have_count(0)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_former_version_is_compared_and_restored_and_that_can_be_undone(new_context: NewContext, theme: str) -> None:
    screen = Screen(new_context(color_scheme=theme).new_page())
    page = screen.page
    screen.create()
    write(screen, "total = price * 2\nprint(total)")
    page.get_by_role("button", name="History", exact=True).click()
    panel = page.get_by_role("complementary", name="History")
    panel.get_by_label("Keep it as it is now").fill("before the talk")
    panel.get_by_role("button", name="Keep", exact=True).click()
    version = panel.get_by_role("button", name=re.compile("before the talk"))
    expect(version).to_be_visible()
    write(screen, "total = price * 3\nprint(total)")
    version.click()
    expect(dialog(page).locator(".line.minus mark")).to_have_text("2")
    expect(dialog(page).locator(".line.plus mark")).to_have_text("3")
    page.screenshot(path=shot(f"history-{theme}"))
    page.set_viewport_size({"width": 360, "height": 740})
    page.screenshot(path=shot(f"history-phone-{theme}"))
    assert page.evaluate("document.scrollingElement.scrollWidth") == 360
    page.set_viewport_size({"width": 1280, "height": 800})
    dialog(page).get_by_role("button", name="Restore this version").click()
    expect(text(screen)).to_contain_text("price * 2")
    expect(panel.get_by_text("Before a version was restored")).to_be_visible()
    page.get_by_role("status").get_by_role("button", name="Undo").click()
    expect(text(screen)).to_contain_text("price * 3")
    saved(page)


def test_a_file_is_imported_with_its_outputs_and_exported(screen: Screen, tmp_path: Path) -> None:
    page = screen.page
    printed = [{"output_type": "stream", "name": "stdout", "text": "printed elsewhere"}]
    files = {
        "Данные 1.ipynb": document_of(code_cell("a", "print('x')", outputs=printed), text_cell("b", "# Words")),
        "julia.ipynb": {**document_of(), "metadata": {"kernelspec": {"name": "julia-1.9", "display_name": "Julia"}}},
        "broken.ipynb": None,
    }
    for name, content in files.items():
        (tmp_path / name).write_text(json.dumps(content) if content else '{"cells": ')
    page.goto("/notebooks/")
    form = page.locator("form#import")
    page.locator("summary", has_text="Import").click()
    form.get_by_label("Notebook files").set_input_files([tmp_path / "broken.ipynb", tmp_path / "julia.ipynb"])
    says = page.locator("[data-says]")
    expect(says).to_contain_text("broken.ipynb: This is no notebook. It is not JSON")
    expect(says).to_contain_text("julia.ipynb: No language here is 'julia-1.9': choose one.")
    page.screenshot(path=shot("import"))
    form.get_by_label("Language").select_option("python")
    page.wait_for_url(re.compile(r"/notebooks/[0-9a-f-]{36}/"))
    page.goto("/notebooks/")
    page.evaluate(DROP, ["Данные 1.ipynb", json.dumps(files["Данные 1.ipynb"])])
    page.wait_for_url(re.compile(r"/notebooks/[0-9a-f-]{36}/"))
    screen.shows("printed elsewhere")
    expect(page.get_by_role("heading", name="Words")).to_be_visible()
    for words, ending in (("Notebook file", "ipynb"), ("Web page", "html"), ("Program", "py")):
        page.locator("summary[aria-label='Export and more']").click()
        with page.expect_download() as download:
            page.get_by_role("button", name=words).click()
        assert download.value.suggested_filename == f"Данные 1.{ending}"
        assert "print(" in download.value.path().read_text() or ending == "html"


def test_a_deleted_notebook_comes_back_from_the_list_the_trash_and_an_open_tab(new_context: NewContext) -> None:
    context = new_context()
    screen, other = Screen(context.new_page()), Screen(context.new_page())
    address = screen.create()
    screen.page.get_by_label("Name of the notebook").fill("Doomed")
    write(screen, "x = 1")
    identifier = address.split("/")[-2]

    def delete() -> None:
        other.page.goto("/notebooks/")
        row = other.page.locator("li", has=other.page.locator(f"a[href*='{identifier}']"))
        row.locator("summary").click()
        row.get_by_role("button", name="Delete").click()

    delete()
    other.page.get_by_role("button", name="Undo").click()
    expect(other.page.locator(f"a[href*='{identifier}']").first).to_be_visible()
    delete()
    other.page.get_by_role("link", name="Trash").first.click()
    other.page.screenshot(path=shot("trash"))
    # The tab in which it is still open says so, and saves nothing into the void.
    told = screen.page.get_by_role("alert").filter(has_text="This notebook is in the trash.")
    expect(told).to_be_visible(timeout=PATIENCE)
    told.get_by_role("button", name="Restore").click()
    expect(told).to_have_count(0)
    screen.write("x = 2")
    saved(screen.page)
    screen.page.reload()
    expect(text(screen)).to_contain_text("x = 2")
    delete()
    other.page.goto(address)
    other.page.get_by_role("button", name="Restore and open").click()
    expect(text(other)).to_contain_text("x = 2")


def shot(name: str) -> Path:
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    return SCREENSHOTS / f"document-{name}.png"
