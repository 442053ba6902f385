"""The files of an identifier's sessions, kept from one session to the next.

The row is the truth: `content` names a file in WORKSPACE_DIR that is whole. A save writes another file first and then
changes the row, so a half-written save never takes the place of a good one. Saves take turns: one that began earlier
never replaces one that began later.
"""

import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Self

from django.conf import settings
from django.db import models, transaction
from django.db.models import Exists, OuterRef, Q, Sum
from django.utils import timezone

from interpreters.lifecycle import State
from interpreters.models.session import Session
from tenants import storage
from tenants.models import Tenant
from tenants.prepared import Given, Prepared


class WorkspaceQuerySet(models.QuerySet["Workspace"]):
    def of(self, tenant: Tenant | int, identifier: str) -> "Workspace | None":
        return _of.first(tenant=tenant.pk if isinstance(tenant, Tenant) else tenant, identifier=identifier)

    def keep(self, tenant: Tenant, identifier: str) -> "Workspace":
        """The workspace of an identifier: made now if it had none, as it is otherwise."""
        return self.get_or_create(tenant=tenant, identifier=identifier)[0]

    def due(self) -> list[uuid.UUID]:
        """Leased sessions whose files were not looked at for a while."""
        looked = timezone.now() - timedelta(seconds=settings.WORKSPACE_SAVE_EVERY)
        stale = self.filter(tenant=OuterRef("tenant"), identifier=OuterRef("identifier"), enabled=True)
        stale = stale.filter(Q(began_at=None) | Q(began_at__lt=looked), Q(content="") | Q(session=OuterRef("pk")))
        return list(Session.objects.filter(Exists(stale), state=State.LEASED).values_list("pk", flat=True))

    def unused(self) -> Self:
        """Those that nobody has used for WORKSPACE_DAYS."""
        if not settings.WORKSPACE_DAYS:
            return self.none()
        return self.filter(used_at__lt=timezone.now() - timedelta(days=settings.WORKSPACE_DAYS))


_of: Prepared["Workspace"] = Prepared(
    lambda: Workspace.objects.filter(tenant=Given("tenant"), identifier=Given("identifier"))
)


