"""The privilege sweep: each role, and the operator, tries each thing that differs by role, by each door, and gets what
`tenants.roles` declares. That is the only table there is: these tests and docs/administration.md are made from it.
"""

import re
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction

from tenants.models import Role
from tenants.roles import MAY, OPERATOR, Ability, may, may_give
from tests.unit.privileges import DOORS, PROBES, World

STANDINGS = (*Role.values, OPERATOR)
DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "administration.md"


@pytest.fixture(autouse=True)
def nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("celery.app.task.Task.apply_async", lambda *_, **__: None)


def test_everything_that_differs_by_role_is_declared_and_probed() -> None:
    """A new ability fails here until it says who has it, and how that is tried."""
    assert set(MAY) == set(Ability)
    assert {probe.ability for probe in PROBES} == set(Ability)
    assert all(who <= set(STANDINGS) for who in MAY.values())
    names = [probe.name for probe in PROBES]
    assert len(set(names)) == len(names)


def test_who_may_do_something_has_a_door_by_which_it_is_tried() -> None:
    """So that nothing is granted on paper only."""
    tried = {(who, probe.ability) for probe in PROBES for who in DOORS[probe.door]}
    assert {(who, ability) for ability, whose in MAY.items() for who in whose} - tried == set()


@pytest.mark.django_db
@pytest.mark.parametrize("standing", STANDINGS)
def test_each_role_does_what_is_declared_and_nothing_else(standing: str, pool: Any, ready: Any) -> None:
    ready()
    world = World(standing, pool)
    found = {}
    for probe in PROBES:
        with transaction.atomic():
            found[probe.name] = probe.does(world)
            transaction.set_rollback(True)  # the next one finds the world as it was
    declared = {probe.name: standing in DOORS[probe.door] and may((standing,), probe.ability) for probe in PROBES}
    assert {name: done for name, done in found.items() if done != declared[name]} == {}


def test_nobody_gives_more_than_they_have() -> None:
    for standing in STANDINGS:
        given = may_give((standing,))
        assert bool(given) == may((standing,), Ability.PEOPLE_CHANGE) == may((standing,), Ability.INVITE)
        for role in given:
            more = {ability for ability in Ability if may((role,), ability) and not may((standing,), ability)}
            assert more == set() or standing == OPERATOR
    assert may_give(()) == ()


# --- The document ---


def table() -> str:
    head = ["| | " + " | ".join(STANDINGS) + " |", "|---" * (len(STANDINGS) + 1) + "|"]
    rows = [
        f"| {ability.label} | " + " | ".join("yes" if may((who,), ability) else "–" for who in STANDINGS) + " |"
        for ability in Ability
    ]
    return "\n".join([*head, *rows])


def test_the_table_of_the_document_is_what_is_declared() -> None:
    """Where this fails, put what `table()` gives into docs/administration.md."""
    found = re.search(r"^\| \| owner \|.*?(?=\n\n)", DOCUMENT.read_text(), re.MULTILINE | re.DOTALL)
    assert found
    assert found[0] == table()
