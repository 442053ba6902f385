"""Image, size, limits and lifecycle of a set of sandboxes."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q

from interpreters.models.image import InterpreterImage
from tenants.models import Tenant


class SessionPool(models.Model):
    """Shared by all tenants when `tenant` is null, else one tenant's own."""

    tenant = models.ForeignKey(Tenant, models.CASCADE, null=True, blank=True, related_name="pools")
    name = models.SlugField(max_length=63)
    image = models.ForeignKey(InterpreterImage, models.PROTECT, related_name="pools")
    enabled = models.BooleanField(default=True, help_text="Off: opens no new session and keeps no instance ready.")
    ready_instances = models.PositiveIntegerField(default=2, validators=[MaxValueValidator(1000)])
    max_concurrent = models.PositiveIntegerField(
        default=20, validators=[MinValueValidator(1), MaxValueValidator(10000)],
        help_text="Sandboxes alive at the same time, ready ones included.",
    )
    cooldown = models.PositiveIntegerField(
        default=300, validators=[MinValueValidator(10), MaxValueValidator(7 * 86400)],
        help_text="Seconds of idleness after which a session ends.",
    )
    max_alive = models.PositiveIntegerField(
        default=8 * 3600, validators=[MinValueValidator(60), MaxValueValidator(30 * 86400)],
        help_text="Seconds from lease to the session's hard end.",
    )
    cpu = models.FloatField(default=1.0, validators=[MinValueValidator(0.05)], help_text="Cores.")
    memory = models.PositiveIntegerField(default=1024, validators=[MinValueValidator(128)], help_text="MiB, tmpfs included.")
    disk = models.PositiveIntegerField(default=256, validators=[MinValueValidator(8)], help_text="MiB of the work directory.")
    pids = models.PositiveIntegerField(default=256, validators=[MinValueValidator(32)])
    egress = models.BooleanField(default=False, editable=False, help_text="Network access. Off: there is none at all.")
    environment = models.JSONField(default=dict, blank=True, help_text="Variables given to kernels and terminals.")
    oci_runtime = models.CharField(max_length=40, blank=True, help_text="Such as runsc; empty for the engine's default.")
    # What went wrong, for admins. Launches back off by `failures` until `retry_at`.
    last_error = models.TextField(blank=True, editable=False)
    failures = models.PositiveIntegerField(default=0, editable=False, help_text="Failed launches in a row.")
    retry_at = models.DateTimeField(null=True, blank=True, editable=False)
    maintained_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "name"], name="pool_name_per_tenant"),
            models.UniqueConstraint(fields=["name"], condition=Q(tenant=None), name="shared_pool_name"),
        ]

    def __str__(self) -> str:
        return self.name
