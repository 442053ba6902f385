"""Which of a tenant's quotas are near or reached: remembered, so that each crossing is told once."""

from django.db import models

from tenants.models.tenant import Tenant


class QuotaLevel(models.Model):
    class Level(models.TextChoices):
        FREE = "", "free"
        NEAR = "near"
        REACHED = "reached"

    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="quota_levels")
    quota = models.CharField(max_length=40, help_text="Name of the tenant's field.")
    level = models.CharField(max_length=10, choices=Level.choices, blank=True, default=Level.FREE)
    # Of a quota that begins anew: when it did, as 2026-11.
    period = models.CharField(max_length=10, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "quota"], name="one_level_of_a_quota")]

    def __str__(self) -> str:
        return f"{self.quota} of {self.tenant}: {self.get_level_display()}"
