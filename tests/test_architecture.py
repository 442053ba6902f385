"""The import contracts of pyproject.toml hold; `lint-imports` says the same at the command line."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from importlinter import api

ROOT = Path(__file__).resolve().parent.parent
AGENT = ROOT / "interpreters" / "agent"
OURS = {"project", "frontend", "interpreters", "tenants", "tests"}


def test_the_import_contracts_hold() -> None:
    # In a process of its own: it changes logging, and what other tests have imported confuses it.
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stdout


def test_the_contracts_are_read_from_pyproject() -> None:
    contracts = api.read_configuration(str(ROOT / "pyproject.toml"))["contracts_options"]
    assert len(contracts) >= 5


def imported_roots(path: Path) -> set[str]:
    roots = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            roots |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            roots.add(node.module.split(".")[0])
    return roots


@pytest.mark.parametrize("path", sorted(AGENT.rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT)))
def test_the_agent_imports_nothing_of_ours(path: Path) -> None:
    # It is no package of this project but a program of its own, so the contracts do not see it.
    assert not imported_roots(path) & OURS


def test_no_module_is_longer_than_a_person_reads_at_once() -> None:
    long = {
        str(path.relative_to(ROOT)): lines
        for package in ("project", "frontend", "interpreters", "tenants")
        for path in (ROOT / package).rglob("*.py")
        if not {"migrations", "node_modules"}.intersection(path.parts)
        and path != ROOT / "project" / "settings.py"  # one file by design: mostly words on each setting
        and (lines := len(path.read_text().splitlines())) > 300
    }
    assert not long
