"""What is noted when a token is used: when and from where last, and in the audit log what somebody should know of."""

import time
from collections import OrderedDict
from datetime import timedelta
from threading import Lock
from typing import Any
from uuid import UUID

from django.core.cache import cache
from django.db.models import Q
from django.utils import timezone

from tenants.audit import Action, Who, record
from tenants.models import ApiToken

# last_used_at is a help for people, not a log: it is written at most this often, unless the address is a new one.
USE_NOTED_EVERY = timedelta(minutes=1)
# Seconds for which an address is known, and the most that are.
KNOWN_FOR, MOST_KNOWN = 3600.0, 10_000


class Known:
    """From where this process saw which token lately: one that is used from two places is not news with each use."""

    def __init__(self) -> None:
        self._until: OrderedDict[tuple[UUID, str], float] = OrderedDict()
        self._lock = Lock()

    def __contains__(self, use: tuple[UUID, str]) -> bool:
        return self._until.get(use, 0.0) > time.monotonic()

    def add(self, use: tuple[UUID, str]) -> None:
        with self._lock:
            self._until[use] = time.monotonic() + KNOWN_FOR
            self._until.move_to_end(use)
            while len(self._until) > MOST_KNOWN:
                self._until.popitem(last=False)


known = Known()


def note_use(token: ApiToken, client: str) -> None:
    """A first use, and one from another address than the last, is audited: from a new one at once, however often the
    token is used elsewhere; else at most once in a minute for each token."""
    now = timezone.now()
    stale = now - USE_NOTED_EVERY
    elsewhere = client not in ("", token.last_used_from)
    if elsewhere and (token.pk, client) not in known:
        due = ~Q(last_used_from=client)
    elif token.last_used_at is None or token.last_used_at < stale:
        due = Q(last_used_at=None) | Q(last_used_at__lt=stale)
    else:
        due = None
    if due is not None:
        values: dict[str, Any] = {"last_used_at": now, **({"last_used_from": client} if client else {})}
        noted = ApiToken.objects.filter(due, pk=token.pk).update(**values)
        if noted and (elsewhere or token.last_used_at is None) and not token.session:
            who = Who(token.user, token.prefix, client)
            record(Action.TOKEN_USED, who=who, tenant=token.tenant, about=token, name=token.name)
    if client:
        known.add((token.pk, client))


def note_refusal(token: ApiToken, client: str, why: str) -> None:
    """Who tries a revoked token, or one from elsewhere, may have found it: told once an hour for each address."""
    if client and cache.add(f"token-refused:{token.pk}:{client}", 1, 3600):
        record(
            Action.TOKEN_REFUSED, who=Who(token.user, token.prefix, client), tenant=token.tenant, about=token, why=why
        )
