"""What tests do to a running stack behind its back, in a process that has the stack's own settings.

python -m tests.console    reads one call a line, {"verb": "pool", "with": {…}}, and answers each with one line
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from tests import migrated


class Console:
    """The other end: `console.pool(name="quick", cooldown=10)` calls the verb `pool` below."""

    def __init__(self, environment: Mapping[str, str], log: Path) -> None:
        with log.open("a") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.console"], env={**os.environ, **environment},
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True,
            )  # fmt: skip

    def __getattr__(self, verb: str) -> Callable[..., Any]:
        return partial(self._call, verb)

    def _call(self, verb: str, **given: Any) -> Any:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps({"verb": verb, "with": given}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        answer = json.loads(line) if line else {"error": "the console ended"}
        if "error" in answer:
            raise AssertionError(f"{verb}: {answer['error']}")
        return answer["result"]

    def stop(self) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait(10)


def serve() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what commands print is no answer
    import django

    django.setup()
    verbs = {verb.__name__: verb for verb in VERBS}
    for line in sys.stdin:
        call = json.loads(line)
        try:
            answer = {"result": verbs[call["verb"]](**call["with"])}
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps(answer, default=str) + "\n")
        answers.flush()


def image(name: str) -> None:
    """Let pools use an image; it is built where that is not done yet."""
    from django.core.management import call_command

    call_command("build_images", name)


def custom_image(name: str) -> None:
    """Let pools use the image of tests/custom, and the relay that it needs beside it."""
    from interpreters.models import InterpreterImage
    from tests import containers

    image("relay")
    made = {"kind": InterpreterImage.Kind.CUSTOM, "origin": InterpreterImage.Origin.ARCHIVE}
    made |= {"state": InterpreterImage.State.READY, "reference": containers.image()}
    InterpreterImage.objects.update_or_create(name=name, tenant=None, defaults=made)


def person(name: str, tenant: str, role: str = "owner", password: str = "") -> None:
    from django.contrib.auth import get_user_model

    from tenants.models import Membership, Tenant

    home, _ = Tenant.objects.get_or_create(slug=tenant, defaults={"name": tenant.title()})
    user = get_user_model().objects.create_user(name, f"{name}@example.com", password or None)
    Membership.objects.create(tenant=home, user=user, role=role)


def operator(name: str, password: str) -> None:
    """Whoever runs the installation, and belongs to no tenant."""
    from django.contrib.auth import get_user_model

    get_user_model().objects.create_superuser(name, f"{name}@example.com", password)


def token(name: str, seconds: float | None = None, **fields: Any) -> str:
    """The secret of a new token of that person's."""
    from tenants.models import ApiToken, Membership

    member = Membership.objects.get(user__username=name)
    lifetime = timedelta(seconds=seconds) if seconds is not None else None
    return ApiToken.issue(tenant=member.tenant, user=member.user, name="test", lifetime=lifetime, **fields)[1]


def pool(name: str, image: str = "python", **fields: Any) -> int:
    """Make a shared pool, or change it."""
    from interpreters.models import InterpreterImage, SessionPool

    fields["image"] = InterpreterImage.objects.get(name=image)
    return int(SessionPool.objects.update_or_create(name=name, tenant=None, defaults=fields)[0].pk)


def day_of_a_class(pool: str) -> None:
    """What samples tell of a pool that had a quiet night, a class of eight for two hours, and stragglers."""
    from django.utils import timezone

    from interpreters.models import PoolSample, SessionPool

    now = timezone.now().replace(second=0, microsecond=0)
    found = SessionPool.objects.get(name=pool)
    about: dict[str, Any] = {"pool": found, "tenant": found.tenant}
    rows = []
    for ago in range(24 * 60, 1, -1):
        at, begun = now - timedelta(minutes=ago), 7 * 60 - ago  # minutes since the class began
        held = max(2, 8 - max(0, begun - 115)) if begun < 240 else 1
        held = max(0, min(held, 3 * begun))
        came = 3 if 0 <= begun < 2 else int(begun in (2, 3, 40, 71, 160))
        ran = held // 2 + (ago * 7) % 5 if begun < 115 else held // 4
        cold = max(0, came - 2)
        rows.append(PoolSample(
            **about, at=at, seconds=60, ready=1 if cold else 2, starting=cold, leased=held, leases=came, cold=cold,
            executions=ran if held else 0, failed=int(held > 4 and ago % 11 == 0), waited_0=came - cold, waited_6=cold,
            ended_out_of_memory=int(begun in (52, 88)),
        ))  # fmt: skip
    PoolSample.objects.bulk_create(rows, ignore_conflicts=True, batch_size=200)


def sessions(**which: Any) -> list[dict[str, Any]]:
    from interpreters.models import Session

    fields = ("id", "pool__name", "state", "phase", "tenant_id", "identifier", "handle", "reason", "detail")
    return list(Session.objects.filter(**which).order_by("created_at").values(*fields))


