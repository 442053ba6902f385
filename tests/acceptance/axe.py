"""axe-core in a page: what breaks WCAG 2.2 A and AA, in words. A cell's own HTML in its frame is left out."""

import re
from functools import cache
from pathlib import Path

from playwright.sync_api import Page

SCRIPT = Path(__file__).resolve().parents[2] / "frontend" / "node_modules" / "axe-core" / "axe.min.js"
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa"]
RUN = """async (tags) => {
  const found = await axe.run(document, { runOnly: tags, resultTypes: ["violations"], iframes: false });
  return found.violations.flatMap((rule) => rule.nodes.map((node) =>
    `${rule.id}: ${node.target.join(" ")}: ${node.failureSummary.replace(/\\s+/g, " ")}`));
}"""
CULPRITS = """(width) => [...document.querySelectorAll("body *")]
  .filter((element) => element.getBoundingClientRect().right > width + 1)
  .slice(0, 5).map((element) => `${element.tagName}.${element.className}`)"""
THEMES = ("light", "dark", "contrast")


@cache
def script() -> str:
    return SCRIPT.read_text()


def faults(page: Page) -> list[str]:
    """One line for each element that breaks a rule, in each theme."""
    page.evaluate(script())
    page.emulate_media(reduced_motion="reduce")  # a colour on its way from one theme to the next is no fault
    found: list[str] = []
    for theme in THEMES:
        page.evaluate("(theme) => { document.documentElement.dataset.theme = theme }", theme)
        found += [f"{theme}: {line}" for line in page.evaluate(RUN, TAGS)]
    page.evaluate("delete document.documentElement.dataset.theme")
    return found


def too_wide(page: Page) -> list[str]:
    """Where the page itself scrolls sideways: at 320 pixels, and with text of twice the size."""
    before = page.viewport_size
    found = []
    for width, text in ((320, "100%"), (640, "200%")):
        page.set_viewport_size({"width": width, "height": 720})
        page.evaluate("(size) => { document.documentElement.style.fontSize = size }", text)
        wide = page.evaluate("document.scrollingElement.scrollWidth")
        if wide > width:
            culprits = page.evaluate(CULPRITS, width)
            found.append(f"{wide} px wide in {width} px with text of {text}: {culprits}")
    page.evaluate("document.documentElement.style.fontSize = ''")
    if before:
        page.set_viewport_size(before)
    return found


def wrong_in(page: Page) -> list[str]:
    """All that a page of ours must not have, in words."""
    found = [*faults(page), *too_wide(page)]
    if not re.match(r"\S.* · Thermae$", page.title()):
        found.append(f"its title is {page.title()!r}")
    if page.get_by_role("main").count() != 1:
        found.append("there is not one main landmark")
    return found
