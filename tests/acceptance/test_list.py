"""The list of notebooks as a person uses it: found while typing, without scripts too, changed by its menu."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.acceptance.conftest import NewContext
from tests.stack import Stack

pytestmark = [
    pytest.mark.browser, pytest.mark.docker, pytest.mark.redis, pytest.mark.timeout(600, func_only=True),
]  # fmt: skip


def rows(page: Page) -> list[str]:
    return [text.strip() for text in page.locator(".list-title").all_inner_texts()]


def test_a_notebook_is_found_copied_and_deleted(new_context: NewContext, stack: Stack) -> None:
    for title in ("Tides of Ostia", "Tides of Baiae"):
        stack.console.notebook(owner="alice", title=title)
    page = new_context().new_page()
    page.goto("/notebooks/")
    page.get_by_role("searchbox", name="Search your notebooks").press_sequentially("baiae tides")
    expect(page.locator(".list-title")).to_have_text(["Tides of Baiae"])
    expect(page.get_by_role("status").filter(has_text="1 notebook found")).to_be_attached()
    expect(page).to_have_url(re.compile(r"q=baiae\+tides"))
    page.reload()
    assert rows(page) == ["Tides of Baiae"]

    def choose(action: str) -> None:
        page.get_by_label("More for Tides of Baiae").first.click()
        page.get_by_role("button", name=action).first.click()

    choose("Duplicate")
    expect(page.get_by_text("“Copy of Tides of Baiae” is in your list.")).to_be_visible()
    choose("Delete")
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".list-title").filter(has_text="Tides of Baiae")).to_have_count(2)


def test_it_works_without_scripts(new_context: NewContext, stack: Stack) -> None:
    stack.console.notebook(owner="alice", title="Stones of Venice")
    page = new_context(java_script_enabled=False).new_page()
    page.goto("/notebooks/")
    page.get_by_role("searchbox", name="Search your notebooks").fill("venice")
    page.get_by_role("button", name="Search").click()
    assert rows(page) == ["Stones of Venice"]
    page.get_by_role("link", name="Stones of Venice").click()
    expect(page.get_by_text("A notebook needs JavaScript")).to_be_visible()
