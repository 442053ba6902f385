"""What runs in a sandbox beside the kernel: servers at its ports, and terminals."""

from uuid import UUID

from ninja import Router, Status

from interpreters import sessions
from interpreters.api.caller import Request
from interpreters.api.schemas import ERRORS, Port, Terminal
from interpreters.sessions import executing, ports, terminals

router = Router(tags=["sessions"])


@router.get(
    "/sessions/{uuid:session}/ports",
    response={200: list[Port], **ERRORS},
    summary="Where servers listen in the sandbox",
    description="Ports that the system handed out are left out: kernels listen at those. In a custom container it is "
    "the target port.",
)
async def list_ports(request: Request, session: UUID) -> list[dict[str, int]]:
    found = await sessions.get(request.auth, session)
    return [{"port": port} for port in await ports.listening(found)]


@router.get(
    "/sessions/{uuid:session}/terminals", response={200: list[Terminal], **ERRORS}, summary="Terminals that are open"
)
async def list_terminals(request: Request, session: UUID) -> list[dict[str, str]]:
    found = await sessions.get(request.auth, session)
    return [{"name": name} for name in await terminals.list_open(found)]


@router.delete(
    "/sessions/{uuid:session}/terminals/{str:name}", response={204: None, **ERRORS}, summary="End a terminal"
)
async def close_terminal(request: Request, session: UUID, name: str) -> Status[None]:
    found = await sessions.get(request.auth, session)
    await terminals.close(found, executing.checked_name(name, "terminal"))
    return Status(204, None)
