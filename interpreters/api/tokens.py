from ninja import Router, Status

from interpreters.api.caller import Request
from interpreters.api.schemas import ERRORS
from interpreters.api.token_schemas import NewToken, RotationWish, Token
from interpreters.sessions import tokens

router = Router(tags=["tokens"])


@router.get("/tokens/current", response={200: Token, **ERRORS}, summary="The token that you use, without its secret")
async def read_current(request: Request) -> Token:
    return Token.of(tokens.current(request.auth), request.auth)


@router.post("/tokens/current/rotate", response={201: NewToken, **ERRORS}, summary="A successor of the token you use")
async def rotate_current(request: Request, wanted: RotationWish) -> Status[NewToken]:
    made, secret = await tokens.rotate(request.auth, wanted.overlap)
    return Status(201, NewToken(token=secret, **Token.of(made, request.auth).dict()))
