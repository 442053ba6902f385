"""Cells that were asked for while their pool was full: kept as rows, and run in order once there is a place.

Whoever looks asks for it: a page that waits, a worker by the clock, and at once when a session has ended. However many
ask at a time, there is one session for a notebook, and each row is taken and put into that session's line in one
transaction: so nothing runs twice, and what was taken out does not run.
"""

import logging
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.utils import timezone

from frontend.access import Right, right_to
from frontend.models import Notebook, WaitingRun
from frontend.notices import notebook_changed
from interpreters import sessions
from interpreters.client import ExecuteRequest
from interpreters.models import Session
from interpreters.sessions import Problem, placing, problems
from tenants.audit import acting
from tenants.authentication import Actor, NotAllowed, actor_from_known_sign_in

logger = logging.getLogger(__name__)

MAY_NOT = "You may not run this notebook any more: ask its owner."
TOO_LONG = "No place became free within a day: run it again."
RETRY_AFTER = 5  # seconds


def keep(notebook: Notebook, user: User, wanted: Sequence[ExecuteRequest], provider: str = "") -> None:
    """Let them wait, behind those that do. One that waits already, as its line broke, is left alone. Raises Problem."""
    rows = notebook.waiting_runs
    known = set(rows.filter(run__in=[each.id for each in wanted]).values_list("run", flat=True))
    new = [each for each in wanted if each.id not in known]
    if rows.waiting().count() + len(new) > WaitingRun.MOST:
        message = f"{WaitingRun.MOST} cells of this notebook wait already: wait for them, or take some out."
        raise problems.Conflict(message, "busy")
    rows.exclude(reason="").filter(cell__in=[each.cell for each in new]).delete()  # its cell is asked for anew
    try:
        with transaction.atomic():
            for each in new:  # one by one: their numbers are their order
                _row(notebook, user, each, provider).save(force_insert=True)
    except IntegrityError as error:
        raise problems.Conflict("This id names another run: take a new random one.", "id_taken") from error
    if new:
        notebook_changed(notebook.pk, notebook.version)


def _row(notebook: Notebook, user: User, wanted: ExecuteRequest, provider: str) -> WaitingRun:
    code = wanted.code.replace("\0", "\ufffd")
    return WaitingRun(
        notebook=notebook, user=user, provider=provider, run=wanted.id, cell=wanted.cell, code=code,
        stop_on_error=wanted.stop_on_error,
    )  # fmt: skip


def take_out(notebook: Notebook, only: UUID | None = None) -> int:
    """All that waits will not run, or `only` this one. Returns how many did wait."""
    rows = notebook.waiting_runs.waiting()
    taken = (rows.filter(run=only) if only else rows).order_by().delete()[0]
    if taken:
        notebook_changed(notebook.pk, notebook.version)
    return taken


def listed(notebook: Notebook) -> list[dict[str, Any]]:
    """What waits, in order, and what will not run and why, for the wire."""
    rows = notebook.waiting_runs.order_by("number").values("run", "cell", "asked_at", "reason")
    place, told = 0, []
    for row in rows:
        place += not row["reason"]
        asked = row["asked_at"].timestamp()
        told.append({"id": str(row["run"]), "cell": row["cell"], "queued_at": asked, "reason": row["reason"]})
        told[-1]["position"] = 0 if row["reason"] else place
    return told


def ask_for_place(notebook: Notebook) -> Session | None:
    """Have a session, and let all that waits run in it; None if nothing waits. Raises Problem if there is no place."""
    session: Session | None = None
    changed = False
    try:
        for row in notebook.waiting_runs.waiting().select_related("user"):
            try:
                actor = _actor(notebook, row)
                session = session or _session(notebook, actor)
                _place(row, actor, session)
            except (problems.Full, problems.Unavailable):
                raise
            except Problem as problem:
                WaitingRun.objects.filter(pk=row.pk).refuse(problem.message)
            changed = True
    finally:
        if session is not None:
            placing.hand_over_soon(session)
        if changed:
            notebook_changed(notebook.pk, notebook.version)
    return session


def _actor(notebook: Notebook, row: WaitingRun) -> Actor:
    """Whoever asked, as they may act now: rights are looked at again when a place is there. Raises Problem."""
    try:
        actor = actor_from_known_sign_in(row.user, row.provider, notebook.tenant.slug)
    except NotAllowed as refusal:
        raise problems.NotAllowed(MAY_NOT) from refusal
    if right_to(notebook, actor) < Right.EDIT:
        raise problems.NotAllowed(MAY_NOT)
    return actor


def _session(notebook: Notebook, actor: Actor) -> Session:
    with acting(actor.who):
        return placing.ask_again(actor, notebook.pool, notebook.identifier)


def _place(row: WaitingRun, actor: Actor, session: Session) -> None:
    with transaction.atomic():
        if not WaitingRun.objects.waiting().filter(pk=row.pk).order_by().delete()[0]:
            return  # somebody else has placed it, or taken it out
        wanted = sessions.request(row.code, id=row.run, cell=row.cell, stop_on_error=row.stop_on_error)
        placing.place(actor, session, wanted)


def ask_for_all() -> int:
    """For every notebook in which something waits, who has waited longest first; how many have a place now.

    Each asks for itself: it has a place in the line of its pool, which it would lose if it did not come again.
    """
    give_up(timezone.now())
    found = 0
    waiting = WaitingRun.objects.waiting().filter(notebook__deleted_at=None)
    for key in dict.fromkeys(waiting.values_list("notebook", flat=True)):
        notebook = Notebook.objects.select_related("tenant").filter(pk=key, deleted_at=None).defer("document").first()
        if notebook is None:
            continue
        try:
            found += ask_for_place(notebook) is not None
        except Problem as problem:
            logger.info("notebook %s waits for a place: %s", notebook.pk, problem.message)
    return found


def give_up(now: datetime) -> None:
    """What has waited for too long will not run; why it did not is forgotten later."""
    before = now - WaitingRun.LONGEST
    for key in WaitingRun.objects.waiting().filter(asked_at__lt=before).values_list("notebook", flat=True):
        WaitingRun.objects.filter(notebook=key, asked_at__lt=before).refuse(TOO_LONG)
    WaitingRun.objects.filter(refused_at__lt=before).delete()
