"""Python packages that code installs in its sandbox: before those of the image, and never in the kernel's way."""

import time

import pytest

from tests.client import Client
from tests.stack import Stack

pytestmark = [pytest.mark.docker, pytest.mark.redis, pytest.mark.timeout(300, func_only=True)]
MAKE = """
import zipfile
def wheel(name, version, code, *requires):
    folder = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(f"{name}-{version}-py3-none-any.whl", "w") as file:
        file.writestr(f"{name}.py", code)
        needs = "".join(f"Requires-Dist: {one}\\n" for one in requires)
        file.writestr(f"{folder}/METADATA", f"Metadata-Version: 2.1\\nName: {name}\\nVersion: {version}\\n{needs}")
        about = "Wheel-Version: 1.0\\nGenerator: us\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"
        file.writestr(f"{folder}/WHEEL", about)
        file.writestr(f"{folder}/entry_points.txt", f"[console_scripts]\\nsay-{name} = {name}:say\\n")
        file.writestr(f"{folder}/RECORD", "")
wheel("roman", "1.0", "def say(): print('salve')", "numpy")
wheel("tabulate", "99.0", "def say(): print('ours')")
wheel("ipykernel", "99.0", "raise RuntimeError('broken')")
"""


async def test_one_is_installed_and_imported_in_the_same_cell(stack: Stack, client: Client) -> None:
    async with client.session() as session, client.tab(session) as tab:
        await tab.run(MAKE)
        ended, text = await tab.run("%pip install ./roman-1.0-py3-none-any.whl\nimport roman\nroman.say()")
        assert (ended["state"], text.rstrip().endswith("salve")) == ("ok", True), text
        # What the image has is not fetched again, and its programs and other Pythons have it too.
        assert "already satisfied: numpy in /opt/python" in text
        _, text = await tab.run("!say-roman; python -c 'import roman; roman.say()'; pip --version")
        assert text.split()[:3] == ["salve", "salve", "pip"]
        _, text = await tab.run("!pip uninstall -y roman; python -c 'import roman'")
        assert "No module named 'roman'" in text


async def test_one_of_the_image_is_replaced_and_comes_back(stack: Stack, client: Client) -> None:
    async with client.session() as session, client.tab(session) as tab:
        await tab.run(MAKE)
        _, text = await tab.run("!pip install -U ./tabulate-99.0-py3-none-any.whl\nimport tabulate; tabulate.say()")
        assert text.rstrip().endswith("ours"), text
        _, text = await tab.run("!pip uninstall -y tabulate; python -c 'import tabulate; print(tabulate.__version__)'")
        assert text.rstrip().splitlines()[-1].startswith("0."), text


async def test_a_broken_one_does_not_keep_the_kernel_from_starting_again(stack: Stack, client: Client) -> None:
    async with client.session() as session, client.tab(session) as tab:
        await tab.run(MAKE)
        ended, text = await tab.run("!pip install --no-deps ./ipykernel-99.0-py3-none-any.whl")
        assert "Successfully installed ipykernel-99.0" in text
        await tab.send(type="restart")
        await tab.kernel("idle")
        ended, text = await tab.run("print(6 * 7)")
        assert (ended["state"], text) == ("ok", "42\n")


async def test_without_a_network_it_says_so_at_once(stack: Stack, client: Client) -> None:
    async with client.session() as session, client.tab(session) as tab:
        began = time.monotonic()
        _, text = await tab.run("!pip install no-such-package-of-ours")
        assert "This sandbox has no network access" in text
        assert time.monotonic() - began < 30, "pip itself would try for a minute"
        _, text = await tab.run("!rm -rf .python; touch .python; pip list")
        assert "Nothing can be installed in the work folder: " in text
