"""Tokens, on the wire."""

from typing import Any
from uuid import UUID

from ninja import Field, Schema

from tenants.authentication import Actor
from tenants.models import ApiToken


class Token(Schema):
    id: UUID
    name: str
    prefix: str = Field(description="The first characters of its secret.")
    tenant: str
    user: str
    scopes: list[str]
    pools: list[str] = Field(description="The only pools that it may use; empty: all.")
    networks: list[str] = Field(description="The only networks that it may be used from; empty: any.")
    session: UUID | None
    created_at: float
    expires_at: float | None

    @classmethod
    def of(cls, token: ApiToken, actor: Actor) -> "Token":
        same: dict[str, Any] = {
            name: getattr(token, name) for name in ("id", "name", "prefix", "scopes", "pools", "networks", "session")
        }
        return cls(
            **same,
            tenant=actor.tenant.slug,
            user=actor.user.get_username(),
            created_at=token.created_at.timestamp(),
            expires_at=token.expires_at.timestamp() if token.expires_at else None,
        )


class NewToken(Token):
    token: str = Field(description="The secret. It is shown this once.")


class RotationWish(Schema):
    overlap: int = Field(3600, description="Seconds for which the token that you use goes on; 0: none.")
