"""The list of notebooks as a person uses it: found while typing, without scripts too, changed by its menu."""

import re
import uuid

import pytest
from playwright.sync_api import expect

from tests.acceptance.conftest import NewContext
from tests.stack import Stack

pytestmark = [
    pytest.mark.browser, pytest.mark.docker, pytest.mark.redis, pytest.mark.timeout(600, func_only=True),
]  # fmt: skip


@pytest.fixture
def name() -> str:
    """A word that no other notebook has, of an earlier try neither."""
    return uuid.uuid4().hex[:8]


def test_a_notebook_is_found_copied_and_deleted(new_context: NewContext, stack: Stack, name: str) -> None:
    for title in (f"Tides of {name}", f"Stones of {name}"):
        stack.console.notebook(owner="alice", title=title)
    page = new_context().new_page()
    page.goto("/notebooks/")
    page.get_by_role("searchbox", name="Search your notebooks").press_sequentially(f"{name.upper()} tides")
    expect(page.locator(".list-title")).to_have_text([f"Tides of {name}"])
    expect(page.get_by_role("status").filter(has_text="1 notebook found")).to_be_attached()
    expect(page).to_have_url(re.compile(rf"q={name.upper()}\+tides"))
    page.reload()
    expect(page.locator(".list-title")).to_have_text([f"Tides of {name}"])

    def choose(action: str) -> None:
        page.get_by_label(f"More for Tides of {name}").first.click()
        page.get_by_role("button", name=action).first.click()

    choose("Duplicate")
    expect(page.get_by_text(f"“Copy of Tides of {name}” is in your list.")).to_be_visible()
    choose("Delete")
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".list-title").filter(has_text=f"Tides of {name}")).to_have_count(2)


def test_it_works_without_scripts(new_context: NewContext, stack: Stack, name: str) -> None:
    stack.console.notebook(owner="alice", title=f"Stones of {name}")
    page = new_context(java_script_enabled=False).new_page()
    page.goto("/notebooks/")
    page.get_by_role("searchbox", name="Search your notebooks").fill(name)
    page.get_by_role("button", name="Search").click()
    expect(page.locator(".list-title")).to_have_text([f"Stones of {name}"])
    page.get_by_role("link", name=f"Stones of {name}").click()
    expect(page).to_have_title(f"Stones of {name} · Thermae")
    # Playwright stops scripts, but does not draw what is for who has none.
    assert "A notebook needs JavaScript" in page.content()
