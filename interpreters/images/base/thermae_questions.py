"""Questions of Thermae's to a kernel, beside Jupyter's own: what variables it holds, what is in one, rows of a table.

A kernel mixes `Questions` in and answers by `thermae_answer`. The agent asks by `thermae_question_request` on the shell
channel, in a subshell, so that there is an answer while a cell runs. What is answered may run the user's own code, such
as a `__repr__`: each question has a thread of its own, which is told to end when its time is up.
"""

import asyncio
import ctypes
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from ipykernel.kernelbase import Kernel

WITHIN = 4.0  # seconds
# Threads that user code keeps although they were told to end.
MOST_STUCK = 4

Answer = dict[str, Any]


class TooLong(BaseException):
    """Raised inside a question's thread when its time is up."""


class Bad(Exception):
    """The question cannot be answered; the message says what to do."""

    def __init__(self, message: str, code: str = "bad") -> None:
        super().__init__(message)
        self.code = code


class Questions(Kernel):  # type: ignore[misc]
    msg_types = (*Kernel.msg_types, "thermae_question_request")

    @property
    def kernel_info(self) -> dict[str, Any]:
        info: dict[str, Any] = super().kernel_info
        return {**info, "supported_features": [*info.get("supported_features", ()), "thermae questions"]}

    def thermae_answer(self, about: str, arguments: dict[str, Any]) -> Answer:
        """What is known `about` something. Raises Bad. Runs in a thread of its own."""
        raise Bad(f"Nothing can be asked about {about}.")

    async def thermae_question_request(self, stream: Any, ident: Any, parent: Any) -> None:
        content = parent["content"]
        about, arguments = str(content.get("about")), content.get("arguments") or {}
        answer = await answer_within(WITHIN, lambda: self.thermae_answer(about, arguments))
        reply = {"status": "ok", "answer": answer}
        self.session.send(stream, "thermae_question_reply", reply, parent, ident)


_stuck: list[threading.Thread] = []


async def answer_within(seconds: float, ask: Callable[[], Answer]) -> Answer:
    """Ask in a thread. User code that does not come to an end is interrupted, and cannot pile up."""
    _stuck[:] = [thread for thread in _stuck if thread.is_alive()]
    if len(_stuck) >= MOST_STUCK:
        return {"error": "busy", "message": "Code of yours that shows values does not end: restart the kernel."}
    done: Future[Answer] = Future()

    def work() -> None:
        try:
            answer = ask()
        except Bad as error:
            answer = {"error": error.code, "message": str(error)}
        except TooLong:
            answer = _too_long()
        except BaseException as error:
            answer = {"error": "bad", "message": f"{type(error).__name__} was raised when the value was looked at."}
        if not done.done():
            done.set_result(answer)

    thread = threading.Thread(target=work, name="thermae-question", daemon=True)
    thread.start()
    try:
        async with asyncio.timeout(seconds):
            return await asyncio.shield(asyncio.wrap_future(done))
    except TimeoutError:
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident or 0), ctypes.py_object(TooLong))
        _stuck.append(thread)
        return _too_long()


def _too_long() -> Answer:
    return {"error": "busy", "message": "Looking at it took too long."}


def text(value: str, most: int) -> str:
    """Text that can be sent: at most so long, and whole Unicode."""
    if len(value) > most:
        value = value[: most - 1] + "…"
    return value.encode("utf-8", "replace").decode()
