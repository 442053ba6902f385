"""What of a tenant and a person is in this application, in the order in which it can go: sandboxes, files, rows."""

import logging
import re
from collections.abc import Iterable, Iterator
from typing import Any

from django.conf import settings
from django.db.models import Q

from interpreters.lifecycle import LIVE, Reason
from interpreters.models import (
    EgressDecision,
    Execution,
    InterpreterImage,
    Place,
    PoolSample,
    Preview,
    RegistryCredential,
    Session,
    SessionPool,
    WebhookDelivery,
    WebhookEndpoint,
    Workspace,
)
from interpreters.models.uploads import remove_upload
from interpreters.models.usage import DayUsage, SessionUsage
from interpreters.workspaces import storage
from tenants.owned import File, Kind, Subject, register

logger = logging.getLogger(__name__)

WHY = "what it belongs to is being erased"


def end(sessions: Iterable[Session]) -> str:
    """What is left of them to wait for."""
    live = [session for session in sessions if session.state in LIVE]
    for session in live:
        session.end(Reason.CLOSED, WHY)
    return f"{len(live)} sandboxes to be removed" if live else ""


def end_sessions(subject: Subject) -> str:
    return end(SESSIONS.rows(subject).filter(state__in=LIVE))


def retire_pools(subject: Subject) -> str:
    pools = list(POOLS.rows(subject))
    for pool in pools:
        pool.retire()  # again and again: whoever said it may have died before its sessions ended
    return f"{len(pools)} pools whose last sandboxes are being removed" if pools else ""


def remove_images(subject: Subject) -> str:
    """From the engine too, unless something else needs them, and what was uploaded for them."""
    for image in IMAGES.rows(subject):
        remove_upload(image.upload)
        others = InterpreterImage.objects.exclude(tenant=subject.tenant)
        name = image.stored_as
        if name and not others.filter(Q(stored_as=name) | Q(reference=name)).exists() and not _removed(name):
            return "the engine, which does not answer"
    return ""


def _removed(name: str) -> bool:
    if settings.RUNTIME != "docker":
        return True
    from interpreters.images.events import BuildFailed
    from interpreters.images.pulling import remove  # an engine's client, which the web process must not load
    from interpreters.runtime import RuntimeUnavailable

    try:
        # False: a container or another image is made of it. Housekeeping takes it when that has gone.
        if not remove(name):
            logger.info("image %s stays for now: something else needs it", name)
    except (BuildFailed, RuntimeUnavailable):
        return False
    return True


def forget_names(subject: Subject) -> str:
    """What a person used stays in the tenant's sums, as nobody's."""
    if subject.user is not None:
        USAGE.rows(subject).update(user=None, member="", token="")
    return ""


# --- Kept files ---


def kept_files(subject: Subject) -> Iterator[File]:
    for workspace in WORKSPACES.rows(subject).exclude(content="").order_by("pk"):
        name = re.sub(r"[^A-Za-z0-9_.=+-]+", "_", workspace.identifier)[:100].strip(".") or "files"
        try:
            yield f"files/{name}-{workspace.pk}.tar.gz", storage.open_content(workspace)
        except FileNotFoundError:
            continue  # replaced or deleted just now


def remove_files(subject: Subject) -> str:
    for content in WORKSPACES.rows(subject).exclude(content="").values_list("content", flat=True):
        storage.remove_content(content)
    return ""


def files_of_notebooks(user: Any) -> Q:
    """The name of a notebook's session ends with its owner. Names that programs gave are the tenant's."""
    return Q(identifier__startswith="notebook-", identifier__endswith=f"-{user.pk}")


EXECUTIONS = Kind(name="executions", model=Execution, order=100, person="user", prepare=end_sessions)
SESSIONS = Kind(name="sessions", model=Session, order=130, person="user", hidden=("handle", "detail"))
# They go with their last sandboxes, by the pools' own maintenance.
POOLS = Kind(
    name="pools", model=SessionPool, order=140, prepare=retire_pools, hidden=("last_error",), counted_first=True
)
IMAGES = Kind(name="images", model=InterpreterImage, order=150, prepare=remove_images, hidden=("upload", "stored_as"))
WORKSPACES = Kind(
    name="kept_files", model=Workspace, order=170, person=files_of_notebooks, files=kept_files, prepare=remove_files,
    hidden=("content", "fingerprint"),
)  # fmt: skip
USAGE = Kind(name="usage", model=SessionUsage, order=136, person="user", prepare=forget_names)
register(
    USAGE,
    Kind(name="usage_by_day", model=DayUsage, order=135),
    Kind(name="places_in_line", model=Place, order=90, person="user", exported=False),
    Kind(name="pool_samples", model=PoolSample, order=137, exported=False),
    EXECUTIONS,
    SESSIONS,
    POOLS,
    IMAGES,
    WORKSPACES,
    Kind(name="previews", model=Preview, order=110, tenant="session__tenant", person="user", exported=False),
    Kind(name="network_access", model=EgressDecision, order=120),
    Kind(name="registry_credentials", model=RegistryCredential, order=160),
    Kind(
        name="webhook_deliveries", model=WebhookDelivery, order=180, tenant="endpoint__tenant", hidden=("claim",),
        person=lambda user: Q(payload__data__user=user.get_username()),
    ),
    Kind(name="webhooks", model=WebhookEndpoint, order=190),
)  # fmt: skip
