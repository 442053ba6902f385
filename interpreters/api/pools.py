from ninja import Router

from interpreters import sessions
from interpreters.api.caller import Request
from interpreters.api.schemas import Pool

router = Router(tags=["pools"])


@router.get("/pools", response=list[Pool], summary="The pools that you may open sessions of")
async def pools(request: Request) -> list[Pool]:
    return [Pool.of(pool) for pool in await sessions.pools(request.auth)]
