"""Whether a text that was found somewhere holds tokens of ours that still count.

It takes text, not only tokens: a line of a log, a mail, a file. What is told never holds a secret.
"""

import re
from dataclasses import dataclass

from django.db import transaction

from tenants import token_text
from tenants.audit import Action, record
from tenants.models import ApiToken, hash_token, name_of

FOUND = re.compile(rf"(?<![0-9A-Za-z]){token_text.PATTERN}(?![0-9A-Za-z])", re.ASCII)
MOST = 10_000


@dataclass(frozen=True, slots=True)
class Finding:
    """`token`: None where no token of this installation is written so. `live`: it would have been let in."""

    prefix: str
    token: ApiToken | None
    live: bool
    revoked: bool = False  # by this look

    def __str__(self) -> str:
        if self.token is None:
            return f"{self.prefix}…: written like a token, and none of this installation's (it may have been deleted)."
        whose = f"{self.prefix}…: “{self.token.name}” of {name_of(self.token.user)} in {self.token.tenant}"
        if self.revoked:
            return f"{whose} was live and is revoked now."
        return f"{whose} is {'LIVE: revoke it' if self.live else 'no longer valid'}."


def look_for(text: str, *, revoke: bool = False) -> list[Finding]:
    """What a text holds, each once, in its order. `revoke`: end those that are live."""
    written = dict.fromkeys(found for found in FOUND.findall(text) if not token_text.fault_of(found))
    return [_look_up(secret, revoke) for secret in list(written)[:MOST]]


def _look_up(secret: str, revoke: bool) -> Finding:
    prefix = secret[:12]
    token = ApiToken.objects.filter(hashed=hash_token(secret)).select_related("tenant", "user").first()
    if token is None or not token.usable:
        return Finding(prefix, token, live=False)
    if revoke:
        with transaction.atomic():
            token.revoke()
            record(Action.TOKEN_CHANGED, tenant=token.tenant, about=token, why="leaked: its secret was found elsewhere")
    return Finding(prefix, token, live=True, revoked=revoke)
