"""Every notebook to begin with runs from its first cell to its last, in the image of its language."""

import pytest

from frontend.starters import starter
from interpreters.images import sources
from tests.client import Client, belongs
from tests.stack import Stack

pytestmark = [pytest.mark.docker, pytest.mark.redis, pytest.mark.timeout(600, func_only=True)]

# Image → its language.
IMAGES = {"python": "Python", "r": "R", "deno": "TypeScript", "bash": "Bash", "sql": "SQL"}


@pytest.mark.parametrize("image", IMAGES)
async def test_it_runs(image: str, stack: Stack, client: Client) -> None:
    if image not in sources.names() or not stack.offers(image):
        pytest.skip(f"the image of {image} was never built here: manage.py build_images {image}")
    stack.console.image(name=image)
    example = starter("", IMAGES[image])
    assert example
    with stack.pool(f"try-{image}", image=image, memory=768):
        async with client.session(f"try-{image}") as session, client.tab(session) as tab:
            for cell in example.document["cells"]:
                if cell["cell_type"] != "code":
                    continue
                execution = await tab.start(cell["source"])
                if "input(" in cell["source"]:
                    await tab.first(lambda message, of=execution: belongs(message, of, "input_request"), "question")
                    await tab.send(type="input", value="38")
                ended = await tab.end(execution)
                assert ended["state"] == "ok", cell["source"]
