"""Image, size, limits and lifecycle of a set of sandboxes, and the verbs that hand them out and keep them ready."""

import json
import logging
import re
import zlib
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Self

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Count, F, Q
from django.utils import timezone

from interpreters.lifecycle import LIVE, OPEN, ORPHAN_GRACE, Ask, Plan, PoolSpec
from interpreters.models.image import InterpreterImage
from interpreters.models.lease import Lease, lease
from interpreters.models.maintenance import maintain
from interpreters.runtime.base import Runtime
from tenants.models import Tenant

if TYPE_CHECKING:
    from django.contrib.auth.models import User

logger = logging.getLogger(__name__)

# What a failing pool waits before its next launch: 4 s, 8 s, … at most 5 minutes.
LONGEST_BACK_OFF = 300
# How long an engine that did not answer is left alone; every tick that reaches it ends this.
ENGINE_BACK_OFF = timedelta(seconds=15)


class PoolQuerySet(models.QuerySet["SessionPool"]):
    def usable_by(self, tenant: Tenant) -> Self:
        """The tenant's own pools and the shared ones; an own pool hides a shared one of the same name."""
        own = SessionPool.objects.filter(tenant=tenant).values("name")
        return self.filter(Q(tenant=tenant) | Q(tenant=None) & ~Q(name__in=own)).select_related("image")

    def remove_strays(self, runtime: Runtime) -> None:
        """Remove sandboxes of this installation whose pool was deleted, and its rows with it."""
        sandboxes = runtime.list(settings.INSTALLATION)  # before the rows: a new pool's sandbox is no stray
        known = set(SessionPool.objects.values_list("pk", flat=True))
        for sandbox in sandboxes:
            if sandbox.pool not in known and sandbox.age >= ORPHAN_GRACE:
                logger.warning("removing sandbox %s: there is no pool %s", sandbox.handle, sandbox.pool)
                runtime.remove(sandbox.handle)

    def with_counts(self) -> Self:
        """Annotated with the number of sessions `starting`, `ready`, `leased` and `live`."""
        counts: dict[str, Any] = {state.value: Count("sessions", filter=Q(sessions__state=state)) for state in OPEN}
        return self.annotate(**counts, live=Count("sessions", filter=Q(sessions__state__in=LIVE)))


