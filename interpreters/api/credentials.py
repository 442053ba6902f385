from ninja import Router, Status

from interpreters.api.caller import Request
from interpreters.api.schemas import ERRORS, Credential, CredentialWish
from interpreters.catalog import credentials

router = Router(tags=["images"])


@router.get(
    "/registry-credentials", response={200: list[Credential], **ERRORS}, summary="Your credentials, without secrets"
)
async def list_credentials(request: Request) -> list[Credential]:
    return [Credential.of(each) for each in await credentials.list_of(request.auth)]


@router.post("/registry-credentials", response={201: Credential, **ERRORS}, summary="A login for a registry")
async def create_credential(request: Request, wanted: CredentialWish) -> Status[Credential]:
    made = await credentials.create(request.auth, wanted.registry, wanted.username, wanted.secret)
    return Status(201, Credential.of(made))


@router.delete("/registry-credentials/{int:credential}", response={204: None, **ERRORS}, summary="Delete a login")
async def delete_credential(request: Request, credential: int) -> Status[None]:
    await credentials.delete(request.auth, credential)
    return Status(204, None)
