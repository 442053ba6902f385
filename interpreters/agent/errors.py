"""The one way in which the agent says no."""


class Refusal(Exception):
    """An answer of `{"error": code, "message": what to do}` with an HTTP status."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message

    def body(self) -> dict[str, str]:
        return {"error": self.code, "message": self.message}


def bad_request(message: str) -> Refusal:
    return Refusal(400, "bad_request", message)


def not_found(message: str) -> Refusal:
    return Refusal(404, "not_found", message)


def conflict(code: str, message: str) -> Refusal:
    return Refusal(409, code, message)


def unavailable(code: str, message: str) -> Refusal:
    return Refusal(503, code, message)
