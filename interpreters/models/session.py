"""The row for one sandbox, from birth to death. Single use: it is never handed to a second holder.

State changes are one conditional UPDATE that names the state it leaves; losing that race is a normal answer.
Every change is announced, once it is committed, by the signal `moved`: those who watch, launch and tear down
listen to it. Nothing depends on being told: the next maintenance of the pool finds what was missed.
"""

import uuid
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Self

from django.conf import settings
from django.db import models, transaction
from django.db.models import Q
from django.dispatch import Signal
from django.utils import timezone

from interpreters.lifecycle import LIVE, OPEN, Ask, Phase, Reason, SessionView, State
from interpreters.models import queue, usage
from interpreters.models.launch import launch
from interpreters.models.pool import SessionPool
from interpreters.models.spec import sandbox_spec
from interpreters.models.teardown import tear_down
from interpreters.runtime.base import Runtime, SandboxSpec
from tenants.models import Tenant
from tenants.prepared import Given, Prepared

# Sent after commit with `session`, `frm` (None for a new row), `to`, and `changed`: names of the other fields that
# changed. `frm` equals `to` where only those did.
moved = Signal()
# The same, sent within the transaction, to who writes rows of what it tells: a failure there undoes the change.
moving = Signal()


class SessionQuerySet(models.QuerySet["Session"]):
    def of(self, tenant: Tenant, session: uuid.UUID) -> "Session | None":
        """One of the tenant's, with its pool and image."""
        return _with_pool.first(tenant=tenant.pk, session=session)

    def live(self) -> Self:
        return self.filter(state__in=LIVE)

    def open(self) -> Self:
        return self.filter(state__in=OPEN)

    def queued(self) -> Self:
        """Launches that nobody has taken up."""
        return self.filter(state=State.STARTING, phase=Phase.QUEUED)

    def claim_queued(self) -> "Session | None":
        """Take up the launch whose turn it is, as the only one who does."""
        return queue.claim()


_with_pool: Prepared["Session"] = Prepared(
    lambda: Session.objects.filter(tenant=Given("tenant"), pk=Given("session", models.UUIDField())).select_related(
        "pool__image"
    )
)


