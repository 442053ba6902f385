"""Tokens and service accounts, on the wire."""

from datetime import datetime
from typing import Any
from uuid import UUID

from ninja import Field, Schema

from tenants.authentication import Actor
from tenants.models import ApiToken, Role, ServiceAccount, default_scopes, is_service, name_of
from tenants.models.service import NAME, PREFIX


class Token(Schema):
    id: UUID
    name: str
    prefix: str = Field(description="The first characters of its secret.")
    tenant: str
    user: str = Field(description="Whom it speaks for; a service account as “service:<name>”.")
    service_account: str | None
    scopes: list[str]
    pools: list[str] = Field(description="The only pools that it may use; empty: all.")
    networks: list[str] = Field(description="The only networks that it may be used from; empty: any.")
    session: UUID | None
    valid: bool
    created_at: float
    expires_at: float | None
    revoked_at: float | None
    last_used_at: float | None
    last_used_from: str | None

    @classmethod
    def of(cls, token: ApiToken, actor: Actor) -> "Token":
        same: dict[str, Any] = {
            name: getattr(token, name) for name in ("id", "name", "prefix", "scopes", "pools", "networks", "session")
        }
        moments: dict[str, Any] = {
            name: _moment(getattr(token, name)) for name in ("expires_at", "revoked_at", "last_used_at")
        }
        return cls(
            **same,
            **moments,
            tenant=actor.tenant.slug,
            user=name_of(token.user),
            service_account=name_of(token.user).removeprefix(PREFIX) if is_service(token.user) else None,
            valid=token.usable,
            created_at=token.created_at.timestamp(),
            last_used_from=token.last_used_from,
        )


class NewToken(Token):
    token: str = Field(description="The secret. It is shown this once.")


class RotationWish(Schema):
    overlap: int = Field(3600, description="Seconds for which the former goes on; 0: none.")


class TokenWish(Schema):
    name: str = Field(max_length=100, description="What it is for.")
    service_account: str = Field("", max_length=60, description="The one that it speaks for; else it speaks for you.")
    scopes: list[str] = Field(default_factory=default_scopes, max_length=20)
    pools: list[str] = Field([], max_length=100, description="Names of the only pools it may use; empty: all.")
    networks: list[str] = Field([], max_length=50, description="The only networks it may be used from; empty: any.")
    expires_at: datetime | None = Field(None, description="With a time zone. None: it does not expire.")


class Account(Schema):
    name: str
    role: str
    purpose: str
    enabled: bool
    valid_tokens: int
    created_at: float

    @classmethod
    def of(cls, account: ServiceAccount) -> "Account":
        same: dict[str, Any] = {name: getattr(account, name) for name in ("name", "role", "purpose", "enabled")}
        tokens: Any = account
        return cls(**same, valid_tokens=tokens.valid_tokens, created_at=account.created_at.timestamp())


class AccountWish(Schema):
    name: str = Field(pattern=f"^{NAME.pattern}$")
    role: str = Field(Role.MEMBER.value, max_length=10, description="admin, member or viewer")
    purpose: str = Field("", max_length=200, description="What it is for, and whom to ask about it.")


class AccountChange(Schema):
    role: str | None = Field(None, max_length=10)
    purpose: str | None = Field(None, max_length=200)
    enabled: bool | None = Field(None, description="Its tokens count only while it is enabled.")


def _moment(at: datetime | None) -> float | None:
    return at.timestamp() if at else None