class SessionPool(models.Model):
    """Shared by all tenants when `tenant` is null, else one tenant's own."""

    tenant = models.ForeignKey(Tenant, models.CASCADE, null=True, blank=True, related_name="pools")
    name = models.SlugField(max_length=63)
    image = models.ForeignKey(InterpreterImage, models.PROTECT, related_name="pools")
    enabled = models.BooleanField(default=True, help_text="Off: opens no new session and keeps no instance ready.")
    ready_instances = models.PositiveIntegerField(default=2, validators=[MaxValueValidator(1000)])
    max_concurrent = models.PositiveIntegerField(
        default=20,
        validators=[MinValueValidator(1), MaxValueValidator(10000)],
        help_text="Sandboxes alive at the same time, ready ones included.",
    )
    cooldown = models.PositiveIntegerField(
        default=300,
        validators=[MinValueValidator(10), MaxValueValidator(7 * 86400)],
        help_text="Seconds of idleness after which a session ends.",
    )
    max_alive = models.PositiveIntegerField(
        default=8 * 3600,
        validators=[MinValueValidator(60), MaxValueValidator(30 * 86400)],
        help_text="Seconds from lease to the session's hard end.",
    )
    cpu = models.FloatField(default=1.0, validators=[MinValueValidator(0.05)], help_text="Cores.")
    memory = models.PositiveIntegerField(
        default=1024, validators=[MinValueValidator(128)], help_text="MiB, tmpfs included."
    )
    disk = models.PositiveIntegerField(
        default=256, validators=[MinValueValidator(8)], help_text="MiB of the work directory."
    )
    pids = models.PositiveIntegerField(default=256, validators=[MinValueValidator(32)])
    egress = models.BooleanField(default=False, editable=False, help_text="Network access. Off: there is none at all.")
    environment = models.JSONField(default=dict, blank=True, help_text="Variables given to kernels and terminals.")
    oci_runtime = models.CharField(
        max_length=40, blank=True, help_text="Such as runsc; empty for the engine's default."
    )
    # What went wrong, for admins. Launches back off by `failures` until `retry_at`.
    last_error = models.TextField(blank=True, editable=False)
    failures = models.PositiveIntegerField(default=0, editable=False, help_text="Failed launches in a row.")
    retry_at = models.DateTimeField(null=True, blank=True, editable=False)
    maintained_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = PoolQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "name"], name="pool_name_per_tenant"),
            models.UniqueConstraint(fields=["name"], condition=Q(tenant=None), name="shared_pool_name"),
        ]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """What a form must not save: each error says what to do."""
        errors = {}
        if not _is_environment(self.environment):
            errors["environment"] = 'Give variables as text, as {"NAME": "value"}; names are letters, digits and _.'
        if self.memory and self.disk and self.disk > self.memory // 2:
            errors["disk"] = "The work directory is held in memory: give it at most half of it."
        if self.cooldown and self.max_alive and self.cooldown > self.max_alive:
            errors["cooldown"] = "A session ends at its longest life anyway: make the cooldown shorter than that."
        if self.oci_runtime and self.oci_runtime not in settings.ALLOWED_OCI_RUNTIMES:
            allowed = ", ".join(settings.ALLOWED_OCI_RUNTIMES) or "none; ask your operator"
            errors["oci_runtime"] = f"Leave this empty for the engine's default, or use one that is allowed: {allowed}."
        if errors:
            raise ValidationError(errors)

    @property
    def revision(self) -> int:
        """A number for all that a sandbox is made from: a ready instance of another one is replaced."""
        image = self.image
        made_from = [image.reference, image.kernel, image.warm_up, self.cpu, self.memory, self.disk, self.pids]
        made_from += [self.egress, self.environment, self.oci_runtime]
        return zlib.crc32(json.dumps(made_from, sort_keys=True).encode()) & 0x7FFFFFFF

    @property
    def spec(self) -> PoolSpec:
        return PoolSpec(
            ready_instances=self.ready_instances,
            max_concurrent=self.max_concurrent,
            cooldown=self.cooldown,
            max_alive=self.max_alive,
            revision=self.revision,
            start_timeout=settings.START_TIMEOUT,
            stop_timeout=settings.STOP_TIMEOUT,
            enabled=self.enabled,
            launchable=self.image.usable,
            failures=self.failures,
            retry_at=self.retry_at,
        )

    # --- Handing out ---

    def lease(self, tenant: Tenant, user: "User | None", identifier: str) -> Lease:
        """The tenant's session of this identifier: the open one, else a ready instance, else a cold start.

        Raises BadIdentifier, PoolFull, PoolUnavailable. Any number of callers may race: each session gets one
        holder, and each identifier one session.
        """
        return lease(self, tenant, user, identifier)

    def lock(self) -> None:
        """Hold others back, until the transaction ends, from reserving in this pool."""
        SessionPool.objects.select_for_update().get(pk=self.pk)

    # --- Keeping ready ---

    def maintain(self, runtime: Runtime, ask: Ask) -> Plan:
        """Compare the pool with what it should be, and set everything going that is needed. Returns what was decided.

        Raises RuntimeUnavailable, with nothing decided: what the engine does not tell cannot be judged.
        """
        return maintain(self, runtime, ask)

    def launch_failed(self, error: str) -> None:
        """Back off: every further failure doubles the wait."""
        wait = timedelta(seconds=min(LONGEST_BACK_OFF, 2 ** min(self.failures + 2, 10)))
        self.note(last_error=error[:4000], failures=F("failures") + 1, retry_at=timezone.now() + wait)
        logger.warning("pool %s: a launch failed, next try in %s: %s", self, wait, error)

    def engine_failed(self, error: str) -> None:
        self.note(last_error=error[:4000], retry_at=timezone.now() + ENGINE_BACK_OFF)

    def recovered(self) -> None:
        """Forget errors, once a launch succeeded or the engine answers again."""
        if self.failures or self.last_error or self.retry_at:
            self.note(last_error="", failures=0, retry_at=None)

    def note(self, **fields: Any) -> None:
        """Write these fields alone: an admin may be editing the others."""
        SessionPool.objects.filter(pk=self.pk).update(**fields)
        self.refresh_from_db(fields=list(fields))


def _is_environment(value: object) -> bool:
    if not isinstance(value, dict):
        return False
    named = all(isinstance(name, str) and re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,127}", name) for name in value)
    return named and all(isinstance(text, str) and "\0" not in text for text in value.values())