class Workspace(models.Model):
    class Problem(models.TextChoices):
        QUOTA = "quota", "does not fit into its quota"
        TENANT_QUOTA = "tenant_quota", "does not fit into what is left of the tenant's"
        FAILED = "failed", "could not be saved"
        NOT_RESTORED = "not_restored", "could not be put back"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="workspaces")
    identifier = models.CharField(max_length=128)
    enabled = models.BooleanField(default=True, help_text="Whether files are saved, and put back in a new session.")
    quota = models.PositiveBigIntegerField(
        null=True, blank=True, help_text="Bytes, as they are kept. Empty: what this installation allows."
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    used_at = models.DateTimeField(default=timezone.now, editable=False)
    # Whose files the content is: the session that has them may save. Of another one they would be overwritten.
    session = models.UUIDField(null=True, editable=False)
    content = models.CharField(max_length=32, blank=True, editable=False, help_text="Name of the file, if any.")
    size = models.PositiveBigIntegerField(default=0, editable=False)
    saved_at = models.DateTimeField(null=True, editable=False)
    began_at = models.DateTimeField(null=True, editable=False)
    turn = models.PositiveBigIntegerField(default=0, editable=False, help_text="The save that began last.")
    saved_turn = models.PositiveBigIntegerField(default=0, editable=False, help_text="The one that content is of.")
    fingerprint = models.CharField(max_length=64, blank=True, editable=False)
    files = models.PositiveBigIntegerField(default=0, editable=False)
    # What the last look at the files found: `entries`, `largest`, `left_out`, `omitted`.
    survey = models.JSONField(default=dict, editable=False)
    problem = models.CharField(max_length=20, choices=Problem.choices, blank=True, editable=False)

    objects = WorkspaceQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "identifier"], name="one_workspace_per_identifier"),
        ]
        indexes = [models.Index(fields=["used_at"])]

    def __str__(self) -> str:
        return self.identifier

    # --- What it is ---

    @property
    def most(self) -> int:
        """Bytes that it may have."""
        return settings.WORKSPACE_QUOTA if self.quota is None else self.quota

    @property
    def room(self) -> int:
        """Bytes that the tenant has left for it."""
        others = Workspace.objects.filter(tenant=self.tenant_id).exclude(pk=self.pk)
        taken = others.aggregate(all=Sum("size"))["all"] or 0
        room = max(0, int(settings.WORKSPACE_TENANT_QUOTA - taken))
        left = storage.left(self.tenant)
        # What it has is given up for what it gets, which may always be less.
        return room if left is None else min(room, left + self.size)

    def belongs_to(self, session: uuid.UUID) -> bool:
        """Whether this session may save: nothing would be lost."""
        return not self.content or self.session == session

    def waits_for(self, session: Session) -> bool:
        """Whether a session must wait before it is used: for its files, or for those that another is saving."""
        if not self.enabled or self.session == session.pk:
            return False
        return bool(self.content) or self._predecessors(session).exists()

    def is_being_saved(self, session: Session) -> bool:
        """Whether a session before this one is just ending, and not for too long."""
        patience = timezone.now() - timedelta(seconds=settings.WORKSPACE_SECONDS + 30)
        return self._predecessors(session).filter(state=State.STOPPING, state_since__gt=patience).exists()

    def _predecessors(self, session: Session) -> models.QuerySet[Session]:
        mine = Session.objects.filter(tenant=self.tenant_id, identifier=self.identifier)
        return mine.filter(state=State.STOPPING).exclude(pk=session.pk)

    # --- Saving: begin, then succeed or fail ---

    def begin(self, session: uuid.UUID, *, replace: bool = False) -> int:
        """The number of a save's turn; 0 if this session may not save. `replace`: it may from now on."""
        with self._alone():
            if not self.enabled or not (replace or self.belongs_to(session)):
                return 0
            self.session, self.turn, self.began_at = session, self.turn + 1, timezone.now()
            self.used_at = self.began_at
            self.save(update_fields=["session", "turn", "began_at", "used_at"])
            return self.turn

    def succeed(self, turn: int, session: uuid.UUID, content: str, size: int, found: dict[str, Any]) -> str:
        """Take what a save wrote. Returns the name of the file that nobody needs any more, which may be the new one.

        `found`: fields that tell what it is of.
        """
        with self._alone():
            if not self.enabled or self.session != session or turn <= self.saved_turn:
                return content  # switched off, of another session, or older than what there is
            if size > self.room:
                self._note(self.Problem.TENANT_QUOTA)
                return content
            old, self.content, self.size, self.saved_turn = self.content, content, size, turn
            self.saved_at, self.problem = timezone.now(), ""
            for name, value in found.items():
                setattr(self, name, value)
            self.save()
            return old

    def unchanged(self, turn: int) -> None:
        """There was nothing new to save."""
        Workspace.objects.filter(pk=self.pk, turn=turn).exclude(problem="").update(problem="")

    def fail(self, turn: int, problem: str, largest: Sequence[Mapping[str, Any]] | None = None) -> None:
        """Say why a save is not there, and which files are to blame. What was saved before stays."""
        survey = self.survey | ({"largest": list(largest)} if largest is not None else {})
        Workspace.objects.filter(pk=self.pk, turn=turn).update(problem=problem, survey=survey)

    # --- Putting back ---

    def restored(self, session: uuid.UUID) -> None:
        """The session has the files, and may save from now on."""
        Workspace.objects.filter(pk=self.pk).update(session=session, problem="", used_at=timezone.now())

    def not_restored(self) -> None:
        """The session has not got them, so what it has is not saved over them until somebody says so."""
        Workspace.objects.filter(pk=self.pk).update(
            session=None, problem=self.Problem.NOT_RESTORED, used_at=timezone.now()
        )

    # --- Forgetting ---

    def forget(self) -> str:
        """Drop what is kept; the row stays. Returns the name of the file that nobody needs any more."""
        with self._alone():
            old = self.content
            self.content, self.size, self.files, self.saved_at, self.fingerprint = "", 0, 0, None, ""
            self.survey, self.problem, self.saved_turn = {}, "", self.turn
            self.save()
            return old

    def _note(self, problem: str) -> None:
        self.problem = problem
        self.save(update_fields=["problem"])

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """A transaction in which nobody else changes it, read anew; nor the tenant's others. Raises DoesNotExist."""
        with transaction.atomic():
            Tenant.objects.select_for_update().get(pk=self.tenant_id)
            self.refresh_from_db()
            yield
