"""What a sandbox starts from."""

from django.db import models
from django.db.models import Q

from tenants.models import Tenant

# The folder whose image runs beside each custom container. It is the installation's own, and no pool starts from it.
RELAY = "relay"


class InterpreterImage(models.Model):
    """A container image: of kind `code` it holds our agent and Jupyter kernels, of kind `custom` any HTTP server."""

    class Kind(models.TextChoices):
        CODE = "code"
        CUSTOM = "custom"

    class State(models.TextChoices):
        ABSENT = "absent"
        BUILDING = "building"
        READY = "ready"
        FAILED = "failed"

    tenant = models.ForeignKey(Tenant, models.CASCADE, null=True, blank=True, related_name="images")
    name = models.SlugField(max_length=63)
    kind = models.CharField(max_length=10, choices=Kind.choices, default=Kind.CODE)
    language = models.CharField(max_length=40, help_text="Shown to users, as “Python” or “TypeScript”.")
    source = models.SlugField(max_length=63, help_text="Folder under interpreters/images that it is built from.")
    kernel = models.CharField(max_length=63, help_text="Name of the Jupyter kernelspec to start.")
    warm_up = models.TextField(blank=True, help_text="Code that runs before an instance is ready.")
    state = models.CharField(max_length=10, choices=State.choices, default=State.ABSENT)
    reference = models.CharField(max_length=255, blank=True, help_text="Tag of the built image, by content.")
    digest = models.CharField(max_length=100, blank=True)
    size = models.BigIntegerField(null=True, blank=True, help_text="Bytes.")
    build_log = models.TextField(blank=True)
    built_at = models.DateTimeField(null=True, blank=True)

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
