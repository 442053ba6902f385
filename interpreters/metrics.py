"""Prometheus metrics, read from the database at every scrape.

What happens to sandboxes happens in workers; the rows know all of it, whichever process did it and however often it was
restarted. Sums are over the rows that are kept: deleting old sessions makes them fall, as a restart would. Only leases
are counted by the web process that gives them (`sessions.opening`).
"""

import hmac
import ipaddress
from collections.abc import Iterable, Mapping
from typing import Any

from django.conf import settings
from django.db.models import Count, Q, Sum
from django.http import HttpRequest, HttpResponse
from prometheus_client import REGISTRY
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from interpreters.lifecycle import OPEN
from interpreters.models import EgressProxy, EgressTotal, Execution, Session, SessionPool, Workspace
from tenants.threads import in_thread

POOL = ("pool", "tenant")  # the tenant is empty for a shared pool
Names = Mapping[int, tuple[str, str]]
LAUNCH_BUCKETS = (0.25, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 20, 60)  # seconds


async def metrics(request: HttpRequest) -> HttpResponse:
    if not _may_scrape(request):
        return HttpResponse("Scrape from this machine, or with THERMAE_METRICS_TOKEN as bearer token.\n", status=403)
    return HttpResponse(await in_thread(generate_latest)(REGISTRY), content_type=CONTENT_TYPE_LATEST)


def _may_scrape(request: HttpRequest) -> bool:
    if settings.METRICS_TOKEN:
        expected = f"Bearer {settings.METRICS_TOKEN}".encode()
        return hmac.compare_digest(request.headers.get("Authorization", "").encode(), expected)
    # What a proxy forwards comes from this machine too, and is not meant.
    return "X-Forwarded-For" not in request.headers and _is_loopback(request.META.get("REMOTE_ADDR", ""))


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


class Rows(Collector):
    """What the database knows."""

    def describe(self) -> Iterable[Metric]:
        return ()  # registering must not ask the database

    def collect(self) -> Iterable[Metric]:
        pools = list(SessionPool.objects.with_counts().select_related("tenant").order_by("pk"))
        names = {pool.pk: (pool.name, pool.tenant.slug if pool.tenant else "") for pool in pools}
        for state in OPEN:
            gauge = GaugeMetricFamily(f"thermae_sessions_{state}", f"Sessions that are {state}.", labels=POOL)
            for pool in pools:
                gauge.add_metric(names[pool.pk], getattr(pool, state))
            yield gauge
        yield from self._launches(names)
        yield self._reaped(names)
        yield self._executions()
        yield from self._workspaces()
        yield from self._egress(names)

    def _launches(self, names: Names) -> Iterable[Metric]:
        histogram = HistogramMetricFamily("thermae_launch_seconds", "From its turn to start to ready.", labels=POOL)
        counts: dict[str, Any] = {
            f"le_{n}": Count("pk", filter=Q(launch_seconds__lte=bound)) for n, bound in enumerate(LAUNCH_BUCKETS)
        }
        launched = Session.objects.exclude(launch_seconds=None).values("pool").order_by("pool")
        rows: Iterable[Any] = launched.annotate(**counts, number=Count("pk"), total=Sum("launch_seconds"))
        for row in rows:
            buckets = [(str(float(bound)), row[f"le_{n}"]) for n, bound in enumerate(LAUNCH_BUCKETS)]
            histogram.add_metric(names[row["pool"]], [*buckets, ("+Inf", row["number"])], row["total"])
        yield histogram

    def _reaped(self, names: Names) -> Metric:
        counter = CounterMetricFamily("thermae_reaped", "Sessions that ended, by reason.", labels=(*POOL, "reason"))
        ended = Session.objects.exclude(reason="").values("pool", "reason").order_by("pool", "reason")
        for row in ended.annotate(number=Count("pk")):
            counter.add_metric((*names[row["pool"]], row["reason"]), row["number"])
        return counter

    def _executions(self) -> Metric:
        counter = CounterMetricFamily("thermae_executions", "Executions, by what is known of them.", labels=("status",))
        for row in Execution.objects.values("status").order_by("status").annotate(number=Count("pk")):
            counter.add_metric((row["status"],), row["number"])
        return counter

    def _workspaces(self) -> Iterable[Metric]:
        sums: Iterable[Any] = (
            Workspace.objects.values("problem").order_by("problem").annotate(number=Count("pk"), total=Sum("size"))
        )
        number = GaugeMetricFamily("thermae_workspaces", "Kept files, by what is wrong with them.", labels=("problem",))
        kept = GaugeMetricFamily("thermae_workspace_bytes", "Of kept files, packed.", labels=("problem",))
        for row in sums:
            number.add_metric((row["problem"] or "none",), row["number"])
            kept.add_metric((row["problem"] or "none",), row["total"])
        yield number
        yield kept

    def _egress(self, names: Names) -> Iterable[Metric]:
        """Sums that outlive the rows: what a proxy has decided, and what has passed through it."""
        decisions = CounterMetricFamily("thermae_egress_decisions", "Of the egress proxy.", labels=(*POOL, "decision"))
        carried = CounterMetricFamily("thermae_egress_bytes", "Through the egress proxy.", labels=(*POOL, "direction"))
        for total in EgressTotal.objects.order_by("pool", "allowed"):
            decision = "allowed" if total.allowed else "refused"
            decisions.add_metric((*names[total.pool_id], decision), total.decisions)
            if total.allowed:
                carried.add_metric((*names[total.pool_id], "out"), total.bytes_out)
                carried.add_metric((*names[total.pool_id], "in"), total.bytes_in)
        yield decisions
        yield carried
        up = GaugeMetricFamily("thermae_egress_up", "Whether an egress process answers.")
        up.add_metric((), EgressProxy.objects.alive().count())
        yield up


REGISTRY.register(Rows())
