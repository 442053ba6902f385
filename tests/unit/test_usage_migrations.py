"""An installation that is upgraded has the usage of what it still knows, and the sizes of what it keeps."""

from datetime import UTC, date, datetime, timedelta
from importlib import import_module
from typing import Any

import pytest
from django.apps import apps

from frontend.models import Notebook, ShareLink
from frontend.models.version import keep_named
from interpreters import metering
from interpreters.lifecycle import State
from interpreters.models import DayUsage, Execution, SessionUsage
from tests.documents import code_cell, document_of

pytestmark = pytest.mark.django_db
START = datetime(2026, 11, 30, 23, 59, 50, tzinfo=UTC)


def test_the_ledger_has_sessions_from_before_it(pool: Any, acme: Any, alice: Any) -> None:
    ended = pool.sessions.create(
        state=State.GONE,
        tenant=acme,
        user=alice,
        identifier="a",
        leased_at=START,
        ended_at=START + timedelta(seconds=30),
    )
    runs = pool.sessions.create(state=State.LEASED, tenant=acme, identifier="b", leased_at=START)
    pool.sessions.create(state=State.READY)
    ran = {"started_at": START + timedelta(seconds=5), "finished_at": START + timedelta(seconds=15)}
    for session in (ended, runs):
        Execution.objects.create(session=session, tenant=acme, code="x", status="ok", outputs=[], **ran)
        Execution.objects.create(session=session, tenant=acme, code="x", status="cancelled", outputs=[])
    import_module("interpreters.migrations.0008_usage").write_ledger(apps, None)
    days = [(row.leased, row.ran, row.executions) for row in DayUsage.objects.filter(usage=ended.pk).order_by("day")]
    assert days == [(10_000, 5_000, 1), (20_000, 5_000, 0)]
    days = [(row.leased, row.ran, row.executions) for row in DayUsage.objects.filter(usage=runs.pk).order_by("day")]
    assert days == [(0, 5_000, 1), (0, 5_000, 0)]
    assert SessionUsage.objects.get(pk=runs.pk).ended_at is None
    november = metering.by_member(acme, date(2026, 11, 1), date(2026, 12, 1))
    assert [(each.name, each.executions) for each in november if each.user] == [("alice", 1)]


def test_notebooks_from_before_have_their_sizes(acme: Any, alice: Any) -> None:
    document = document_of(code_cell("a", "größer"))
    notebook = Notebook.objects.create(tenant=acme, owner=alice, title="t", pool="python", document=document)
    keep_named(notebook, "one", alice)
    ShareLink.issue(notebook=notebook, document=document, title="t", language="l", lifetime=None)
    known = Notebook.objects.values_list("size", "kept").get()
    Notebook.objects.update(size=0, kept=0)
    ShareLink.objects.update(size=0)
    import_module("frontend.migrations.0004_stored_bytes").measure(apps, None)
    assert Notebook.objects.values_list("size", "kept").get() == known
    assert all(known)
