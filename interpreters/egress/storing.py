"""Writing down what was decided: rows for the admin, sums for metrics, a line of the log for collectors."""

import logging
from collections import defaultdict
from collections.abc import Sequence

from django.db import transaction
from django.db.models import F

from interpreters.egress.journal import Entry
from interpreters.models import EgressDecision, EgressTotal, SessionPool
from tenants.models import Tenant

log = logging.getLogger("thermae.egress")


def store(entries: Sequence[Entry]) -> None:
    """All or nothing. A pool or tenant that was deleted meanwhile has no rows any more. Raises DatabaseError."""
    pools = set(SessionPool.objects.values_list("pk", flat=True))
    tenants = {None, *Tenant.objects.values_list("pk", flat=True)}
    kept = [e for e in entries if e.record.subject.pool in pools and e.record.subject.tenant in tenants]
    with transaction.atomic():
        EgressDecision.objects.bulk_create([_row(entry) for entry in kept if entry.new], batch_size=200)
        EgressDecision.objects.bulk_update(
            [_row(entry) for entry in kept if not entry.new], ["count", "bytes_out", "bytes_in"], batch_size=200
        )
        _add_up(kept)
    for entry in entries:
        _tell(entry)


def _row(entry: Entry) -> EgressDecision:
    record, (count, bytes_out, bytes_in) = entry.record, entry.numbers
    return EgressDecision(
        id=record.id,
        at=record.at,
        tenant_id=record.subject.tenant,
        pool_id=record.subject.pool,
        session=record.subject.session,
        host=record.host,
        port=record.port,
        address=record.address,
        allowed=not record.reason,
        reason=record.reason,
        count=count,
        bytes_out=bytes_out,
        bytes_in=bytes_in,
    )


def _add_up(entries: Sequence[Entry]) -> None:
    sums: dict[tuple[int, bool], list[int]] = defaultdict(lambda: [0, 0, 0])
    for entry in entries:
        total = sums[entry.record.subject.pool, not entry.record.reason]
        for n, more in enumerate(entry.more):
            total[n] += more
    for (pool, allowed), (decisions, bytes_out, bytes_in) in sums.items():
        row, _ = EgressTotal.objects.get_or_create(pool_id=pool, allowed=allowed)
        EgressTotal.objects.filter(pk=row.pk).update(
            decisions=F("decisions") + decisions,
            bytes_out=F("bytes_out") + bytes_out,
            bytes_in=F("bytes_in") + bytes_in,
        )


def _tell(entry: Entry) -> None:
    """One line for each record, and another when its numbers have grown."""
    record, (count, bytes_out, bytes_in) = entry.record, entry.numbers
    about = {
        "tenant": record.subject.tenant,
        "pool": record.subject.pool,
        "session": str(record.subject.session),
        "host": record.host,
        "port": record.port,
        "address": record.address,
        "decision": record.reason or "allowed",
        "count": count,
        "bytes_out": bytes_out,
        "bytes_in": bytes_in,
    }
    log.info("%s", " ".join(f"{name}={value!r}" for name, value in about.items()), extra=about)
