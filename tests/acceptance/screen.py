"""What a person does with the pages, by the words that the pages show."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from playwright.sync_api import Locator, Page, expect

# A cold start on a loaded machine, and then some.
PATIENCE = 30_000


@dataclass
class Screen:
    page: Page

    # --- Notebooks ---

    def create(self, pool: str = "python") -> str:
        """A new notebook, open; returns its address."""
        self.page.goto("/notebooks/")
        self.page.locator(f"button[name=pool][value='{pool}']").click()
        self.page.wait_for_url(re.compile(r"/notebooks/[0-9a-f-]{36}/"))
        expect(self.code(1)).to_be_visible()
        return self.page.url

    def code(self, cell: int = 1) -> Locator:
        return self.page.get_by_role("textbox", name=f"Code of cell {cell}")

    def output(self, cell: int = 1) -> Locator:
        return self.page.get_by_role("region", name=f"Output of cell {cell}")

    def write(self, code: str, cell: int = 1) -> None:
        self.code(cell).click()
        self.page.keyboard.press("Control+A")
        self.page.keyboard.insert_text(code)

    def run(self, code: str, cell: int = 1) -> Locator:
        """Write a cell and run it; returns its output."""
        self.write(code, cell)
        self.page.keyboard.press("Control+Enter")
        return self.output(cell)

    def finished(self, cell: int = 1, state: str = "finished") -> None:
        expect(self.page.get_by_role("region", name=re.compile(rf"^Cell {cell} of \d+, code, {state}"))).to_be_visible(
            timeout=PATIENCE
        )

    def stop(self) -> None:
        self.page.get_by_role("button", name="Stop", exact=True).click()

    def shows(self, text: str | re.Pattern[str] | Sequence[str], cell: int = 1, patience: float = PATIENCE) -> None:
        expect(self.output(cell)).to_contain_text(text, timeout=patience)

    # --- Session and terminal ---

    @property
    def state(self) -> Locator:
        """The chip that says how the session is."""
        return self.page.locator("summary[aria-label^='Session:']")

    def open_terminal(self) -> None:
        # What the button says, not what is drawn: a reloaded page opens its terminals by itself.
        button = self.page.get_by_role("button", name="Terminal", exact=True)
        if button.get_attribute("aria-pressed") == "false":
            button.click()
        expect(self.page.locator("#terminal .xterm-rows")).to_be_visible(timeout=PATIENCE)

    def type_in_terminal(self, text: str) -> None:
        self.page.locator("#terminal .xterm-screen").click()
        self.page.keyboard.type(text)

    def until(self, act: Callable[[], None], seen: Callable[[], None], tries: int = 6) -> None:
        """Do it again until it is seen, as a person does: the page may be drawn anew between two movements."""
        for left in reversed(range(tries)):
            act()
            try:
                seen()
            except AssertionError:
                if not left:
                    raise
            else:
                return

    def terminal_shows(self, text: str) -> None:
        expect(self.page.locator("#terminal .xterm-rows")).to_contain_text(text, timeout=PATIENCE)
