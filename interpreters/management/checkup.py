"""What `manage.py doctor` looks at. Each check says what is well, or what to do; none changes the installation."""

import asyncio
import shutil
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import redis
from django.conf import settings
from django.core.checks import WARNING, run_checks
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor

from interpreters import client
from interpreters.client import Agent, AgentError, ExecuteRequest
from interpreters.models import EgressProxy, InterpreterImage, Session, SessionPool
from interpreters.runtime import LaunchFailed, RuntimeUnavailable, get_runtime
from tenants.egress import Mode

GIB = 1024**3
LEAST_DISK = 5 * GIB
STARTS_WITHIN = 60.0  # seconds for the sandbox of the check
CODE, RESULT = "6 * 7", "42"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report. Without advice all is well; a grave one makes the command fail."""

    subject: str
    text: str
    advice: str = ""
    grave: bool = True


def settings_and_pages() -> Iterator[Finding]:
    """Django's own system checks, the built front end among them."""
    serious = [message for message in run_checks() if message.level >= WARNING]
    for message in serious:
        yield Finding("settings", message.msg, message.hint or "see docs/settings.md", message.is_serious())
    if not serious:
        yield Finding("settings", "the settings and the front-end build are well")


def database() -> Iterator[Finding]:
    try:
        executor = MigrationExecutor(connection)
        pending = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except DatabaseError as error:
        yield Finding("database", str(error).strip(), "check THERMAE_DATABASE_URL, and that the database is running")
        return
    if pending:
        yield Finding("database", f"{len(pending)} migrations are pending", "run: manage.py migrate")
    else:
        yield Finding("database", f"{connection.vendor} answers and is up to date")


def broker() -> Iterator[Finding]:
    try:
        with redis.Redis.from_url(settings.REDIS_URL, socket_timeout=2, socket_connect_timeout=2) as server:
            version = server.info("server")["redis_version"]
    except (redis.RedisError, OSError) as error:
        yield from _no_redis(str(error))
        return
    yield Finding("redis", f"Redis {version} answers")
    yield from _worker()


def _no_redis(error: str) -> Iterator[Finding]:
    binary = shutil.which("redis-server") or shutil.which("redis-server", path=str(Path(sys.prefix, "bin")))
    if settings.PRODUCTION or not binary:
        yield Finding("redis", error, "start Redis, and check THERMAE_REDIS_URL")
    else:
        yield Finding("redis", f"none is running; `make run` starts {binary}")


def _worker() -> Iterator[Finding]:
    from celery import current_app

    answers = current_app.control.ping(timeout=1.5)
    if answers:
        yield Finding("worker", f"{', '.join(name for answer in answers for name in answer)} answers")
    else:
        yield Finding("worker", "no Celery worker answers", "start one: celery -A project worker --pool threads")


def engine() -> Iterator[Finding]:
    try:
        warnings = get_runtime().check()
    except RuntimeUnavailable as error:
        yield Finding(
            settings.RUNTIME, str(error), "start the engine, or check THERMAE_DOCKER_HOST and its permissions"
        )
        return
    yield Finding(settings.RUNTIME, "the engine answers")
    for warning in warnings:
        yield Finding(settings.RUNTIME, warning, "see docs/operations.md", grave=False)


def images() -> Iterator[Finding]:
    if settings.RUNTIME != "docker":
        return
    # What tenants bring is theirs to mend: their own pages say what is wrong.
    rows = list(InterpreterImage.objects.filter(origin=InterpreterImage.Origin.SOURCE).order_by("name"))
    if not rows:
        yield Finding("images", "there are none", "run: make images")
    for image in rows:
        if image.usable:
            yield Finding("images", f"{image.name} is {image.reference}")
        else:
            last = image.build_log.strip().splitlines()[-1:] or [""]
            # One that is not built yet keeps its pool empty; one that failed is somebody's to mend.
            failed = image.state == InterpreterImage.State.FAILED or not any(row.usable for row in rows)
            text, advice = f"{image.name} is {image.state}. {last[0]}", f"run: make images ARGS={image.name}"
            yield Finding("images", text.strip(), advice, grave=failed)


