from uuid import UUID

from django.http import HttpResponse
from django.utils import timezone
from ninja import Query, Router, Status

from interpreters.api.caller import Request
from interpreters.api.schemas import ERRORS
from interpreters.api.token_schemas import (
    Account,
    AccountChange,
    AccountWish,
    NewToken,
    RotationWish,
    Token,
    TokenWish,
)
from interpreters.sessions import tokens
from tenants.issuing import Wish
from tenants.models import ApiToken

router = Router(tags=["tokens"])


def once(response: HttpResponse) -> None:
    """A secret is in no cache."""
    response["Cache-Control"] = "no-store"


def _new(made: ApiToken, secret: str, request: Request, response: HttpResponse) -> Status[NewToken]:
    once(response)
    return Status(201, NewToken(token=secret, **Token.of(made, request.auth).dict()))


@router.get("/tokens/current", response={200: Token, **ERRORS}, summary="The token that you use, without its secret")
async def read_current(request: Request) -> Token:
    return Token.of(tokens.current(request.auth), request.auth)


@router.post(
    "/tokens/current/rotate",
    response={201: NewToken, **ERRORS},
    summary="A successor of the token you use",
    description="It may do the same, and ends when the one you use would have. A person who rotates it gains time.",
)
async def rotate_current(request: Request, response: HttpResponse, wanted: RotationWish) -> Status[NewToken]:
    made, secret = await tokens.rotate(request.auth, None, wanted.overlap)
    return _new(made, secret, request, response)


@router.get(
    "/tokens",
    response={200: list[Token], **ERRORS},
    summary="Your tokens; with the scope admin, those of the tenant",
    description="The newest first, 500 at most. Those that were revoked or have expired are left out unless `all`.",
)
async def list_tokens(
    request: Request, service_account: str = Query("", max_length=60), all: bool = False
) -> list[Token]:
    found = await tokens.list_tokens(request.auth, service_account, all_of_them=all)
    return [Token.of(token, request.auth) for token in found]


@router.post(
    "/tokens",
    response={201: NewToken, **ERRORS},
    summary="Make a token, of your own or of a service account",
    description="It never may more than whom it speaks for, nor more than the token that makes it. A token makes "
    "others only with the scope admin.",
)
async def create_token(request: Request, response: HttpResponse, wanted: TokenWish) -> Status[NewToken]:
    ends = wanted.expires_at
    if ends is not None and timezone.is_naive(ends):
        ends = timezone.make_aware(ends)
    wish = Wish(wanted.name, wanted.scopes, wanted.pools, wanted.networks, ends)
    made, secret = await tokens.issue(request.auth, wish, wanted.service_account)
    return _new(made, secret, request, response)


@router.get("/tokens/{uuid:token}", response={200: Token, **ERRORS}, summary="A token, without its secret")
async def get_token(request: Request, token: UUID) -> Token:
    return Token.of(await tokens.get_token(request.auth, token), request.auth)


@router.post(
    "/tokens/{uuid:token}/rotate",
    response={201: NewToken, **ERRORS},
    summary="A successor of a token of your own, or of a service account",
)
async def rotate_token(request: Request, response: HttpResponse, token: UUID, wanted: RotationWish) -> Status[NewToken]:
    made, secret = await tokens.rotate(request.auth, token, wanted.overlap)
    return _new(made, secret, request, response)


@router.delete(
    "/tokens/{uuid:token}",
    response={200: Token, **ERRORS},
    summary="Revoke a token, for good",
    description="With its successors. Whoever uses them is refused from now on, and what they have open is closed.",
)
async def revoke_token(request: Request, token: UUID) -> Token:
    return Token.of(await tokens.revoke(request.auth, token), request.auth)


# --- Service accounts ---


@router.get("/service-accounts", response={200: list[Account], **ERRORS}, summary="The tenant's service accounts")
async def list_accounts(request: Request) -> list[Account]:
    return [Account.of(account) for account in await tokens.list_accounts(request.auth)]


@router.post(
    "/service-accounts",
    response={201: Account, **ERRORS},
    summary="Make a service account",
    description="For programs that outlive who set them up. It cannot sign in: make tokens that speak for it.",
)
async def create_account(request: Request, wanted: AccountWish) -> Status[Account]:
    made = await tokens.create_account(request.auth, wanted.name, wanted.role, wanted.purpose)
    return Status(201, Account.of(made))


@router.get("/service-accounts/{slug:account}", response={200: Account, **ERRORS}, summary="A service account")
async def get_account(request: Request, account: str) -> Account:
    return Account.of(await tokens.get_account(request.auth, account))


@router.patch(
    "/service-accounts/{slug:account}",
    response={200: Account, **ERRORS},
    summary="Change, disable or enable a service account",
    description="What is left out stays.",
)
async def change_account(request: Request, account: str, change: AccountChange) -> Account:
    return Account.of(await tokens.change_account(request.auth, account, **change.dict()))


@router.delete(
    "/service-accounts/{slug:account}",
    response={204: None, **ERRORS},
    summary="Delete a service account, with its tokens",
)
async def delete_account(request: Request, account: str) -> Status[None]:
    await tokens.delete_account(request.auth, account)
    return Status(204, None)
