"""What a sandbox starts from."""

from datetime import datetime, timedelta
from typing import Any, Self

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.signals import post_delete
from django.dispatch import receiver
from django.utils import timezone

from interpreters import references
from interpreters.models.credential import RegistryCredential
from interpreters.models.offering import Offered, offered
from tenants import registries
from tenants.models import Tenant

# The folder whose image runs beside each custom container. It is the installation's own, and no pool starts from it.
RELAY = "relay"
# Seconds that one build of our own sources may take, and what a worker may be late before it counts as dead.
SOURCE_TIMEOUT = 3600.0
GRACE = 300.0
WAITING = "waiting for a worker"


class ImageQuerySet(models.QuerySet["InterpreterImage"]):
    def usable_by(self, tenant: Tenant) -> Self:
        """The tenant's own images and the shared ones that it is offered."""
        return self.filter(Q(tenant=tenant) | offered(InterpreterImage, tenant))

    def wanted(self) -> Self:
        """Asked for since work on them last began. Of each tenant one at a time, so that none keeps all workers."""
        unheard = Q(started_at=None) | Q(started_at__lt=F("requested_at"))
        busy = InterpreterImage.objects.filter(state=InterpreterImage.State.BUILDING, tenant__isnull=False)
        rows = self.filter(unheard, requested_at__isnull=False).exclude(state=InterpreterImage.State.BUILDING)
        return rows.exclude(tenant__in=busy.values("tenant")).order_by("requested_at")

    def claim_wanted(self) -> "InterpreterImage | None":
        """The one that has waited longest, taken by nobody else; None if nothing is wanted."""
        for image in self.wanted().select_related("tenant", "credential"):
            if image.begin():
                return image
        return None

    def give_up_stuck(self) -> int:
        """Rows whose worker died while it was at them: they fail, with words."""
        latest = timezone.now() - timedelta(seconds=max(settings.IMAGE_TIMEOUT, SOURCE_TIMEOUT) + GRACE)
        stuck = self.filter(state=InterpreterImage.State.BUILDING).exclude(started_at__gte=latest)
        words = "The worker that made it has died: refresh it to try again."
        return stuck.update(state=InterpreterImage.State.FAILED, error=words, progress="")


