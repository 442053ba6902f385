"""Image, size, limits and lifecycle of a set of sandboxes, and the verbs that hand them out and keep them ready."""

import json
import logging
import zlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from statistics import median
from typing import TYPE_CHECKING, Any, Self

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Count, Q

from interpreters.lifecycle import LIVE, OPEN, ORPHAN_GRACE, Ask, Phase, Plan, PoolSpec, State
from interpreters.models import checks, custom
from interpreters.models.container import CustomContainer
from interpreters.models.egress import EgressProxy
from interpreters.models.failing import Failing
from interpreters.models.image import InterpreterImage
from interpreters.models.lease import Lease, lease
from interpreters.models.maintenance import maintain
from interpreters.models.offering import Offered, offered
from interpreters.models.retirement import retire
from interpreters.runtime.base import Runtime
from tenants.egress import MODE_CHOICES, Mode
from tenants.encryption import CannotDecrypt
from tenants.fields import EntriesField
from tenants.models import Tenant
from tenants.prepared import Given, Prepared

if TYPE_CHECKING:
    from django.contrib.auth.models import User

    from interpreters.models.session import Session

logger = logging.getLogger(__name__)

LAUNCHES_KEPT = 25
# A pool at rest is looked at this often: for what an engine forgot to remove, and so that /healthz/ready hears of it.
REST = timedelta(seconds=10)


class PoolQuerySet(models.QuerySet["SessionPool"]):
    def usable_by(self, tenant: Tenant | Given) -> Self:
        """The tenant's own pools and the shared ones that it is offered.

        An own pool hides a shared one of the same name, from when it is made until it is gone.
        """
        own = SessionPool.objects.filter(tenant=tenant).values("name")
        seen = Q(tenant=tenant) | offered(SessionPool, tenant) & ~Q(name__in=own)
        return self.filter(seen, deleting=False).select_related("image")

    def counted(self, tenant: Tenant) -> list["SessionPool"]:
        """All that the tenant may use, in the order of their names."""
        return _usable_counted(tenant=tenant.pk)

    def named(self, tenant: Tenant, name: str) -> "SessionPool | None":
        """The pool of this name that the tenant may use."""
        return _usable_named.first(tenant=tenant.pk, name=name)

    def with_session_of(self, tenant: Tenant, identifier: str) -> Self:
        """Those in which the tenant has an open session of this name, though it may use them no more."""
        return self.filter(
            deleting=False, sessions__tenant=tenant, sessions__identifier=identifier, sessions__state__in=OPEN
        ).select_related("image")

    def remove_strays(self, runtime: Runtime) -> None:
        """Remove sandboxes of this installation whose pool was deleted, and its rows with it."""
        sandboxes = runtime.list(settings.INSTALLATION)  # before the rows: a new pool's sandbox is no stray
        known = set(SessionPool.objects.values_list("pk", flat=True))
        for sandbox in sandboxes:
            if sandbox.pool not in known and sandbox.age >= ORPHAN_GRACE:
                logger.warning("removing sandbox %s: there is no pool %s", sandbox.handle, sandbox.pool)
                runtime.remove(sandbox.handle)

    def due(self, now: datetime) -> Self:
        """Those that a tick looks at: all but those at rest, whose turn comes seldom. Most pools of many tenants rest.

        At rest is what keeps nothing ready and has no session and nobody in its line; whoever asks it for a session
        has it looked at anyway.
        """
        rests = Q(deleting=False, places=None, failures=0, crashes=0, maintained_at__gt=now - REST)
        rests &= (Q(enabled=False) | Q(ready_instances=0)) & ~Q(sessions__state__in=LIVE)
        return self.exclude(pk__in=SessionPool.objects.filter(rests).values("pk"))

    def with_counts(self) -> Self:
        """Annotated with the number of sessions `starting`, `ready`, `leased` and `live`."""
        counts: dict[str, Any] = {state.value: Count("sessions", filter=Q(sessions__state=state)) for state in OPEN}
        return self.annotate(**counts, live=Count("sessions", filter=Q(sessions__state__in=LIVE)))


_usable_named: Prepared["SessionPool"] = Prepared(
    lambda: SessionPool.objects.usable_by(Given("tenant")).filter(name=Given("name"))
)

_usable_counted: Prepared["SessionPool"] = Prepared(
    lambda: SessionPool.objects.usable_by(Given("tenant")).with_counts().order_by("name")
)


