"""Chromium in front of what is measured, and the measures that only a page can take of itself."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from playwright.async_api import Browser, CDPSession, Page, async_playwright

from tests import capabilities

VIEWPORT = {"width": 1280, "height": 800}
# Long tasks keep the page from answering; what a key press shows is painted at the frame after it. Sockets are kept, so
# that a measurement can say what a server would.
WATCH = """
window.longest = 0; window.blocked = 0; window.latencies = [];
new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) { longest = Math.max(longest, duration); blocked += duration - 50; }
}).observe({ type: "longtask" });
addEventListener("keydown", (event) => {
    const began = event.timeStamp;
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => latencies.push(performance.now() - began);
    requestAnimationFrame(() => port2.postMessage(0));
}, true);
const Real = WebSocket;
window.WebSocket = class extends Real {
    constructor(...given) {
        super(...given);
        if (!String(given[0]).includes("/channels")) return;
        window.line = this;
        this.addEventListener("message", ({ data }) => {
            if (typeof data !== "string") return;
            const { seq, parent_header } = JSON.parse(data);
            if (seq) { window.seq = seq; window.execution = parent_header.msg_id || window.execution; }
        });
    }
};
"""


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        binary = capabilities.browser_binary()
        # With exact clocks and heap sizes, and without Chromium's own sandbox, which root may not have.
        arguments = ["--no-sandbox", "--enable-precise-memory-info"]
        browser = await playwright.chromium.launch(executable_path=binary, args=arguments)
        try:
            yield browser
        finally:
            await browser.close()


@asynccontextmanager
async def window(browser: Browser, url: str, cookies: list[dict[str, Any]] | None = None) -> AsyncIterator[Page]:
    """A window of its own, with nothing in its cache."""
    # What we ask of a page is text to be run in it, which its policy would forbid.
    context = await browser.new_context(base_url=url, viewport=VIEWPORT, bypass_csp=True)  # type: ignore[arg-type]
    context.set_default_timeout(60_000)
    try:
        if cookies:
            await context.add_cookies(cookies)  # type: ignore[arg-type]
        await context.add_init_script(WATCH)
        yield await context.new_page()
    finally:
        await context.close()


async def until_interactive(page: Page, address: str, ready: str) -> float:
    """Milliseconds from the beginning of a navigation to the frame in which the expression `ready` is true."""
    await page.goto(address, wait_until="commit")
    found = await page.evaluate(
        """(ready) => new Promise((done) => {
            const test = new Function(`return (${ready});`);
            const drawn = () => done(performance.now());
            const look = () => requestAnimationFrame(test() ? drawn : look);
            look();
        })""",
        ready,
    )
    return float(found)


async def heap(line: CDPSession) -> float:
    """MiB of living objects: after everything else was collected."""
    for _ in range(3):
        await line.send("HeapProfiler.collectGarbage")
        await asyncio.sleep(0.2)
    used = await line.send("Runtime.getHeapUsage")
    return float(used["usedSize"]) / 2**20
