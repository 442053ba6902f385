"""The notebook page in a browser: how soon it can be used, how it feels, and what a long day costs it."""

import asyncio
import json
import uuid
from typing import Any

from playwright.async_api import Browser, Page

from tests.bench.bench import Bench
from tests.bench.browser import chromium, heap, until_interactive, window
from tests.bench.jupyter import JupyterLab, jupyter_lab
from tests.bench.report import Row, at_most, figure, median, percentile

CELLS = 200
LINES = 10_000
# An hour of a training loop that says ten times a second how far it is, and once in a second how it went.
HOUR, A_SECOND = 3600, 10

OURS_READY = f"""
document.querySelectorAll(".cell").length === {CELLS}
    && !!document.querySelector(".cm-content[contenteditable=true]")
    && document.body.innerText.includes("line 0 of cell 1")
"""
LAB_READY = """
!document.querySelector(".jp-Spinner, #jupyterlab-splash")
    && !!document.querySelector(".jp-Notebook .cm-content[contenteditable=true]")
    && document.body.innerText.includes("line 0 of cell 1")
"""


async def measure_notebook(bench: Bench) -> list[Row]:
    document = of_many_cells()
    rows: list[Row] = []
    async with bench.pool(1, 4) as pool, chromium() as browser, jupyter_lab(document) as lab:
        person = await asyncio.to_thread(sign_in)
        url = str(bench.thermae.http._base_url)
        async with window(browser, url, person) as page:
            address = await bring(page, document, pool)
            await until_interactive(page, address, OURS_READY)
            # The page has leased a session: the launch that refills the pool is over before anything is measured.
            await bench.thermae.await_ready(pool, 1)
            await asyncio.sleep(2)
            rows += await opening(bench, browser, url, person, address, lab)
            rows.append(await typing(page, bench.samples(200, 60)))
            empty = await bring(page, of_one_cell(), pool)
            rows += await many_lines(page, empty)
            rows += await long_stream(page, await bring(page, of_one_cell(), pool), bench.samples(HOUR, 300))
    return rows


def of_many_cells() -> dict[str, Any]:
    """Code with text, tables and pictures below it, and texts with mathematics between."""
    picture = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    table = "<table>" + "<tr><td>1</td><td>2</td><td>3</td></tr>" * 20 + "</table>"
    cells = []
    for number in range(1, CELLS + 1):
        if number % 5 == 0:
            cells.append(
                {"cell_type": "markdown", "metadata": {}, "source": f"## Part {number}\n\n$e^{{i\\pi}} = {number}$"}
            )
            continue
        text = "".join(f"line {line} of cell {number}\n" for line in range(20))
        outputs: list[dict[str, Any]] = [{"output_type": "stream", "name": "stdout", "text": text}]
        if number % 4 == 0:
            data = {"text/plain": "a table", "text/html": table} if number % 8 else {"image/png": picture}
            outputs.append({"output_type": "display_data", "metadata": {}, "data": data})
        code = f"def step_{number}(x: int) -> int:\n    return x + {number}\n\nprint(step_{number}(1))"
        cells.append(
            {"cell_type": "code", "metadata": {}, "source": code, "outputs": outputs, "execution_count": number}
        )
    return notebook(cells)


def of_one_cell() -> dict[str, Any]:
    code = f"import time\nfor i in range({LINES}): print('line', i)"
    return notebook([{"cell_type": "code", "metadata": {}, "source": code, "outputs": [], "execution_count": None}])


def notebook(cells: list[dict[str, Any]]) -> dict[str, Any]:
    named = [{"id": f"cell-{number}", **cell} for number, cell in enumerate(cells)]
    about = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    return {"nbformat": 4, "nbformat_minor": 5, "metadata": about, "cells": named}


def sign_in() -> list[dict[str, Any]]:
    """The cookies of the demo's owner."""
    from django.test import Client

    from tenants.models import Membership

    client = Client()
    client.force_login(Membership.objects.earliest("pk").user)
    return [{"name": "sessionid", "value": client.cookies["sessionid"].value, "domain": "127.0.0.1", "path": "/"}]


async def bring(page: Page, document: dict[str, Any], pool: str) -> str:
    """Import a notebook as a person does; returns its address."""
    await page.goto("/notebooks/")
    token = next(cookie["value"] for cookie in await page.context.cookies() if cookie["name"] == "csrftoken")
    file = {
        "name": f"{uuid.uuid4().hex}.ipynb",
        "mimeType": "application/json",
        "buffer": json.dumps(document).encode(),
    }
    answer = await page.request.post(
        "/notebooks/import",
        multipart={"files": file, "pool": pool},  # type: ignore[dict-item]
        headers={"X-CSRFToken": token, "Accept": "application/json", "Referer": page.url},
    )
    if answer.status != 201:
        raise RuntimeError(f"The notebook was not imported: {answer.status} {(await answer.text())[:200]}")
    return str((await answer.json())["made"][0]["url"])