def executions(**which: Any) -> list[dict[str, Any]]:
    from interpreters.models import Execution

    fields = ("id", "session_id", "status", "reason", "outputs", "outputs_cut", "finished_at")
    return list(Execution.objects.filter(**which).order_by("queued_at").values(*fields))


def leased(session: str, owner: str, target_port: int | None) -> None:
    """A session that a person holds, by its id's first letters, whose sandbox is made by the caller."""
    from django.utils import timezone

    from interpreters.models import InterpreterImage, Session, SessionPool
    from tenants.models import Membership

    image, _ = InterpreterImage.objects.get_or_create(name="none", defaults={"state": InterpreterImage.State.READY})
    name = "target" if target_port else "code"
    pool, _ = SessionPool.objects.get_or_create(name=name, defaults={"image": image, "target_port": target_port})
    member = Membership.objects.get(user__username=owner)
    holder = {"tenant": member.tenant, "user": member.user, "identifier": session[:8]}
    now = timezone.now()
    Session.objects.create(id=session, pool=pool, state="leased", leased_at=now, last_used_at=now, **holder)


def last_used(session: str) -> float:
    from interpreters.models import Session

    used = Session.objects.get(pk=session).last_used_at
    assert used
    return used.timestamp()


def end(session: str) -> bool:
    from interpreters.lifecycle import Reason
    from interpreters.models import Session

    return Session.objects.get(pk=session).end(Reason.CLOSED)


def inspect(session: str) -> dict[str, Any]:
    """What the runtime tells of a sandbox."""
    from interpreters.models import Session
    from interpreters.runtime import get_runtime

    return dict(get_runtime().inspect(Session.objects.get(pk=session).handle))


def revoke(name: str) -> int:
    """All tokens of a person."""
    from django.utils import timezone

    from tenants.models import ApiToken

    return ApiToken.objects.filter(user__username=name).update(revoked_at=timezone.now())


def notebook(owner: str, title: str, pool: str = "python", minutes_ago: int = 0) -> str:
    """An empty notebook of a person's, last opened then."""
    from django.utils import timezone

    from frontend.documents import new_document
    from frontend.models import Notebook
    from interpreters.models import SessionPool
    from tenants.models import Membership

    member = Membership.objects.get(user__username=owner)
    image = SessionPool.objects.get(name=pool).image
    made = Notebook.objects.create(
        tenant=member.tenant, owner=member.user, title=title, pool=pool,
        document=new_document(image.kernel, image.language),
        opened_at=timezone.now() - timedelta(minutes=minutes_ago),
    )  # fmt: skip
    return str(made.pk)


def webhook(tenant: str, url: str, events: list[str]) -> str:
    """Its secret."""
    from interpreters.models import WebhookEndpoint
    from tenants.models import Tenant

    return str(WebhookEndpoint.objects.create(tenant=Tenant.objects.get(slug=tenant), url=url, events=events).secret)


def deliveries() -> list[dict[str, Any]]:
    from interpreters.models import WebhookDelivery

    return list(WebhookDelivery.objects.order_by("created_at").values("type", "state", "attempts", "log"))


def time_passes() -> None:
    """For deliveries that wait to be tried again, and for claims of who died."""
    from django.utils import timezone

    from interpreters.models import WebhookDelivery

    WebhookDelivery.objects.filter(state="pending").update(next_at=timezone.now())


def ask_for_archive(tenant: str, name: str) -> None:
    from django.contrib.auth import get_user_model

    from tenants import exporting
    from tenants.models import Tenant

    by = get_user_model().objects.get(username=name)
    exporting.ask(Tenant.objects.get(slug=tenant), by=by)


def archives() -> list[dict[str, Any]]:
    from tenants.models import Archive

    return [{"state": one.state, "size": one.size, "file": one.file} for one in Archive.objects.all()]


def erase(tenant: str) -> None:
    from tenants import erasing
    from tenants.models import Tenant

    erasing.begin(Tenant.objects.get(slug=tenant))


def erasures() -> list[dict[str, Any]]:
    """With what is left of tenants and sessions."""
    from interpreters.models import Session
    from tenants.models import Erasure, Tenant

    left = {"tenants": list(Tenant.objects.values_list("slug", flat=True)), "sessions": Session.objects.count()}
    return [{**row, **left} for row in Erasure.objects.values("finished_at", "counts", "waits_for")]


def database() -> str:
    from django.conf import settings

    return str(settings.DATABASES["default"]["NAME"])


VERBS = (
    *(migrated.prepare, image, custom_image, person, operator, token, pool, day_of_a_class),
    *(sessions, executions, leased, last_used, end, inspect, revoke, notebook, database),
    *(webhook, deliveries, time_passes, ask_for_archive, archives, erase, erasures),
)


if __name__ == "__main__":
    serve()
