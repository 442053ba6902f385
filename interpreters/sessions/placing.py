"""Runs that were kept elsewhere until there was a session for them. Synchronous: for workers and pages."""

from functools import partial

from django.db import transaction

from interpreters.client import ExecuteRequest
from interpreters.models import QuotaReached, Session, month_quotas
from interpreters.notices import session_changed
from interpreters.sessions import opening, problems, record
from interpreters.tasks import enqueue, hand_over_waiting
from tenants.authentication import Actor


def ask_again(actor: Actor, pool: str, identifier: str) -> Session:
    """The session of `identifier`, for who has been refused one before. Raises Problem.

    One that is there already may be used only while the tenant has hours left, as by any run.
    """
    try:
        if actor.tenant.has_month_quotas:
            month_quotas.check(actor.tenant)
    except QuotaReached as refusal:
        raise problems.of_pool(refusal) from refusal
    return opening.find_or_lease(actor, pool, identifier, again=True).session


def place(actor: Actor, session: Session, wanted: ExecuteRequest) -> None:
    """Let it run in this session, behind all that waits there. Raises Problem.

    An id that is there already is the same run, which came here before.
    """
    if not record.line_up(actor, session, wanted, leased=True):
        raise problems.Unavailable("The session has just ended: try again.", retry_after=1)


def hand_over_soon(session: Session) -> None:
    """What was placed: at once, if it has started; else its start asks for that."""
    enqueue(hand_over_waiting, str(session.pk))
    transaction.on_commit(partial(session_changed, session.pk))