async def opening(
    bench: Bench, browser: Browser, url: str, person: list[dict[str, Any]], address: str, lab: JupyterLab
) -> list[Row]:
    """A navigation in a window with an empty cache, in turns with JupyterLab."""
    ours, theirs = [], []
    for _ in range(bench.samples(7, 3)):
        async with window(browser, url, person) as page:
            ours.append(await until_interactive(page, address, OURS_READY))
        async with window(browser, lab.url) as page:
            theirs.append(await until_interactive(page, lab.address, LAB_READY))
    note = "editable, first outputs drawn, empty cache"
    return [
        at_most(f"notebook of {CELLS} cells interactive, p50", median(ours), "ms", 1500, note),
        figure(f"notebook of {CELLS} cells interactive, worst", max(ours), "ms"),
        figure("peer: the same in JupyterLab, p50", median(theirs), "ms", "its document alone, no work area restored"),
        at_most("interactive: ours over JupyterLab's", median(ours) / median(theirs), "×", 1),
    ]


async def typing(page: Page, presses: int) -> Row:
    """Keys into the editor of a cell, while all the others are there, at the pace of a quick typist."""
    await page.locator(".cm-content[contenteditable=true]").first.click()
    await page.keyboard.press("Control+End")
    await page.evaluate("latencies.length = 0")
    for number in range(presses):
        await page.keyboard.press("abcdefghij "[number % 11])
        await asyncio.sleep(0.05)
    found: list[float] = await page.evaluate("latencies")
    await page.keyboard.press("Escape")
    return at_most(
        f"typing in {CELLS} cells, p95", percentile(found, 0.95), "ms", 30, f"{len(found)} keys, to the frame"
    )


async def many_lines(page: Page, address: str) -> list[Row]:
    await open_and_run(page, address, forget=True)
    await page.wait_for_function(f"document.body.innerText.includes('line {LINES - 1}')")
    await asyncio.sleep(1)  # a page hears of its long tasks a little later
    longest, blocked = await page.evaluate("[longest, blocked]")
    note = "longest task of the page's thread while they come"
    return [
        at_most(f"{LINES} lines in a cell: longest task", longest, "ms", 200, note),
        figure(f"{LINES} lines in a cell: time over 50 ms, in all", blocked, "ms"),
    ]


async def open_and_run(page: Page, address: str, *, forget: bool = False) -> None:
    await page.goto(address)
    await page.wait_for_function("document.querySelector('summary[aria-label^=\"Session: Idle\"]')")
    if forget:
        await page.evaluate("longest = blocked = 0")
    await page.locator(".cell").first.click()
    await page.get_by_role("button", name="Run all", exact=True).click()


async def long_stream(page: Page, address: str, seconds: int) -> list[Row]:
    """What an hour's messages leave in the page's heap. They are given to its socket as fast as it draws them."""
    await open_and_run(page, address)
    await page.wait_for_function(f"document.body.innerText.includes('line {LINES - 1}')")
    line = await page.context.new_cdp_session(page)
    await stream(page, 0, seconds // 4)
    quarter = await heap(line)
    await stream(page, seconds // 4, seconds)
    whole = await heap(line)
    note = f"{quarter:.1f} MiB after a quarter of {seconds * A_SECOND} messages, {whole:.1f} MiB after all"
    return [
        at_most("heap of a tab after an hour's stream, over that after a quarter", whole / quarter, "×", 1.1, note),
        figure("heap of a tab after an hour's stream", whole, "MiB"),
    ]


async def stream(page: Page, first: int, last: int) -> None:
    await page.evaluate(
        """async ([first, last, rate]) => {
            for (let second = first; second < last; second++) {
                for (let part = 0; part < rate; part++) {
                    const bar = `\\rstep ${second * rate + part} ${"#".repeat(part)}`;
                    const text = part === rate - 1 ? `\\rafter ${second} s: loss ${1 / (second + 1)}\\n` : bar;
                    const entry = {
                        seq: ++window.seq, context: "default", channel: "iopub", header: { msg_type: "stream" },
                        parent_header: { msg_id: window.execution }, content: { name: "stdout", text },
                    };
                    line.onmessage({ data: JSON.stringify(entry) });
                }
                if (second % 10 === 0) await new Promise(requestAnimationFrame);
            }
            await new Promise((done) => setTimeout(done, 500));
        }""",
        [first, last, A_SECOND],
    )
