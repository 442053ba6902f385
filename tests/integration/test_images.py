"""Each image as a pool uses it: it becomes ready, runs its language, draws, and holds nothing that raises rights."""

import base64
import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.test import override_settings

from interpreters.images import debian, sources
from interpreters.runtime import SandboxSpec
from interpreters.runtime.docker import DockerRuntime
from tests import sandboxes

pytestmark = [pytest.mark.docker, pytest.mark.timeout(1500)]  # images are built where they are missing

Launch = Callable[..., UUID]
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def launch(short_dir: Any) -> Iterator[Launch]:
    """Launch a language's image as its pool would and wait until it is ready."""
    runtime = DockerRuntime()
    handles = []

    def start(name: str, **fields: Any) -> UUID:
        source = sources.load(name)
        settings: dict[str, Any] = {
            "kernel": source.kernel,
            "warm_up": source.warm_up,
            "memory": max(512, source.least_memory),
        } | fields
        installation = f"{os.environ['THERMAE_INSTALLATION']}-images"
        spec = SandboxSpec(uuid4(), installation, pool=1, revision=1, image=sandboxes.image(name), **settings)
        handles.append(runtime.create(spec).handle)
        health = sandboxes.wait_until_ready(spec.session)
        assert health["state"] == "ready", (health, runtime.logs(handles[-1]))
        return spec.session

    with override_settings(SOCKET_DIR=short_dir / "s"):
        yield start
        for handle in handles:
            runtime.remove(handle)


def images_in(messages: list[dict[str, Any]]) -> list[bytes]:
    data = [message["content"].get("data", {}) for message in messages]
    return [base64.b64decode(each["image/png"]) for each in data if "image/png" in each]


def forms(messages: list[dict[str, Any]]) -> set[str]:
    return {form for message in messages for form in message["content"].get("data", {})}


def in_image(name: str, *command: str) -> str:
    """Run a command in an image as root, with nothing of a sandbox's limits."""
    words = ["docker", "run", "--rm", "--network", "none", sandboxes.image(name), *command]
    return subprocess.run(words, check=True, capture_output=True, text=True, timeout=120).stdout


# --- languages -----------------------------------------------------------------------------------------------


def test_python_computes_draws_and_keeps_its_variables(launch: Launch) -> None:
    session = launch("python")
    code = """
import numpy, pandas, scipy, sklearn, sympy, PIL, requests, openpyxl, pyarrow, seaborn
x = int(pandas.DataFrame({"a": numpy.arange(10)}).a.sum()); print(x)
"""
    assert sandboxes.run(session, code) == "45\n"
    assert sandboxes.run(session, "print(x + 1)") == "46\n"
    (plot,) = images_in(sandboxes.outputs(session, "import matplotlib.pyplot as plt\nplt.plot([1, 3, 2])\nplt.show()"))
    assert plot.startswith(PNG)


def test_python_is_warm_and_leaves_no_name_behind(launch: Launch) -> None:
    session = launch("python")
    code = """
import sys
print([name for name in ("numpy", "pandas", "matplotlib.pyplot") if name not in sys.modules])
given = {"In", "Out", "exit", "quit", "open", "sys", "given", "get_ipython"}
print([name for name in dir() if not name.startswith("_") and name not in given])
"""
    assert sandboxes.run(session, code) == "[]\n[]\n"
    started = time.monotonic()
    images_in(sandboxes.outputs(session, "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()"))
    assert time.monotonic() - started < 3


def test_python_shows_charts_as_data_and_imports_nothing_before(launch: Launch) -> None:
    session = launch("python")
    assert sandboxes.run(session, "import sys; print({'plotly', 'altair'} & sys.modules.keys())") == "set()\n"
    figure = "import plotly.graph_objects as go\nfigure = go.Figure(go.Bar(y=[1, 2])); figure"
    assert forms(sandboxes.outputs(session, figure)) == {"application/vnd.plotly.v1+json"}
    assert forms(sandboxes.outputs(session, "figure.show()")) == {"application/vnd.plotly.v1+json"}
    chart = "import altair as alt, pandas as pd\nalt.Chart(pd.DataFrame({'a': range(9)})).mark_bar().encode(x='a')"
    shown = forms(sandboxes.outputs(session, chart))
    assert shown == {"application/vnd.vegalite.v6.json", "text/html", "text/plain"}
    many = "alt.Chart(pd.DataFrame({'a': ['x' * 100] * 4000})).mark_bar().encode(x='a')"
    assert "text/html" not in forms(sandboxes.outputs(session, many))
    chosen = "with alt.renderers.enable('html'): display(alt.Chart(pd.DataFrame({'a': [1]})).mark_bar())"
    assert "application/vnd.vegalite.v6.json" not in forms(sandboxes.outputs(session, chosen))


def test_python_uses_no_more_threads_than_it_has_cores(launch: Launch) -> None:
    session = launch("python", cpu=1.0, warm_up="")
    code = "import threadpoolctl, numpy; print({pool['num_threads'] for pool in threadpoolctl.threadpool_info()})"
    assert sandboxes.run(session, code) == "{1}\n"


def test_python_writes_no_history_and_no_bytecode_next_to_files(launch: Launch) -> None:
    session = launch("python", warm_up="")
    code = "import glob; print(sorted(glob.glob('/work/**', recursive=True, include_hidden=True)))"
    assert sandboxes.run(session, code) == "['/work/']\n"