def sandbox() -> Iterator[Finding]:
    """For each OCI runtime that pools name, and for the engine's default where one leaves it open."""
    found = SessionPool.objects.select_related("image").filter(enabled=True, image__kernel="python3").order_by("-pk")
    pools = {pool.oci_runtime: pool for pool in found if pool.image.usable or settings.RUNTIME == "bubblewrap"}
    if not pools:
        yield Finding("sandbox", "there is no pool with a built Python image", "run: make run, or make images")
    for name, pool in sorted(pools.items()):
        yield _start_one(pool, f"a new one by {name}" if name else "a new one")


def _start_one(pool: SessionPool, what: str) -> Finding:
    """Start a sandbox that belongs to no pool's count, run a cell in it, remove it."""
    # A label of its own: the worker would take it for a stray of the installation.
    spec = replace(Session(id=uuid.uuid4(), pool=pool).sandbox_spec, installation=f"{settings.INSTALLATION}-doctor")
    runtime, began, handle = get_runtime(), time.monotonic(), ""
    try:
        handle = runtime.create(spec).handle
        answer = client.ask(spec.session, _run_cell)
        seconds = time.monotonic() - began
        if answer == RESULT:
            return Finding("sandbox", f"{what} ran {CODE} = {answer}, {seconds:.1f} s after it was asked for")
        return Finding(
            "sandbox", f"{what}: {CODE} gave {answer!r}", "see the agent's log: docker logs, or the worker's log"
        )
    except (LaunchFailed, RuntimeUnavailable, AgentError, TimeoutError) as error:
        last = runtime.logs(handle, 5).strip() if handle else ""
        text = f"{what}: {error or type(error).__name__} {last}".strip()
        return Finding("sandbox", text, "see docs/operations.md, “When sandboxes do not start”")
    finally:
        if handle:
            runtime.remove(handle)


async def _run_cell(agent: Agent) -> str:
    async with asyncio.timeout(STARTS_WITHIN):
        while not await _ready(agent):  # noqa: ASYNC110  another process gets ready: there is no event to wait for
            await asyncio.sleep(0.05)
        record = await agent.execute(ExecuteRequest(id=uuid.uuid4(), code=CODE))
        while not record.final:
            await asyncio.sleep(0.02)
            record = await agent.record(record.id)
        outputs = await agent.outputs(record.id)
    texts = (message["content"].get("data", {}).get("text/plain", "") for message in outputs.messages())
    return "".join(texts)


async def _ready(agent: Agent) -> bool:
    try:
        health = await agent.health()
    except client.AgentUnavailable:
        return False
    if health.state == "failed":
        raise LaunchFailed(f"The kernel did not start: {health.detail}")
    return health.state == "ready"


def egress() -> Iterator[Finding]:
    """Whether pools that have network access have their proxy."""
    wanting = SessionPool.objects.exclude(egress=Mode.NONE).filter(enabled=True).count()
    proxy = EgressProxy.objects.alive().first()
    if proxy is not None:
        yield Finding("egress", f"its process answers, for {proxy.sandboxes} sandboxes")
    elif wanting:
        text = f"{wanting} pools have network access, and no egress process answers"
        yield Finding("egress", text, "start one: manage.py egress")
    else:
        yield Finding("egress", "no pool has network access, so no process is needed")


def disk() -> Iterator[Finding]:
    for name, folder in {"state": settings.STATE_DIR, "temporary files": Path("/tmp")}.items():  # noqa: S108
        free = shutil.disk_usage(folder if Path(folder).exists() else "/").free
        text = f"{free / GIB:.0f} GiB free for {name} in {folder}"
        yield Finding("disk", text, "" if free >= LEAST_DISK else "free some: docker image prune", grave=False)


CHECKS: tuple[Callable[[], Iterator[Finding]], ...] = (
    settings_and_pages, database, broker, engine, images, egress, sandbox, disk,
)  # fmt: skip
