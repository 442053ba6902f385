"""A name and a secret for a registry."""

from django.core.exceptions import ValidationError
from django.db import models

from tenants import registries
from tenants.encryption import EncryptedTextField
from tenants.models import Tenant


class RegistryCredential(models.Model):
    """For one registry's host, to which alone it is ever sent. Without a tenant, every tenant may pull with it."""

    tenant = models.ForeignKey(Tenant, models.CASCADE, null=True, blank=True, related_name="registry_credentials")
    registry = models.CharField(max_length=255, help_text="Its host, as ghcr.io or registry.example.org:5000.")
    username = models.CharField(max_length=255)
    secret = EncryptedTextField(help_text="A password or token.")
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"{self.username} at {self.registry}"

    def clean(self) -> None:
        try:
            self.registry = registries.normalised(self.registry)
        except registries.BadRegistry as error:
            raise ValidationError({"registry": str(error)}) from error

    @property
    def login(self) -> dict[str, str]:
        """What the engine is told with one request. It keeps nothing of it."""
        return {"username": self.username, "password": self.secret}
