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
    """`token`: None where no token of this installation is written so. `live`: it would have been let in.

    `successors`: live ones, that took its place: whoever found a secret may have rotated it.
    """

    prefix: str
    token: ApiToken | None
    live: bool
    revoked: bool = False  # by this look, with its successors
    successors: tuple[ApiToken, ...] = ()

    @property
    def remains(self) -> bool:
        """Whether somebody is let in by it, or by what was made of it."""
        return (self.live or bool(self.successors)) and not self.revoked

    def __str__(self) -> str:
        if self.token is None:
            return f"{self.prefix}…: written like a token, and none of this installation's (it may have been deleted)."
        whose = f"{self.prefix}…: “{self.token.name}” of {name_of(self.token.user)} in {self.token.tenant}"
        now = "is no longer valid"
        if self.live:
            now = "was live and is revoked now" if self.revoked else "is LIVE: revoke it"
        if not self.successors:
            return f"{whose} {now}."
        which = ", ".join(f"{one.prefix}…" for one in self.successors)
        return f"{whose} {now}. It was rotated: {which} {'is revoked too' if self.revoked else 'is LIVE: revoke it'}."


def look_for(text: str, *, revoke: bool = False) -> list[Finding]:
    """What a text holds, each once, in its order. `revoke`: end those that are live, or have live successors."""
    written = dict.fromkeys(found for found in FOUND.findall(text) if not token_text.fault_of(found))
    return [_look_up(secret, revoke) for secret in list(written)[:MOST]]


def _look_up(secret: str, revoke: bool) -> Finding:
    prefix = secret[:12]
    token = ApiToken.objects.filter(hashed=hash_token(secret)).select_related("tenant", "user").first()
    if token is None:
        return Finding(prefix, None, live=False)
    live = token.usable
    successors = tuple(one for one in token.line() if one is not token and one.usable)
    if revoke and (live or successors):
        with transaction.atomic():
            successors = tuple(token.revoke())
            record(Action.TOKEN_CHANGED, tenant=token.tenant, about=token, why="leaked: its secret was found elsewhere")
        return Finding(prefix, token, live, revoked=True, successors=successors)
    return Finding(prefix, token, live, successors=successors)
