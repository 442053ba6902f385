"""A person and a container of their tenant's: its page, the application on its own origin, its terminal, its end."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests import containers
from tests.acceptance.axe import wrong_in
from tests.acceptance.conftest import NewContext
from tests.acceptance.screen import PATIENCE
from tests.stack import Stack

pytestmark = [
    pytest.mark.browser, pytest.mark.docker, pytest.mark.redis, pytest.mark.timeout(300, func_only=True),
    pytest.mark.usefixtures("nothing_is_left"),
]  # fmt: skip

# The application is hostile, and says what it was sent: code in a request is run inside of it (tests/custom/app.py).
COOKIE_SENT = """async () => {
    const code = "import sys; print(sys._getframe(1).f_locals['self'].headers.get('Cookie'))";
    return (await (await fetch("/", {method: "POST", body: code})).text()).trim();
}"""
ASK_US = """address => fetch(address, {credentials: "include"}).then(() => "answered", () => "refused")"""


def test_a_container_is_opened_used_and_ended(new_context: NewContext, stack: Stack) -> None:
    stack.console.custom_image(name="shop")
    pool = {"memory": 128, "disk": 32, "target_port": containers.PORT, "shell": True, "max_concurrent": 2}
    with stack.pool("shop", image="shop", **pool):
        page = new_context().new_page()
        page.goto("/notebooks/")
        page.get_by_role("link", name=re.compile("^shop")).click()
        expect(page.get_by_role("status")).to_contain_text("Running", timeout=PATIENCE)
        assert wrong_in(page) == []
        try_application(page, stack)
        use_terminal(page)
        page.get_by_role("button", name="End session").click()
        expect(page.get_by_role("status")).to_contain_text("Ended", timeout=PATIENCE)
        expect(page.get_by_role("button", name="Start a new session")).to_be_visible()
        expect(page.locator(".xterm-screen")).to_have_count(0)
        assert wrong_in(page) == []


def try_application(page: Page, stack: Stack) -> None:
    """It opens where neither its pages nor its server can have anything of ours."""
    ours = {cookie["name"] for cookie in page.context.cookies(stack.url)}
    with page.context.expect_page() as opened:
        page.get_by_role("button", name="Open application").click()
    application = opened.value
    expect(application.get_by_text("/ says hello")).to_be_visible(timeout=PATIENCE)
    assert re.fullmatch(r"http://[0-9a-f]{32}-8080\.preview\.localhost:\d+/", application.url)
    assert "sessionid" in " ".join(ours), "the browser does hold cookies of ours"
    assert application.evaluate("document.cookie") == ""
    assert application.evaluate(COOKIE_SENT) == "None"
    assert application.evaluate("window.opener") is None
    assert application.evaluate(ASK_US, f"{stack.url}/api/v1/sessions") == "refused"
    application.close()


def use_terminal(page: Page) -> None:
    page.locator(".xterm-screen").click()
    page.keyboard.type("echo and-$((40 + 2)); id -u\n")
    expect(page.locator(".xterm-rows")).to_contain_text("and-42", timeout=PATIENCE)
    expect(page.locator(".xterm-rows")).to_contain_text("10001")
