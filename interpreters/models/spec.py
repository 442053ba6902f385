"""What an engine is told of a session's sandbox, from its pool and image."""

from dataclasses import replace
from typing import TYPE_CHECKING

from django.conf import settings

from interpreters.models import probes
from interpreters.models.image import InterpreterImage
from interpreters.runtime.base import LaunchFailed, SandboxSpec
from tenants.egress import Mode
from tenants.encryption import CannotDecrypt

if TYPE_CHECKING:
    from interpreters.models.session import Session


def sandbox_spec(session: "Session") -> SandboxSpec:
    """Raises LaunchFailed when the pool's secrets cannot be read."""
    pool, image = session.pool, session.pool.image
    common = SandboxSpec(
        session=session.id,
        installation=settings.INSTALLATION,
        pool=pool.pk,
        revision=session.pool_revision,
        image=image.reference,
        kernel=image.kernel,
        warm_up=image.warm_up,
        environment=pool.environment,
        cpu=pool.cpu,
        memory=pool.memory,
        disk=pool.disk,
        pids=pool.pids,
        oci_runtime=pool.oci_runtime,
        egress=pool.egress != Mode.NONE,
    )
    if not image.custom:
        return common
    port = pool.target_port or 0
    try:
        secrets = pool.secrets
    except CannotDecrypt as lost:
        raise LaunchFailed(str(lost)) from lost
    return replace(
        common,
        kind=image.kind,
        relay=InterpreterImage.relay_reference(),
        command=tuple(pool.command),
        args=tuple(pool.args),
        secrets=secrets,
        target_port=port,
        probes=probes.whole(pool.probes, port),
        run_as=pool.run_as,
        writable_paths=tuple(pool.writable_paths),
        start_timeout=settings.START_TIMEOUT,
    )
