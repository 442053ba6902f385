"""The documents name what there is: every setting, every message of the WebSocket, every route of the API."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"


def settings_read() -> set[str]:
    """The names that settings.py asks of the environment."""
    names = set()
    for node in ast.walk(ast.parse((ROOT / "project" / "settings.py").read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
            first = node.args[0]
            if ast.unparse(node.func.value) == "env" and isinstance(first, ast.Constant):
                names.add(str(first.value))
    return names


def headings(document: str) -> set[str]:
    return set(re.findall(r"^### (\w+)$", (DOCS / document).read_text(), re.MULTILINE))


def test_every_setting_is_documented_and_every_documented_setting_exists() -> None:
    assert settings_read() == headings("settings.md")


def test_the_settings_named_anywhere_exist() -> None:
    known = settings_read() | {
        # Read by the tests, by Compose, and by the program inside a sandbox.
        "TEST_DATABASE_URL", "TEST_POSTGRES_URL", "VERSION", "LISTEN",
        *re.findall(r"`THERMAE_(\w+)`", (DOCS / "protocol.md").read_text()),
    }  # fmt: skip
    documents = [*DOCS.glob("*.md"), *ROOT.glob("*.md"), *ROOT.glob("docker-compose*.yml"), *ROOT.glob("deploy/*")]
    named = {
        name
        for document in documents
        if document.is_file()
        for name in re.findall(r"THERMAE_([A-Z_]+[A-Z])\b", document.read_text())
    }
    assert named <= known


def paths_of_the_api() -> list[str]:
    from interpreters.api.v1 import api

    return sorted(api.get_openapi_schema()["paths"])


def test_every_route_of_the_api_is_documented() -> None:
    protocol = (DOCS / "protocol.md").read_text()
    section = protocol[protocol.index("## 4. REST") :]
    # `/sessions/{id}/keep-alive|interrupt` stands for two routes.
    documented = set()
    for route in re.findall(r"(?:GET|POST|PUT|PATCH|DELETE)[A-Z|]* (/[^\s`·]*)", section):
        head, _, last = route.split("?")[0].rpartition("/")
        documented |= {f"{head}/{alternative}" for alternative in last.split("|")}
    known = {re.sub(r"\{[^}]*\}", "{}", route) for route in documented}
    for path in paths_of_the_api():
        plain = re.sub(r"\{[^}]*\}", "{}", path.removeprefix("/api/v1"))
        assert plain in known, f"{path} is not in docs/protocol.md §4"


def test_every_message_of_the_websocket_is_documented() -> None:
    protocol = (DOCS / "protocol.md").read_text()
    files = list((ROOT / "interpreters").glob("consumers/*.py")) or [ROOT / "interpreters" / "consumers.py"]
    sent = {
        value
        for file in files
        for value in re.findall(r'"type": "([a-z_]+)"', file.read_text())
        if not value.startswith("websocket")
    }
    for kind in sent:
        assert f'"{kind}"' in protocol, f"the message {kind!r} is not in docs/protocol.md §3"


def test_links_between_documents_lead_somewhere() -> None:
    for document in [*DOCS.glob("*.md"), *ROOT.glob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", document.read_text()):
            assert (document.parent / target).exists(), f"{document.name} links to {target}"