class InterpreterImage(Offered):
    """A container image: one that holds our agent and Jupyter kernels, or a tenant's own with any HTTP server."""

    class State(models.TextChoices):
        ABSENT = "absent"
        BUILDING = "building"
        READY = "ready"
        FAILED = "failed"

    class Kind(models.TextChoices):
        CODE = "code", "code: our agent and a Jupyter kernel"
        CUSTOM = "custom", "custom: any HTTP server"

    class Origin(models.TextChoices):
        SOURCE = "source", "built from a folder of the project"
        REGISTRY = "registry", "pulled from a registry"
        ARCHIVE = "archive", "an uploaded archive of `docker save`"
        DOCKERFILE = "dockerfile", "built from an uploaded Dockerfile"

    tenant = models.ForeignKey(Tenant, models.CASCADE, null=True, blank=True, related_name="images")
    name = models.SlugField(max_length=63)
    kind = models.CharField(max_length=10, choices=Kind.choices, default=Kind.CODE)
    origin = models.CharField(max_length=10, choices=Origin.choices, default=Origin.SOURCE)
    language = models.CharField(max_length=40, blank=True, help_text="Shown to users, as “Python” or “TypeScript”.")
    source = models.SlugField(max_length=63, blank=True, help_text="Folder under interpreters/images it is built from.")
    registry_reference = models.CharField(
        max_length=400, blank=True, help_text="As registry.example.org/team/app:1.2, or with @sha256:…"
    )
    credential = models.ForeignKey(RegistryCredential, models.SET_NULL, null=True, blank=True, related_name="images")
    upload = models.CharField(max_length=64, blank=True, editable=False, help_text="Name of the file in UPLOAD_DIR.")
    kernel = models.CharField(max_length=63, blank=True, help_text="Name of the Jupyter kernelspec to start.")
    warm_up = models.TextField(blank=True, help_text="Code that runs before an instance is ready.")
    least_memory = models.PositiveIntegerField(
        "memory that it needs",
        null=True,
        blank=True,
        validators=[MinValueValidator(16)],
        help_text="MiB: no pool of it may have less. Empty: what the image says by its label thermae.least_memory.",
    )
    # How the work on it stands.
    state = models.CharField(max_length=10, choices=State.choices, default=State.ABSENT)
    requested_at = models.DateTimeField(null=True, blank=True, editable=False)
    started_at = models.DateTimeField(null=True, blank=True, editable=False)
    progress = models.CharField(max_length=200, blank=True, editable=False)
    error = models.TextField(blank=True, editable=False)
    build_log = models.TextField(blank=True)
    # What came of it. `reference` is what the engine starts: an image's id or a digest, never a tag that may move.
    reference = models.CharField(max_length=400, blank=True, help_text="What the engine starts, by content.")
    stored_as = models.CharField(max_length=400, blank=True, editable=False, help_text="The engine's name for it.")
    digest = models.CharField(max_length=100, blank=True)
    size = models.BigIntegerField(null=True, blank=True, help_text="Bytes.")
    exposed_port = models.PositiveIntegerField(null=True, blank=True, editable=False)
    image_user = models.CharField(max_length=100, blank=True, editable=False)
    volumes = models.JSONField(default=list, blank=True, editable=False)
    built_at = models.DateTimeField(null=True, blank=True)

    objects = ImageQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "name"], name="image_name_per_tenant"),
            models.UniqueConstraint(fields=["name"], condition=Q(tenant=None), name="shared_image_name"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def usable(self) -> bool:
        """Whether sandboxes can be made from it. A rebuild, even a failed one, leaves what was built before."""
        return bool(self.reference) and self.state != self.State.ABSENT

    @property
    def custom(self) -> bool:
        return self.kind == self.Kind.CUSTOM

    @classmethod
    def relay_reference(cls) -> str:
        """What the engine starts as the relay of a custom container: an image id, which no tag can be moved from.

        Empty until it is built.
        """
        relay = cls.objects.filter(tenant=None, source=RELAY).first()
        return relay.digest if relay and relay.usable else ""

    # --- What may be asked for ---

    def clean(self) -> None:
        """What a form must not save: each error says what to do."""
        errors = {}
        if self.kind == self.Kind.CODE and self.source != RELAY:
            missing = [name for name in ("kernel", "language") if not getattr(self, name)]
            errors = dict.fromkeys(missing, "An image for code needs the name of its kernel and its language.")
        if self.origin == self.Origin.SOURCE and (self.kind != self.Kind.CODE or not self.source):
            errors["origin"] = "A folder of ours makes images for code: name it in “source”."
        if self.origin == self.Origin.REGISTRY:
            errors |= self._errors_of_reference()
        if self.credential and self.credential.tenant_id not in (None, self.tenant_id):
            errors["credential"] = "Choose a credential of the same tenant."
        if errors:
            raise ValidationError(errors)

    def _errors_of_reference(self) -> dict[str, str]:
        try:
            wanted = references.parse(self.registry_reference)
        except references.BadReference as error:
            return {"registry_reference": str(error)}
        if not self.may_come_from(wanted.host):
            return {"registry_reference": self.refusal(wanted.host)}
        if self.credential and self.credential.registry != wanted.host:
            return {"credential": f"It is for {self.credential.registry}, and the image is at {wanted.host}."}
        return {}

    def may_come_from(self, host: str) -> bool:
        return registries.allows(host, self.tenant.registries if self.tenant else settings.ALLOWED_REGISTRIES)

    @staticmethod
    def refusal(host: str) -> str:
        return f"Images may not be taken from {host}: choose an allowed registry, or ask the operator to allow it."

    def login_for(self, host: str) -> dict[str, str]:
        """What the registry is told of who asks: nothing, unless the image's credential is for that very host."""
        credential = self.credential
        return credential.login if credential and credential.registry == host else {}

    # --- The work on it, each step one conditional UPDATE ---

    def request(self, **changes: Any) -> None:
        """Ask for it to be made, or made anew; whoever is at it now is followed by another."""
        self.note(requested_at=timezone.now(), progress=WAITING, **changes)

    def begin(self, *, take_over: bool = False) -> bool:
        """Take it up, unless another has: nobody else is at it until it has ended or counts as stuck.

        An operator's command takes over: what the other then writes is not believed.
        """
        started = timezone.now()
        free = InterpreterImage.objects.filter(pk=self.pk)
        free = free if take_over else free.exclude(state=self.State.BUILDING)
        facts = {"state": self.State.BUILDING, "started_at": started, "progress": "", "error": "", "build_log": ""}
        if not free.update(**facts):
            return False
        self.refresh_from_db(fields=list(facts))
        return True

    def report(self, **facts: Any) -> bool:
        """Write down how far the work is. False if it is not ours any more: the row is gone, or taken up anew."""
        return bool(self._mine().update(**facts))

    def succeeded(self, **facts: Any) -> bool:
        done = {"state": self.State.READY, "progress": "", "error": "", "built_at": timezone.now(), **facts}
        return self._end(done)

    def failed(self, error: str, **facts: Any) -> bool:
        return self._end({"state": self.State.FAILED, "progress": "", "error": error[:4000], **facts})

    def _end(self, facts: dict[str, Any]) -> bool:
        former = self.stored_as
        if not self._mine().update(**facts):
            return False
        self.refresh_from_db(fields=list(facts))
        if former and former != self.stored_as:
            FormerImage.remember(former)
        return True

    def _mine(self) -> ImageQuerySet:
        rows: ImageQuerySet = InterpreterImage.objects.filter(
            pk=self.pk, state=self.State.BUILDING, started_at=self.started_at
        )
        return rows

    def note(self, **fields: Any) -> None:
        """Write these fields alone: an admin may be editing the others."""
        InterpreterImage.objects.filter(pk=self.pk).update(**fields)
        self.refresh_from_db(fields=list(fields))


class FormerImage(models.Model):
    """What we put on the engine and no row may need any more: removed, oldest first, when its disk runs short."""

    name = models.CharField(max_length=400, unique=True, help_text="The engine's name for it: our tag, or a digest.")
    since: models.DateTimeField[datetime, datetime] = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return self.name

    @classmethod
    def remember(cls, name: str) -> None:
        cls.objects.update_or_create(name=name, defaults={"since": timezone.now()})


@receiver(post_delete, sender=InterpreterImage)
def remember_deleted(sender: type[InterpreterImage], instance: InterpreterImage, **_: Any) -> None:
    if instance.stored_as:
        FormerImage.remember(instance.stored_as)
