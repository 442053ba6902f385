"""Questions of ours to a kernel: its variables, one of them, rows of a table. `docs/protocol.md` §2.

A kernel that takes them says so by a feature of its `kernel_info_reply`. It is asked by a message of our own on its
shell channel, in a subshell, so that it answers while a cell runs. What it answers is as believable as its user's code.
"""

from .errors import bad_request
from .kernelspec import NAME
from .messages import Json, Message, dump

FEATURE = "thermae questions"
REQUEST = "thermae_question_request"
MAX_ARGUMENTS = 64 << 10  # bytes
MAX_ANSWER = 2 << 20  # bytes


def question_of(body: Json) -> tuple[str, Json]:
    """What is asked about, and with what arguments. Raises Refusal(400)."""
    about, arguments = body.get("about"), body.get("arguments") or {}
    if not isinstance(about, str) or not NAME.fullmatch(about):
        raise bad_request("`about` must be a word, as `variables`")
    if not isinstance(arguments, dict) or len(dump(arguments)) > MAX_ARGUMENTS:
        raise bad_request(f"`arguments` must be an object of at most {MAX_ARGUMENTS >> 10} KiB")
    return about, arguments


def failed(code: str, message: str) -> Json:
    return {"error": code, "message": message}


def unsupported(kernel: str) -> Json:
    return failed("unsupported", f"{kernel or 'This kernel'} does not tell what it holds.")


def content_of(reply: Message) -> Json:
    if reply.lost or len(reply.content) > MAX_ANSWER:
        return failed("too_large", "The answer is too large: ask for less at a time.")
    answer = reply.parsed.get("answer")
    return answer if isinstance(answer, dict) else failed("bad", "The kernel gave no answer that can be read.")
