"""Chromium in front of a running stack. A test that fails leaves a screenshot and the console in build/acceptance."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Playwright, sync_playwright

from tests import capabilities
from tests.acceptance.screen import Screen
from tests.stack import Stack

BUILD = Path(__file__).resolve().parents[2] / "build"
FAILURES, SCREENSHOTS = BUILD / "acceptance", BUILD / "screenshots"
FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[Any]:
    report = yield
    if report.when == "call":
        item.stash[FAILED] = report.failed
    return report


# Per package, not per run: Playwright holds an event loop while it is open, and other tests need their own.
@pytest.fixture(scope="package")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as running:
        yield running


@pytest.fixture(scope="package")
def browser(playwright: Playwright) -> Iterator[Browser]:
    # Without Chromium's own sandbox, which root may not have.
    browser = playwright.chromium.launch(executable_path=capabilities.light_browser_binary(), args=["--no-sandbox"])
    yield browser
    browser.close()


@pytest.fixture(scope="package")
def cookies(browser: Browser, stack: Stack) -> dict[str, Any]:
    """What a browser keeps of alice's signing in."""
    context = browser.new_context(base_url=stack.url)
    sign_in(context.new_page())
    kept = dict(context.storage_state())
    context.close()
    return kept


def sign_in(page: Page, name: str = "alice", password: str = "secret") -> None:
    page.goto("/login")
    page.get_by_label("User name").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in", exact=True).click()


NewContext = Callable[..., BrowserContext]


@pytest.fixture
def new_context(
    browser: Browser, stack: Stack, cookies: dict[str, Any], request: pytest.FixtureRequest
) -> Iterator[NewContext]:
    """A browser window of its own: signed in as alice unless `storage_state` says otherwise."""
    contexts: list[BrowserContext] = []
    said: list[str] = []

    def make(**options: Any) -> BrowserContext:
        given = {"storage_state": cookies, "base_url": stack.url, "viewport": {"width": 1280, "height": 800}, **options}
        context = browser.new_context(**given)
        context.set_default_timeout(20_000)
        context.on("console", lambda message: said.append(in_words(message)))
        context.on("weberror", lambda error: said.append(f"uncaught: {error.error}"))
        contexts.append(context)
        return context

    yield make
    failed = request.node.stash.get(FAILED, False)
    if failed:
        keep(re.sub(r"\W+", "-", request.node.name), contexts, said)
    for context in contexts:
        context.close()
    uncaught = [line for line in said if line.startswith("uncaught")]
    assert failed or not uncaught, "\n".join(uncaught)


def in_words(message: ConsoleMessage) -> str:
    return (
        f"{message.type}: {message.text} ({message.location.get('url', '')}:{message.location.get('lineNumber', '')})"
    )


def keep(name: str, contexts: list[BrowserContext], said: list[str]) -> None:
    FAILURES.mkdir(parents=True, exist_ok=True)
    (FAILURES / f"{name}.log").write_text("\n".join(said))
    for number, page in enumerate(page for context in contexts for page in context.pages):
        page.screenshot(path=FAILURES / f"{name}-{number}.png", full_page=True)


@pytest.fixture
def screen(new_context: NewContext) -> Screen:
    """A window of alice's."""
    return Screen(new_context().new_page())


@pytest.fixture(autouse=True)
def sessions_end(stack: Stack) -> Iterator[None]:
    """A notebook's session would stay until it has been idle, and the pool would be full before the last test."""
    yield
    for session in stack.console.sessions(state__in=["starting", "leased"], tenant__isnull=False):
        stack.console.end(session=str(session["id"]))


@pytest.fixture
def nothing_is_left(stack: Stack) -> Iterator[None]:
    yield
    stack.check()
