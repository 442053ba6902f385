"""`/metrics` for Prometheus.

What several processes change is counted from the database when it is asked for, so that every web process gives the
same answer and workers need no port of their own. Only what a web process itself does is measured in it.
"""

import hmac
from collections.abc import Iterator

from django.conf import settings
from django.db.models import Avg, Count, Q
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_GET
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from interpreters.lifecycle import LIVE, State
from interpreters.models import Execution, Session, SessionPool

LEASE_SECONDS = Histogram(
    "thermae_lease_seconds",
    "Seconds to give a session to an identifier, by whether one was ready.",
    ["pool", "start"],
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)
REFUSED = Counter("thermae_leases_refused", "Sessions that could not be opened, by code of the refusal.", ["pool", "code"])
LOOPBACK = ("127.0.0.1", "::1")


class Rows(Collector):
    """What the tables say at the moment of the scrape."""

    def collect(self) -> Iterator[Metric]:
        yield from self._pools()
        yield self._ended()
        yield self._executions()

    def _pools(self) -> Iterator[Metric]:
        sessions = GaugeMetricFamily("thermae_sessions", "Sessions alive, by state.", labels=["tenant", "pool", "state"])
        limits = GaugeMetricFamily("thermae_pool_limit", "What a pool is set to.", labels=["tenant", "pool", "limit"])
        failures = GaugeMetricFamily("thermae_pool_failures", "Failed launches in a row.", labels=["tenant", "pool"])
        launch = GaugeMetricFamily(
            "thermae_launch_seconds", "Mean seconds from creating to ready, of the live.", labels=["tenant", "pool"]
        )
        counts = {state.value: Count("sessions", filter=Q(sessions__state=state)) for state in LIVE}
        alive = Avg("sessions__launch_seconds", filter=Q(sessions__state__in=LIVE))
        for pool in SessionPool.objects.select_related("tenant").annotate(**counts, mean_launch=alive):
            labels = [pool.tenant.slug if pool.tenant else "", pool.name]
            for state in LIVE:
                sessions.add_metric([*labels, state.value], getattr(pool, state.value))
            limits.add_metric([*labels, "ready_instances"], pool.ready_instances)
            limits.add_metric([*labels, "max_concurrent"], pool.max_concurrent)
            failures.add_metric(labels, pool.failures)
            if pool.mean_launch is not None:
                launch.add_metric(labels, pool.mean_launch)
        yield from (sessions, limits, failures, launch)

    def _ended(self) -> Metric:
        family = CounterMetricFamily("thermae_sessions_ended", "Sessions gone, by reason.", labels=["pool", "reason"])
        gone = Session.objects.filter(state=State.GONE).values_list("pool__name", "reason")
        for pool, reason, n in gone.annotate(n=Count("id")).order_by():
            family.add_metric([pool, reason], n)
        return family

    def _executions(self) -> Metric:
        family = CounterMetricFamily("thermae_executions", "Executions, by status.", labels=["status"])
        for status, n in Execution.objects.values_list("status").annotate(n=Count("id")).order_by():
            family.add_metric([status], n)
        return family


@require_GET
def metrics(request: HttpRequest) -> HttpResponse:
    """To who sends METRICS_TOKEN; without one set, only to this machine itself."""
    if not _may_read(request):
        return HttpResponse("Send “Authorization: Bearer <THERMAE_METRICS_TOKEN>”.\n", status=403, content_type="text/plain")
    return HttpResponse(generate_latest(REGISTRY), content_type=CONTENT_TYPE_LATEST)


def _may_read(request: HttpRequest) -> bool:
    if settings.METRICS_TOKEN:
        sent = request.headers.get("Authorization", "").encode()
        return hmac.compare_digest(sent, f"Bearer {settings.METRICS_TOKEN}".encode())
    # Behind a proxy everybody comes from this machine: what it forwards for somebody else does not count as local.
    return request.META.get("REMOTE_ADDR") in LOOPBACK and "X-Forwarded-For" not in request.headers


def register() -> None:
    """Once in a process, when its models are loaded."""
    REGISTRY.register(Rows())
