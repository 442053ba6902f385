from typing import Any

from ninja import Router, Status

from interpreters import sessions
from interpreters.api.caller import Request
from interpreters.api.pool_schemas import ChangePool, CreatePool, OwnPool
from interpreters.api.schemas import ERRORS, Pool

router = Router(tags=["pools"])


@router.get("/pools", response=list[Pool], summary="The pools that you may open sessions of")
async def pools(request: Request) -> list[Pool]:
    return [Pool.of(pool) for pool in await sessions.pools(request.auth)]


@router.post(
    "/pools",
    response={201: OwnPool, **ERRORS},
    summary="Make a pool of your tenant's own",
    description="Of an image of your own or a shared one. Everything that is left out has its default.",
)
async def create_pool(request: Request, wanted: CreatePool) -> Status[OwnPool]:
    fields = _given(wanted)
    return Status(201, OwnPool.of(await sessions.create_pool(request.auth, fields.pop("image"), fields)))


@router.get("/pools/{name}", response={200: OwnPool, **ERRORS}, summary="A pool of your tenant's own, in full")
async def get_pool(request: Request, name: str) -> OwnPool:
    return OwnPool.of(await sessions.own_pool(request.auth, name))


@router.patch(
    "/pools/{name}",
    response={200: OwnPool, **ERRORS},
    summary="Change a pool of your tenant's own",
    description="What is left out stays. Ready instances are replaced where they would now be made differently; "
    "sessions go on as they are.",
)
async def change_pool(request: Request, name: str, change: ChangePool) -> OwnPool:
    fields = _given(change)
    return OwnPool.of(await sessions.change_pool(request.auth, name, fields.pop("image", None), fields))


@router.delete(
    "/pools/{name}",
    response={202: OwnPool, **ERRORS},
    summary="Delete a pool of your tenant's own",
    description="Its sessions are ended first. It is gone (404) when its last sandbox is.",
)
async def delete_pool(request: Request, name: str) -> Status[OwnPool]:
    return Status(202, OwnPool.of(await sessions.delete_pool(request.auth, name)))


def _given(body: CreatePool | ChangePool) -> dict[str, Any]:
    """What the caller said, by field of the pool."""
    return body.model_dump(exclude_unset=True)