class SessionPool(Offered, Failing, CustomContainer):
    """Shared by the tenants that it is offered to when `tenant` is null, else one tenant's own."""

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
    egress = models.CharField(
        max_length=10,
        choices=MODE_CHOICES,
        default=Mode.NONE.value,
        help_text="What its sandboxes reach, through a proxy. Private addresses and this machine's own: never.",
    )
    egress_allow = EntriesField(
        help_text="One to a line: example.org, *.example.org (what is below it), an address, or 198.51.100.0/24; each "
        "with :port if it is not 80 and 443. A change counts within seconds.",
    )
    environment = models.JSONField(default=dict, blank=True, help_text="Variables given to kernels and terminals.")
    oci_runtime = models.CharField(
        max_length=40, blank=True, help_text="Such as runsc; empty for the engine's default."
    )
    deleting = models.BooleanField(default=False, editable=False, help_text="It goes when its last sandbox has gone.")
    maintained_at = models.DateTimeField(null=True, blank=True, editable=False)
    # Seconds that its last launches took, the newest last: kept here so that a list of pools reads no sessions.
    launches = models.JSONField(default=list, editable=False)
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
        if errors := checks.faults(self):
            raise ValidationError(errors)

    @property
    def lacks_egress(self) -> bool:
        """Whether it promises network access, and no process answers that gives it: then it hands out nothing."""
        return self.egress != Mode.NONE and not EgressProxy.objects.alive().exists()

    @property
    def revision(self) -> int:
        """A number for all that a sandbox is made from: a ready instance of another one is replaced."""
        image = self.image
        made_from = [image.reference, image.kernel, image.warm_up, self.cpu, self.memory, self.disk, self.pids]
        # Of egress the mode alone: a list is read live.
        made_from += [self.egress, self.environment, self.oci_runtime]
        if image.custom:
            made_from += custom.made_from(self)
        return zlib.crc32(json.dumps(made_from, sort_keys=True).encode()) & 0x7FFFFFFF

    @property
    def makes(self) -> dict[str, Any]:
        """What the row of a session keeps of what its sandbox is made from."""
        sizes = {name: getattr(self, name) for name in ("cpu", "memory", "disk", "target_port")}
        return {"pool_revision": self.revision, **sizes}

    @property
    def former_instances(self) -> dict[str, int]:
        """By state, those that are still as the pool was before it was changed."""
        rows = self.sessions.filter(state__in=OPEN).exclude(pool_revision=self.revision)
        return dict(rows.values("state").annotate(all=Count("pk")).values_list("state", "all"))

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
            enabled=self.enabled and not self.deleting,
            launchable=self.why_not_launchable == "",
            failures=self.failures_in_a_row,
            retry_at=self.backing_off_until,
            custom=self.image.custom,
            until_exit=self.until_exit,
        )

    @property
    def why_not_launchable(self) -> str:
        """What is missing for a launch, in words; empty if nothing is."""
        if not self.image.usable:
            return "This pool's image is not built yet: try again later."
        if self.image.custom and settings.RUNTIME == "bubblewrap":
            return "Custom containers need Docker, and this installation runs without: an operator can change that."
        if self.image.custom and not InterpreterImage.relay_reference():
            return "The relay for custom containers is not built yet: an operator runs `manage.py build_images relay`."
        if self.lacks_egress:
            return "No egress process answers, which its network access needs: an operator starts `manage.py egress`."
        return ""

    @property
    def readable_secrets(self) -> dict[str, str]:
        """Its secrets; none where their key was lost, so that all else of the pool is still there. A launch says so."""
        return dict(self.secrets) if self.secrets_readable else {}

    @property
    def secrets_readable(self) -> bool:
        try:
            return self.secrets is not None
        except CannotDecrypt:
            return False

    @property
    def offers_shell(self) -> bool:
        """Whether a person gets a terminal in the tenant's own container. One of code always has them."""
        return self.shell and self.image.custom

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

    def reserve(self, count: int, **holder: Any) -> "Sequence[Session]":
        """Rows for sandboxes that are to be made, for their holder or for nobody. The lock is the caller's to hold."""
        new = self.sessions.model
        rows = [new(pool=self, phase=Phase.QUEUED, **self.makes, **holder) for _ in range(count)]
        made: Sequence[Session] = self.sessions.bulk_create(rows)
        for session in made:
            session.announce(State.STARTING)
        return made

    # --- Keeping ready ---

    def maintain(self, runtime: Runtime, ask: Ask) -> Plan:
        """Compare the pool with what it should be, and set everything going that is needed. Returns what was decided.

        Raises RuntimeUnavailable, with nothing decided: what the engine does not tell cannot be judged.
        """
        return maintain(self, runtime, ask)

    def redacted(self, text: str) -> str:
        """What a sandbox or an engine said, without the secrets that the sandbox was given."""
        return custom.redacted(text, self.readable_secrets)

    def note_launch(self, seconds: float) -> None:
        """Two launches that end at once may cost one of the figures."""
        self.refresh_from_db(fields=["launches"])
        self.note(launches=[*self.launches, round(seconds, 3)][-LAUNCHES_KEPT:])

    @property
    def median_launch(self) -> float | None:
        return median(self.launches) if self.launches else None

    @property
    def last_launch(self) -> float | None:
        return self.launches[-1] if self.launches else None

    # --- Its end ---

    def retire(self) -> None:
        """Delete it in order: its sessions end, and it goes when its last sandbox has gone. May be said twice."""
        retire(self)