def test_r_computes_and_draws(launch: Launch) -> None:
    session = launch("r")
    assert "[1] 6" in sandboxes.run(session, "suppressPackageStartupMessages(library(dplyr)); print(sum(1:3))")
    assert images_in(sandboxes.outputs(session, "plot(1:10)"))[0].startswith(PNG)
    (plot,) = images_in(sandboxes.outputs(session, "library(ggplot2); ggplot(mtcars, aes(wt, mpg)) + geom_point()"))
    assert plot.startswith(PNG)


def test_deno_runs_typescript_and_awaits(launch: Launch) -> None:
    session = launch("deno")
    code = (
        "const xs: number[] = [1, 2, 3]; await new Promise((r) => setTimeout(r, 5)); console.log(xs.map((x) => x * 2))"
    )
    assert sandboxes.run(session, code) == "[ 2, 4, 6 ]\n"
    assert sandboxes.run(session, "console.log(xs.length)") == "3\n"
    assert "TypeError" in sandboxes.run(session, 'await fetch("https://example.com")')


def test_bash_keeps_its_variables_and_its_folder(launch: Launch) -> None:
    session = launch("bash")
    assert sandboxes.run(session, "x=5; cd /tmp; echo started") == "started\n"
    assert sandboxes.run(session, "echo $x; pwd; jq -Mn 1+1") == "5\n/tmp\n2\n"


def test_bash_does_not_wait_between_lines(launch: Launch) -> None:
    session = launch("bash")
    started = time.monotonic()
    sandboxes.run(session, "\n".join(f"y={n}" for n in range(40)))
    assert time.monotonic() - started < 1.5


def test_a_language_made_in_ten_lines_computes_and_keeps_its_variables(launch: Launch) -> None:
    """The worked example of docs/languages.md. It is built here: no other test, and no start, needs it."""
    session = launch("octave")
    assert sandboxes.run(session, "x = [1 2; 3 4]; disp(trace(x))").split() == ["5"]
    assert sandboxes.run(session, "disp(sum(x(:)))").split() == ["10"]
    assert "undefined" in sandboxes.run(session, "nonsense_name")


def test_the_environment_of_a_pool_reaches_kernels_and_ours_does_not(launch: Launch) -> None:
    session = launch("bash", environment={"GREETING": "salve"})
    assert sandboxes.run(session, "echo $GREETING; env | grep -c THERMAE || :") == "salve\n0\n"


# --- what is in them -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sources.names())
def test_nothing_in_an_image_raises_rights_or_names_a_device(name: str) -> None:
    dangerous = r"( -type f -perm /6000 ) -o ( -type b -o -type c ) -not -path /dev/*"
    assert in_image(name, "find", "/", "-xdev", *dangerous.split()) == ""


@pytest.mark.parametrize("name", sources.names())
def test_no_image_holds_what_the_build_needed(name: str) -> None:
    left = in_image(
        name, "sh", "-c", "ls /etc/thermae-ca.pem /usr/local/bin/pip-install /tmp/* /root/.cache 2>/dev/null || :"
    )
    assert left == ""
    about = json.loads(
        subprocess.run(["docker", "inspect", sandboxes.image(name)], check=True, capture_output=True, timeout=20).stdout
    )[0]
    assert not [entry for entry in about["Config"]["Env"] if entry.lower().startswith(("pip_", "http", "no_proxy"))]
    assert about["Size"] < 1.2e9


@pytest.mark.parametrize("name", sources.names())
def test_a_person_finds_the_usual_tools(name: str) -> None:
    tools = ("less", "nano", "git", "ps", "curl", "unzip")
    assert in_image(
        name, "sh", "-c", f"for tool in {' '.join(tools)}; do command -v $tool; done | wc -l"
    ).strip() == str(len(tools))


def test_the_base_can_be_made_without_a_registry(tmp_path: Any) -> None:
    """As where nothing can be pulled: debootstrap really runs, and what it makes is a Debian that can install."""
    if os.geteuid() != 0 or not any(os.path.exists(f"{folder}/debootstrap") for folder in ("/usr/sbin", "/usr/bin")):
        pytest.skip("debootstrap and root are needed")
    name = f"thermae/test-debian:{uuid4().hex[:8]}"
    lines: list[str] = []
    with debian.bootstrapped(lines.append) as tar:
        made = ["docker", "import", "-", name]
        subprocess.run(made, stdin=tar, check=True, capture_output=True, timeout=300)
    try:
        words = [
            "docker",
            "run",
            "--rm",
            "--network",
            "none",
            name,
            "sh",
            "-c",
            ". /etc/os-release; echo $VERSION_CODENAME",
        ]
        assert subprocess.run(words, check=True, capture_output=True, text=True, timeout=60).stdout == "bookworm\n"
        size = json.loads(subprocess.run(["docker", "inspect", name], check=True, capture_output=True).stdout)[0][
            "Size"
        ]
        assert size < 130e6
    finally:
        subprocess.run(["docker", "rmi", name], capture_output=True, timeout=60)
    assert any("Base system installed" in line for line in lines)


def test_the_first_completion_finds_what_jedi_parsed_for_the_image() -> None:
    program = Path(__file__).with_name("first_completion.py")
    warm_up = Path(sources.__file__).with_name("python") / "warm_up.py"
    words = ["docker", "run", "--rm", "--network", "none", "--read-only", "--tmpfs", "/tmp"]
    words += ["-v", f"{warm_up}:/warm_up.py:ro", "-v", f"{program}:/program.py:ro", sandboxes.image("python")]
    said = subprocess.run([*words, "python", "/program.py"], capture_output=True, text=True, timeout=120)
    assert said.stdout.splitlines() == ["['a_name']", "[]"], said
