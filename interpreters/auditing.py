"""What the audit log keeps of images, pools and sessions."""

from typing import Any

from django.db.models.signals import m2m_changed
from django.dispatch import receiver

from interpreters.lifecycle import State
from interpreters.models import (
    InterpreterImage,
    RegistryCredential,
    Session,
    SessionPool,
    WebhookEndpoint,
    Workspace,
    moved,
)
from tenants.audit import Action, Who, record
from tenants.authentication import Actor
from tenants.watching import watch

watch(
    SessionPool,
    *("name", "image", "enabled", "ready_instances", "max_concurrent", "cooldown", "max_alive", "lifecycle"),
    *("cpu", "memory", "disk", "pids", "environment", "oci_runtime", "egress", "egress_allow"),
    *("target_port", "command", "args", "secrets", "probes", "writable_paths", "run_as", "shell", "offered_to_all"),
    created=Action.POOL_CREATED,
    changed=Action.POOL_CHANGED,
    deleted=Action.POOL_DELETED,
)
watch(
    InterpreterImage,
    *("name", "kind", "origin", "registry_reference", "credential", "source", "language", "kernel", "warm_up"),
    *("upload", "digest", "least_memory", "offered_to_all"),
    created=Action.IMAGE_CREATED,
    changed=Action.IMAGE_CHANGED,
    deleted=Action.IMAGE_DELETED,
)
watch(
    RegistryCredential,
    *("registry", "username", "secret"),
    created=Action.CREDENTIAL_CREATED,
    changed=Action.CREDENTIAL_CHANGED,
    deleted=Action.CREDENTIAL_DELETED,
)
watch(
    Workspace,
    *("identifier", "enabled", "quota"),
    created=Action.WORKSPACE_CREATED,
    changed=Action.WORKSPACE_CHANGED,
    deleted=Action.WORKSPACE_DELETED,
)
watch(
    WebhookEndpoint,
    *("url", "description", "events", "pools", "enabled", "secret"),
    created=Action.WEBHOOK_CREATED,
    changed=Action.WEBHOOK_CHANGED,
    deleted=Action.WEBHOOK_DELETED,
)


@receiver(m2m_changed, sender=SessionPool.offered_to.through)
@receiver(m2m_changed, sender=InterpreterImage.offered_to.through)
def offer_changed(instance: SessionPool | InterpreterImage, action: str, pk_set: set[int] | None, **_: Any) -> None:
    """Told to each tenant that something was offered to, or taken back from."""
    what = Action.POOL_CHANGED if isinstance(instance, SessionPool) else Action.IMAGE_CHANGED
    now = action == "post_add"
    if action == "pre_clear":
        pk_set = set(instance.offered_to.values_list("pk", flat=True))
    if action in ("post_add", "post_remove", "pre_clear"):
        for tenant in sorted(pk_set or ()):
            record(what, tenant=tenant, about=instance, old={"offered": not now}, new={"offered": now})


@receiver(moved)
def session_ended(sender: type[Session], *, session: Session, frm: State | None, to: State, **_: Any) -> None:
    """A sandbox that nobody had is no event."""
    if to != State.STOPPING or session.tenant_id is None:
        return
    why = f"{session.reason}: {session.detail}" if session.detail else session.reason
    record(Action.SESSION_ENDED, tenant=session.tenant_id, about=session, name=name_of(session), why=why)


def session_opened(session: Session, who: Who) -> None:
    record(Action.SESSION_OPENED, who=who, tenant=session.tenant_id, about=session, name=name_of(session))


def name_of(session: Session) -> str:
    return f"{session.pool.name}/{session.identifier}"


def record_code(actor: Actor, session: Session, code: str) -> None:
    record(Action.CODE_RUN, who=actor.who, tenant=actor.tenant, about=session, name=name_of(session), why=code)


def downloaded(actor: Actor, session: Session, path: str) -> None:
    record(Action.FILE_DOWNLOADED, who=actor.who, tenant=actor.tenant, about=session, name=name_of(session), why=path)


def downloaded_kept(actor: Actor, workspace: Workspace) -> None:
    why = "all that is kept"
    record(Action.FILE_DOWNLOADED, who=actor.who, tenant=actor.tenant, about=workspace, why=why)


def file_changed(actor: Actor, session: Session, what: str) -> None:
    """`what`: as `written data.csv`."""
    record(Action.FILE_CHANGED, who=actor.who, tenant=actor.tenant, about=session, name=name_of(session), why=what)


def preview_opened(actor: Actor, session: Session, port: int) -> None:
    why = f"port {port}"
    record(Action.PREVIEW_OPENED, who=actor.who, tenant=actor.tenant, about=session, name=name_of(session), why=why)
