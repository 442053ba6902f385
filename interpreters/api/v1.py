"""The API object: routers, errors, and the interactive page, whose scripts come from our own static files."""

from ninja import NinjaAPI

from interpreters.api import (
    archives,
    audit,
    credentials,
    errors,
    executions,
    files,
    images,
    inside,
    pools,
    sessions,
    tokens,
    usage,
    webhooks,
    workspaces,
)
from interpreters.api.caller import Caller

api = NinjaAPI(
    title="Thermae",
    version="1",
    description="Warm sandboxes for code. Open a session of a pool by an identifier of your own, run code in it, "
    "move files, and let it end when it has been idle. Send a token as `Authorization: Bearer …`.",
    urls_namespace="api-v1",
    docs_url="/docs",
    auth=[Caller()],
)
errors.install(api)
PARTS = (
    *(pools, sessions, inside, executions, files, workspaces, images, credentials),
    *(tokens, audit, usage, webhooks, archives),
)
for part in PARTS:
    api.add_router("", part.router)
