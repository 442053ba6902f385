"""`manage.py seed_demo`: a tenant, a person and a pool for each language. Runs any number of times."""

import secrets
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand
from django.db import transaction

from interpreters.images import sources
from interpreters.models import InterpreterImage, SessionPool
from tenants.models import Membership, Role, Tenant

USERNAME = "demo"
# Languages that bubblewrap can run: their kernels come from PyPI.
EMBEDDED = ("bash", "deno", "python", "sql")
# Fit for two cores and 8 GB: limits are no reservations, but ready instances hold memory all the time.
FIRST = {"ready_instances": 2, "max_concurrent": 12, "memory": 1024}
OTHERS = {"ready_instances": 1, "max_concurrent": 6, "memory": 512}


class Command(BaseCommand):
    help = "Make the demo tenant, its user and a shared pool for each language. What exists keeps its settings."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--password", default="", help=f"of the user {USERNAME}; default: kept, or made up")

    @transaction.atomic
    def handle(self, *, password: str, **options: Any) -> None:
        self._seed_people(password or _told_password())
        for name in sources.names():
            if settings.RUNTIME != "bubblewrap" or name in EMBEDDED:
                _seed_pool(name)
        if settings.RUNTIME == "docker":
            _seed_image(sources.RELAY.name)
        for image in InterpreterImage.objects.filter(tenant=None, origin=InterpreterImage.Origin.SOURCE):
            _settle(image)

    def _seed_people(self, password: str) -> None:
        tenant, _ = Tenant.objects.get_or_create(slug="demo", defaults={"name": "Demo"})
        user, created = get_user_model().objects.get_or_create(
            username=USERNAME, defaults={"is_staff": True, "is_superuser": True}
        )
        Membership.objects.get_or_create(tenant=tenant, user=user, defaults={"role": Role.OWNER})
        if created and not password:
            password = secrets.token_urlsafe(9)
            self.stdout.write(f"The password of {USERNAME} is {password}: it is not shown again.")
        if password and not user.check_password(password):
            user.set_password(password)
            user.save(update_fields=["password"])


def _told_password() -> str:
    """The one that the sign-in page shows, if it shows one."""
    name, _, password = settings.DEMO_LOGIN.partition(" / ")
    return password.strip() if name.strip() == USERNAME else ""


def _seed_image(name: str) -> InterpreterImage:
    source = sources.load(name)
    about = {
        "source": name,
        **{field: getattr(source, field) for field in ("language", "kernel", "warm_up", "least_memory")},
    }
    return InterpreterImage.objects.update_or_create(tenant=None, name=name, defaults=about)[0]


def _seed_pool(name: str) -> None:
    source, image = sources.load(name), _seed_image(name)
    size = dict(FIRST if name == "python" else OTHERS)
    size["memory"] = max(size["memory"], source.least_memory)
    SessionPool.objects.get_or_create(tenant=None, name=name, defaults={"image": image, **size})


def _settle(image: InterpreterImage) -> None:
    """Under Docker an image is there once it is built; the other runtimes start from the source itself."""
    docker = settings.RUNTIME == "docker"
    runs_here = settings.RUNTIME != "bubblewrap" or image.source in EMBEDDED
    if (docker and image.reference == image.source) or not runs_here:
        image.reference, image.state = "", InterpreterImage.State.ABSENT
    elif not docker:
        image.reference, image.state = image.source, InterpreterImage.State.READY
    image.save(update_fields=["reference", "state"])
