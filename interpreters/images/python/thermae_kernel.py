"""ipykernel whose output has a measure: `python -P -m thermae_kernel -f <connection file>`.

ipykernel keeps what is printed until its timer fires and sends it as one message, however large: a loop that prints
100 MB in half a second becomes one message of 100 MB. And its publishing socket drops messages, without a word, once
a thousand of them wait. Here a message of stream text holds at most PIECE characters, and a cell that prints faster
than its reader takes waits for it: nothing is lost and memory stays bounded.
"""

from typing import Any

import thermae_variables
import zmq
from ipykernel.iostream import OutStream
from ipykernel.ipkernel import IPythonKernel
from ipykernel.kernelapp import IPKernelApp
from thermae_questions import Bad, Questions
from traitlets import DottedObjectName

PIECE = 128 * 1024  # characters
MOST_WAITING = 32  # messages


class MeasuredStream(OutStream):
    """stdout or stderr of a cell."""

    _since_flush = 0

    def write(self, string: str) -> int:
        if not isinstance(string, str) or len(string) <= PIECE:
            self._write_piece(string)
        else:
            for at in range(0, len(string), PIECE):
                self._write_piece(string[at : at + PIECE])
        return len(string)

    def _write_piece(self, piece: str) -> None:
        super().write(piece)  # raises TypeError, as any text stream, for what is no text
        self._since_flush += len(piece)
        if self._since_flush >= PIECE:
            self._since_flush = 0
            self.flush()  # waits until it is sent


class MeasuredKernelApp(IPKernelApp):
    outstream_class = DottedObjectName("thermae_kernel.MeasuredStream").tag(config=True)

    def _bind_socket(self, socket: Any, port: int) -> int:
        if socket.socket_type == zmq.XPUB:
            socket.sndhwm = MOST_WAITING
            socket.setsockopt(zmq.XPUB_NODROP, 1)  # wait instead of dropping
        bound: int = super()._bind_socket(socket, port)
        return bound


class ThermaeKernel(Questions, IPythonKernel):
    """ipykernel that also tells what variables there are."""

    def thermae_answer(self, about: str, arguments: dict[str, Any]) -> dict[str, Any]:
        match about:
            case "variables":
                return thermae_variables.listed(self.shell.user_ns, self.shell.user_ns_hidden)
            case "variable":
                return thermae_variables.detail(self.shell.user_ns, str(arguments.get("name")))
            case "table":
                return _page(arguments)
        return super().thermae_answer(about, arguments)


def _page(arguments: dict[str, Any]) -> dict[str, Any]:
    """Rows of a table that a cell has shown."""
    try:
        from thermae_tables import page_of
    except ImportError:
        raise Bad("This kernel keeps no tables: run the cell again.", "gone") from None
    page: dict[str, Any] = page_of(arguments.pop("id", None), **arguments)
    return page


if __name__ == "__main__":
    # By its own name: `__main__` is about to become the user's module.
    import thermae_installed
    import thermae_kernel

    thermae_installed.put_first()
    thermae_kernel.MeasuredKernelApp.launch_instance(kernel_class=thermae_kernel.ThermaeKernel)
