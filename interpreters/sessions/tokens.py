"""What a token may ask about itself."""

from datetime import timedelta

from interpreters.models.threads import in_thread
from interpreters.sessions import problems
from tenants.authentication import Actor
from tenants.models import ApiToken, CannotRotate

LONGEST_OVERLAP = 7 * 24 * 3600  # seconds


def current(actor: Actor) -> ApiToken:
    """The token that is used. Raises Problem."""
    if actor.token is None:
        raise problems.BadRequest("You came with a cookie: send the token that is meant.", "no_token")
    return actor.token


@in_thread
def rotate(actor: Actor, overlap: int) -> tuple[ApiToken, str]:
    """A successor with its secret; the token that is used goes on for `overlap` seconds at most. Raises Problem."""
    if not 0 <= overlap <= LONGEST_OVERLAP:
        raise problems.BadRequest(f"`overlap` must be 0 to {LONGEST_OVERLAP} seconds.")
    try:
        return current(actor).rotate(timedelta(seconds=overlap))
    except CannotRotate as refusal:
        raise problems.Conflict(str(refusal), "cannot_rotate") from refusal
