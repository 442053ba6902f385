"""Notebooks of other people's open, run and leave again as they came."""

import json
import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
from playwright.sync_api import ConsoleMessage, Page, expect

from tests.acceptance.real_notebooks import NOTEBOOKS, Real
from tests.acceptance.screen import PATIENCE, Screen

pytestmark = [
    pytest.mark.browser, pytest.mark.docker, pytest.mark.redis, pytest.mark.timeout(300, func_only=True),
    pytest.mark.usefixtures("nothing_is_left"),
]  # fmt: skip

# Of a notebook's metadata, what the reference leaves out when it writes: nobody reads it again.
TRANSIENT = {"orig_nbformat", "orig_nbformat_minor", "signature"}


@pytest.mark.parametrize("real", NOTEBOOKS, ids=str)
def test_a_real_notebook_opens_runs_and_leaves_as_it_came(
    screen: Screen, real: Real, request: pytest.FixtureRequest
) -> None:
    file = real.file(required="browser" in request.config.getoption("--require").split(","))
    page = screen.page
    said: list[str] = []
    page.on("console", lambda message: said.extend(complaint(message)))
    import_notebook(page, file)
    document = upgraded(file)
    cells = page.get_by_role("region", name=re.compile(r"^Cell \d+ of \d+"))
    expect(cells).to_have_count(len(document["cells"]))
    assert plain(exported(page)) == plain(document)
    expect(screen.state).to_have_attribute("aria-label", re.compile("Idle"), timeout=PATIENCE)
    page.get_by_role("button", name="Run all", exact=True).click()
    expect(page.get_by_role("button", name="Stop", exact=True)).to_be_disabled(timeout=2 * PATIENCE)
    for cell in real.finish:
        screen.finished(cell)
    if real.fails:
        screen.finished(real.fails, "failed")
    assert plain(exported(page), outputs=False) == plain(document, outputs=False)
    assert not said
    assert page.evaluate("document.scrollingElement.scrollWidth") <= 1280


def import_notebook(page: Page, file: Path) -> None:
    """Bring a file as a person does, and open what it became."""
    page.goto("/notebooks/")
    token = next(cookie["value"] for cookie in page.context.cookies() if cookie["name"] == "csrftoken")
    upload = {"name": file.name, "mimeType": "application/x-ipynb+json", "buffer": file.read_bytes()}
    answer = page.request.post(
        "/notebooks/import",
        multipart={"files": upload, "pool": "python"},
        headers={"X-CSRFToken": token, "Accept": "application/json", "Referer": page.url},
    )
    assert answer.status == 201, answer.text()
    page.goto(answer.json()["made"][0]["url"])


def exported(page: Page) -> dict[str, Any]:
    answer = page.request.get(f"{page.url.partition('#')[0]}download")
    assert answer.ok
    document: dict[str, Any] = json.loads(answer.text())
    return document


def upgraded(file: Path) -> dict[str, Any]:
    """The file in nbformat 4, as the reference of the format reads it."""
    document: dict[str, Any] = json.loads(nbformat.writes(nbformat.reads(file.read_text(), as_version=4)))
    return document


def plain(document: dict[str, Any], outputs: bool = True) -> list[Any]:
    """What is to be the same on both sides: all but the ids that 4.5 asks for and what is written in two ways."""
    # What widgets were is told of the outputs.
    left = TRANSIENT if outputs else TRANSIENT | {"widgets"}
    about = {key: value for key, value in document["metadata"].items() if key not in left}
    cells = [{**cell, "source": "".join(cell["source"])} for cell in document["cells"]]
    for cell in cells:
        cell.pop("id", None)
        if not outputs:
            cell.pop("outputs", None)
            cell.pop("execution_count", None)
    return [joined(about), *joined(cells)]


def joined(value: Any) -> Any:
    """Texts whole, where the format allows a list of their lines."""
    if isinstance(value, dict):
        return {key: joined(part) for key, part in value.items()}
    if isinstance(value, list):
        if (
            value
            and all(isinstance(part, str) and part.endswith("\n") for part in value[:-1])
            and isinstance(value[-1], str)
        ):
            return "".join(value)
        return [joined(part) for part in value]
    return value


def complaint(message: ConsoleMessage) -> list[str]:
    """An error that is ours. Frames of outputs may not load what a notebook wants from elsewhere, and say so."""
    foreign = "ipython.org" in message.text or "Content Security Policy" in message.text
    return [message.text] if message.type == "error" and not foreign else []
