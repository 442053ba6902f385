"""What a pool says of a custom container. `custom.py` beside this says what each field may hold."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from interpreters.models.custom import writable_by_default
from tenants.encryption import EncryptedJSONField


class CustomContainer(models.Model):
    class Lifecycle(models.TextChoices):
        TIMED = "timed", "timed: a session ends when it has been idle for the cooldown"
        ON_CONTAINER_EXIT = "on_container_exit", "on container exit: it ends when its container does"

    target_port = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(65535)],
        help_text="Where the server of a custom image listens. Empty: a pool for code.",
    )
    command = models.JSONField(
        default=list, blank=True, help_text='In place of the image\'s entrypoint, as ["python", "app.py"].'
    )
    args = models.JSONField(default=list, blank=True, help_text="In place of the image's command; as a list.")
    secrets = EncryptedJSONField(
        default=dict, blank=True, editable=True, help_text="Given to the container's environment."
    )
    probes = models.JSONField(
        default=dict,
        blank=True,
        help_text='Health checks, as {"startup": {"type": "http", "path": "/healthz"}, "liveness": {…}}. Also: port, '
        "headers, initial_delay, period, timeout, failure_threshold, success_threshold. Without a startup probe an "
        "instance is ready once the target port is open.",
    )
    lifecycle = models.CharField(max_length=20, choices=Lifecycle.choices, default=Lifecycle.TIMED)
    writable_paths = models.JSONField(
        default=writable_by_default,
        blank=True,
        help_text="Folders held in memory, beside which all is read-only. The first has half of the disk, the others "
        "share the rest.",
    )
    run_as = models.CharField(
        max_length=20,
        blank=True,
        help_text="As 1000 or 1000:1000. Empty: the image's user if it is a number, or 10001.",
    )
    shell = models.BooleanField(default=False, help_text="Whether sessions offer a terminal in the container.")

    class Meta:
        abstract = True

    @property
    def until_exit(self) -> bool:
        """No cooldown applies: a session lives until its container ends by itself."""
        return self.lifecycle == self.Lifecycle.ON_CONTAINER_EXIT
