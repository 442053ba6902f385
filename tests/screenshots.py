"""The pictures of the documentation, taken of a running stack: `make screenshots` writes docs/images/*.png.

Each is taken in light and dark. What a picture shows is made here, by the words that the pages show, so that a page may
change its looks and the pictures follow.
"""

import os
import re
import shutil
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from interpreters.images import sources
from tests import capabilities
from tests.acceptance.conftest import sign_in
from tests.acceptance.screen import PATIENCE, Screen
from tests.acceptance.walkthrough import Walk
from tests.stack import Stack

IMAGES = Path(__file__).resolve().parents[1] / "docs" / "images"
THEMES = ("light", "dark")
DESKTOP = {"width": 1200, "height": 780}
PHONE = {"width": 390, "height": 780}
LARGEST = 250 * 1024

# Title, pool, and how many minutes ago it was opened. A language without an image here is left out.
NOTEBOOKS = (
    ("Warm pools, measured", "python", 14),
    ("Sales by region", "sql", 95),
    ("Regression for the paper", "r", 60 * 7),
    ("Clean the survey", "python", 60 * 26),
    ("Prices as JSON", "deno", 60 * 24 * 3),
    ("Nightly report", "bash", 60 * 24 * 9),
)
FILES = (
    "mkdir -p data plots; printf 'bath,opened\\nTrajan,109\\n' > data/baths.csv; seq 2000 > data/water.csv; "
    "echo '# Notes' > notes.md; clear; ls -la --color=always; python3 --version\n"
)


def main() -> int:
    lacking = [reason for name in ("docker", "redis", "browser") if (reason := capabilities.missing(name))]
    if lacking:
        print("\n".join(lacking), file=sys.stderr)
        return 1
    os.environ.setdefault("THERMAE_STATE_DIR", tempfile.mkdtemp(prefix="thermae-pictures-"))
    os.environ.setdefault("THERMAE_INSTALLATION", f"pictures-{uuid.uuid4().hex[:8]}")
    IMAGES.mkdir(parents=True, exist_ok=True)
    try:
        with installed() as stack, sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=capabilities.browser_binary(), args=["--no-sandbox", "--font-render-hinting=none"]
            )
            take_all(browser, stack.url)
            take_walk(browser, stack)
    finally:
        shutil.rmtree(os.environ["THERMAE_STATE_DIR"], ignore_errors=True)
    return 0


@contextmanager
def installed() -> Iterator[Stack]:
    """A stack with all languages that were built here, and alice's notebooks."""
    with Stack() as stack:
        offered = {image for image in sources.names() if stack.offers(image)}
        for image in offered & {"r", "deno", "bash", "sql"}:
            stack.console.image(name=image)
            stack.console.pool(name=image, image=image, ready_instances=0, max_concurrent=4, memory=768)
        for title, pool, minutes in NOTEBOOKS:
            if pool in offered:
                stack.console.notebook(owner="alice", title=title, pool=pool, minutes_ago=minutes)
        stack.console.operator(name="operator", password="secret")
        yield stack


def take_all(browser: Browser, url: str) -> None:
    made = browser.new_context(base_url=url, viewport=DESKTOP, reduced_motion="reduce")
    page = made.new_page()
    sign_in(page)
    address = run_welcome(page)
    state = made.storage_state()
    made.close()

    def take(name: str, show: Callable[[Page], None], phone: bool = False) -> None:
        for theme in THEMES:
            for scale in (2, 1.5, 1):
                context = browser.new_context(
                    base_url=url, storage_state=state, color_scheme=theme, reduced_motion="reduce",
                    viewport=PHONE if phone else DESKTOP, device_scale_factor=scale, is_mobile=phone, has_touch=phone,
                )  # fmt: skip
                context.set_default_timeout(PATIENCE)
                page = context.new_page()
                show(page)
                page.wait_for_timeout(700)
                picture = page.screenshot(path=IMAGES / f"{name}-{theme}.png")
                context.close()
                if len(picture) <= LARGEST:
                    break
            print(f"{name}-{theme}.png: {len(picture) // 1024} KiB")

    def opened(page: Page) -> Screen:
        page.goto(address)
        screen = Screen(page)
        expect(screen.code(2)).to_be_visible()
        # A tab that is opened later shows what the cells have shown.
        expect(page.get_by_role("img").first).to_be_attached(timeout=PATIENCE)
        plot = page.get_by_role("region", name="Output of cell 3")
        plot.evaluate("plot => plot.scrollIntoView({ block: 'center' })")
        return screen

    def with_terminal(page: Page) -> None:
        screen = opened(page)
        screen.open_terminal()
        screen.type_in_terminal(FILES)
        screen.terminal_shows("notes.md")

    def with_files(page: Page) -> None:
        opened(page)
        page.get_by_role("button", name="Files", exact=True).click()
        expect(page.get_by_text("notes.md").first).to_be_visible()

    def signing_in(page: Page) -> None:
        page.context.clear_cookies()
        page.goto("/login")

    take("notebook", lambda page: void(opened(page)))
    take("terminal", with_terminal)
    take("files", with_files)
    take("list", lambda page: void(page.goto("/notebooks/")))
    take("login", signing_in)
    take("phone", lambda page: void(opened(page)), phone=True)
    take("phone-list", lambda page: void(page.goto("/notebooks/")), phone=True)


def take_walk(browser: Browser, stack: Stack) -> None:
    """What docs/walkthrough.md shows, in light."""

    def window(name: str = "", password: str = "") -> BrowserContext:
        context = browser.new_context(
            base_url=stack.url, viewport=DESKTOP, color_scheme="light", reduced_motion="reduce"
        )
        context.set_default_timeout(PATIENCE)
        if name:
            sign_in(context.new_page(), name, password)
        return context

    def take(name: str, page: Page) -> None:
        if name == "6-dashboard":  # of an organisation that has been there for a day
            stack.console.day_of_a_class(pool="class")
            page.reload()
        page.wait_for_timeout(300)
        picture = page.screenshot(path=IMAGES / f"walk-{name}.png")
        print(f"walk-{name}.png: {len(picture) // 1024} KiB")

    Walk(window, window, take).whole()


def void(_: object) -> None:
    """Lets an expression be a step."""


def run_welcome(page: Page) -> str:
    """The welcome notebook, run from its first cell to its last; returns its address."""
    page.goto("/notebooks/")
    page.get_by_text("From an example").click()
    page.get_by_role("button", name="Python by example").click()
    page.wait_for_url(re.compile(r"/notebooks/[0-9a-f-]{36}/"))
    screen = Screen(page)
    expect(screen.code(2)).to_be_visible(timeout=PATIENCE)
    page.get_by_role("button", name="Run all", exact=True).click()
    answer = page.get_by_role("region", name=re.compile("^Output of cell")).get_by_role("textbox")
    expect(answer).to_be_visible(timeout=PATIENCE)
    answer.fill("38")
    page.keyboard.press("Enter")
    screen.finished(5)
    # Until what was shown is saved with the notebook.
    page.wait_for_timeout(2000)
    return page.url


if __name__ == "__main__":
    sys.exit(main())