class Session(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    # Its index is the one of (pool, state): alone it would tempt SQLite to read all that ever was.
    pool = models.ForeignKey(SessionPool, models.CASCADE, related_name="sessions", db_index=False)
    pool_revision = models.PositiveIntegerField(
        default=0, editable=False, help_text="The pool's when it was reserved, then when its launch was taken up."
    )
    # What its sandbox has of that revision, where it matters while it lives: the pool may be changed meanwhile.
    cpu = models.FloatField(null=True, editable=False)
    memory = models.PositiveIntegerField(null=True, editable=False)
    disk = models.PositiveIntegerField(null=True, editable=False)
    target_port = models.PositiveIntegerField(null=True, editable=False)
    passed_over = models.PositiveIntegerField(
        default=0, editable=False, help_text="Launches of other tenants since its own had one, while it is queued."
    )
    # Null until leased: a ready instance is held by nobody. A cold start has its holder from the beginning.
    tenant = models.ForeignKey(Tenant, models.CASCADE, null=True, blank=True, related_name="sessions")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="sandboxes")
    identifier = models.CharField(max_length=128, blank=True)
    token = models.CharField(max_length=16, blank=True, help_text="The first characters of the token that opened it.")
    state = models.CharField(max_length=10, choices=[(s.value, s.value) for s in State], default=State.STARTING.value)
    phase = models.CharField(max_length=20, choices=[(p.value, p.value) for p in Phase], blank=True)
    handle = models.CharField(max_length=100, blank=True, help_text="The runtime's own name of the sandbox.")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    state_since = models.DateTimeField(default=timezone.now, editable=False)
    # When its launch or teardown was last taken up; long ago means that whoever did so is dead. Of a session that is
    # stopping and whose teardown nobody took up yet, it is not later than state_since.
    attempted_at = models.DateTimeField(default=timezone.now, editable=False)
    launch_seconds = models.FloatField(
        null=True, blank=True, editable=False, help_text="From its turn to start to ready."
    )
    # When its holder asked for it, and whether its launch ended only after that.
    asked_at = models.DateTimeField(null=True, blank=True, editable=False)
    cold_start = models.BooleanField(default=False, editable=False)
    leased_at = models.DateTimeField(null=True, blank=True)
    # The agent knows better what is in use; this is what was last heard of it.
    last_used_at = models.DateTimeField(null=True, blank=True)
    # What its agent said of itself last, and when: mean cores since the time before, and bytes (see `measuring`).
    cpu_used = models.FloatField(null=True, blank=True, editable=False)
    memory_used = models.PositiveBigIntegerField(null=True, blank=True, editable=False)
    measured_at = models.DateTimeField(null=True, blank=True, editable=False)
    ended_at = models.DateTimeField(null=True, blank=True)
    reason = models.CharField(max_length=20, choices=[(r.value, r.value) for r in Reason], blank=True)
    detail = models.TextField(blank=True, help_text="What the engine or the agent said, for an operator.")

    objects = SessionQuerySet.as_manager()

    class Meta:
        constraints = [
            # A stopping session no longer answers to its identifier: the holder may open the next one at once.
            models.UniqueConstraint(
                fields=["pool", "tenant", "identifier"],
                condition=Q(state__in=[s.value for s in OPEN]) & ~Q(identifier=""),
                name="one_open_session_per_identifier",
            ),
            models.CheckConstraint(
                condition=~Q(state=State.READY.value) | Q(tenant=None, identifier=""), name="ready_is_held_by_nobody"
            ),
            models.CheckConstraint(
                condition=~Q(state=State.LEASED.value) | (Q(tenant__isnull=False) & ~Q(identifier="")),
                name="leased_has_a_holder",
            ),
        ]
        indexes = [
            models.Index(fields=["pool", "state"]),
            models.Index(fields=["tenant", "state"]),
            models.Index(fields=["tenant", "identifier"]),
            models.Index(fields=["created_at"], name="sessions_by_age"),
            # For the samples of pools (models.sample): what was leased and ended in a minute.
            models.Index(fields=["leased_at"], condition=Q(leased_at__isnull=False), name="sessions_by_lease"),
            models.Index(fields=["ended_at"], condition=Q(ended_at__isnull=False), name="sessions_by_end"),
            models.Index(fields=["state", "created_at"], condition=~Q(state=State.GONE.value), name="live_sessions"),
        ]

    def __str__(self) -> str:
        return f"{self.id} ({self.state})"

    # --- What it is ---

    def has(self, size: str) -> Any:
        """`cpu`, `memory`, `disk` or `target_port` of its sandbox. One from before these were kept: its pool's."""
        own = getattr(self, size)
        return getattr(self.pool, size) if own is None else own

    @property
    def expires_at(self) -> datetime | None:
        """When a leased session ends if nothing more happens."""
        hard_end = self.hard_end
        if hard_end is None or not self.last_used_at or self.pool.until_exit:
            return hard_end
        return min(self.last_used_at + timedelta(seconds=self.pool.cooldown), hard_end)

    @property
    def hard_end(self) -> datetime | None:
        """When a leased session ends whatever happens."""
        if self.state != State.LEASED or not self.leased_at:
            return None
        return self.leased_at + timedelta(seconds=self.pool.max_alive)

    @property
    def position(self) -> int:
        """Its place in the queue of launches: 1 is next, 0 is none."""
        if self.state != State.STARTING or self.phase != Phase.QUEUED:
            return 0
        return next((place for place, waiting in enumerate(queue.in_line(), start=1) if waiting.id == self.id), 0)

    @property
    def message(self) -> str:
        """A sentence for people on why it ended."""
        return Reason(self.reason).sentence if self.reason else ""

    @property
    def view(self) -> SessionView:
        return SessionView(
            id=self.id,
            state=State(self.state),
            held=self.tenant_id is not None,
            revision=self.pool_revision,
            phase=self.phase,
            created_at=self.created_at,
            state_since=self.state_since,
            attempted_at=self.attempted_at,
            leased_at=self.leased_at,
            last_used_at=self.last_used_at,
        )

    @property
    def sandbox_spec(self) -> SandboxSpec:
        return sandbox_spec(self)

    # --- What happens to it ---

    def move(self, frm: State, to: State, *, given: Mapping[str, Any] | None = None, **changes: Any) -> bool:
        """Change state, and `changes` with it, unless somebody else did first. The only writer of `state`.

        `given`: what else must still hold. If it was too late, the session is read anew and False returned.
        Raises IntegrityError when `changes` name a holder who has an open session of that identifier already.
        """
        if to != frm:
            changes.update(state=to, state_since=timezone.now())
        row = Session.objects.filter(pk=self.pk, state=frm, **(given or {}))
        with transaction.atomic():  # so that a refused UPDATE spoils no transaction around it
            won = row.update(**changes) == 1
            if won:
                for name, value in changes.items():
                    setattr(self, name, value)
                usage.follow(self, frm, to)
                self.announce(to, frm, changes)
        if not won:
            self.refresh_from_db()
        return won

    def announce(self, to: State, frm: State | None = None, changed: Iterable[str] = ()) -> None:
        """Tell that the session changed: within the transaction, and once it is committed."""
        told = {"session": self, "frm": frm, "to": to, "changed": frozenset(changed)}
        moving.send(Session, **told)
        # No failure of these listeners undoes it.
        transaction.on_commit(partial(moved.send_robust, Session, **told))

    def touch(self) -> bool:
        """Count as used now; False unless leased."""
        now = timezone.now()
        self.last_used_at = now
        return Session.objects.filter(pk=self.pk, state=State.LEASED).update(last_used_at=now) == 1

    def end(
        self,
        reason: Reason,
        detail: str = "",
        *,
        frm: State | None = None,
        given: Mapping[str, Any] | None = None,
    ) -> bool:
        """Begin to end it, from whatever open state it is in, or only from `frm`. False if it was too late."""
        changes = {"reason": reason, "detail": detail[:4000], "phase": "", "attempted_at": timezone.now()}
        while (state := frm or State(self.state)) in OPEN:
            if self.move(state, State.STOPPING, given=given, **changes):
                return True
            if frm or given:
                return False
        return False

    def launch(self, runtime: Runtime, ask: Ask) -> None:
        """Make the sandbox and wait until its kernel is warm, then `ready`, or `leased` to who waits for it.

        Only for who has claimed it. Raises RuntimeUnavailable, with the session back in the queue.
        """
        launch(self, runtime, ask)

    def tear_down(self, runtime: Runtime, collect: Callable[[uuid.UUID], object]) -> None:
        """Save what is left in it, remove the sandbox, then `gone`. Nothing happens unless it is `stopping`.

        `collect` saves a session's last outputs and its files. May run twice, and after any crash.
        Raises RuntimeUnavailable; the next maintenance asks again.
        """
        tear_down(self, runtime, collect)
