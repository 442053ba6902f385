"""Why no session was given, in words for who asked."""

from tenants.quotas import Standing


class BadIdentifier(ValueError):
    """An identifier is 1 to 128 letters, digits, or any of _ . : @ / + = -"""

    def __init__(self) -> None:
        super().__init__(self.__doc__)


class NoInstance(Exception):
    """No session can be had now. `retry_after`: seconds after which asking again makes sense."""

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.message, self.retry_after = message, retry_after


class PoolFull(NoInstance):
    """As many sandboxes are alive as the pool allows. `position`: the place in the line, 0 for none."""

    def __init__(self, message: str, retry_after: int, position: int = 0) -> None:
        super().__init__(message, retry_after)
        self.position = position


class PoolUnavailable(NoInstance):
    """The pool launches nothing now: its engine does not answer, its launches fail, or it has no image yet."""


class QuotaReached(NoInstance):
    """The tenant, or the member, has as much as its operator allows. The message names the quota and when it frees.

    `standing`: the quota as it was found, for programs and for who listens.
    """

    def __init__(self, message: str, retry_after: int, standing: Standing | None = None) -> None:
        super().__init__(message, retry_after)
        self.standing = standing
