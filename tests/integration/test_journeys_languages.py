"""Every language runs a cell, keeps its variables, says what went wrong and can be interrupted."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.client import FINAL, Client, Message, belongs
from tests.stack import Stack

pytestmark = [pytest.mark.docker, pytest.mark.redis, pytest.mark.timeout(600, func_only=True)]


@dataclass(frozen=True)
class Language:
    image: str
    memory: int
    define: str
    show: str
    shown: str
    fail: str
    loop: str


LANGUAGES = [
    Language("r", 768, "x <- 40", "cat(x + 2)", "42", "stop('no such thing')", "cat('in\\n'); while (TRUE) {}"),
    Language(
        "deno",
        768,
        "const x: number = 40;",
        "console.log(x + 2)",
        "42",
        "throw new Error('no such thing')",
        "console.log('in'); for (;;) await new Promise((done) => setTimeout(done, 10));",
    ),
    Language("bash", 512, "x=40", "echo $((x + 2))", "42", "ls /none", "echo in; while true; do sleep 0.1; done"),
]


@pytest.fixture(scope="module", params=LANGUAGES, ids=lambda language: language.image)
def language(request: pytest.FixtureRequest, stack: Stack) -> Iterator[Language]:
    found: Language = request.param
    if not stack.offers(found.image):
        pytest.skip(f"the image of {found.image} was never built here: manage.py build_images {found.image}")
    stack.console.image(name=found.image)
    with stack.pool(found.image, image=found.image, memory=found.memory):
        yield found


async def test_it_runs_cells_and_keeps_variables(language: Language, client: Client) -> None:
    async with client.session(language.image) as session, client.tab(session) as tab:
        assert (await tab.run(language.define))[0]["state"] == "ok"
        ended, text = await tab.run(language.show)
        failed, _ = await tab.run(language.fail)
    assert (ended["state"], text.strip()) == ("ok", language.shown)
    assert failed["state"] == "error"


async def test_it_is_interrupted_and_goes_on(language: Language, client: Client) -> None:
    async with client.session(language.image) as session, client.tab(session) as tab:
        await tab.run(language.define)
        execution = await tab.start(language.loop)
        await tab.printed(execution, "in")
        await tab.send(type="interrupt")

        def over(message: Message) -> bool:
            content = message.get("content", {}).get("state")
            return (belongs(message, execution, "execution_state") and content in FINAL) or content == "ignored"

        # Deno does not always hear an interrupt: then the page is told so, and a restart ends the cell.
        ignored = (await tab.first(over, "end, or word that the interrupt is ignored"))["content"]["state"] == "ignored"
        if ignored:
            assert language.image == "deno"
            await tab.send(type="restart")
        ended = await tab.end(execution)
        if ignored:
            await tab.run(language.define)
        after, text = await tab.run(language.show)
    assert ended["state"] in ("error", "aborted", "cancelled")
    assert (after["state"], text.strip()) == ("ok", language.shown)
