"""What is written into the log, and in which form: kernels' messages and the agent's own words."""

import base64

from .flow import Flow
from .log import Log, Owner
from .messages import Json, Message, dump, new_header
from .streams import Streams

MAX_MESSAGE = 8 << 20  # bytes of one message's content, metadata and buffers


class Journal:
    def __init__(self, limit: int) -> None:
        self.log = Log(limit)
        self.flow = Flow(self.log)
        self._streams = Streams(self.log)

    def take(self, owner: Owner, channel: str, message: Message) -> None:
        """Write down a message of a kernel's."""
        parent = dump({"msg_id": owner.execution}) if owner.execution else message.parent_header
        if message.msg_type == "stream" and not message.lost:
            name, text = message.parsed.get("name"), message.parsed.get("text")
            if name in ("stdout", "stderr") and isinstance(text, str):
                content = message.content if len(message.parsed) == 2 else b""
                self._streams.write(owner, name, text, message.header, parent, content)
            return
        self._streams.flush(owner)
        content, metadata, buffers = message.content, message.metadata, _buffers(message)
        size = len(content) + len(metadata) + len(buffers) + message.lost
        if size > MAX_MESSAGE:
            content, metadata, buffers = _notice(message, size), b"{}", b""
        self.log.append(owner, channel, message.header, parent, content, metadata=metadata, buffers=buffers)

    def say(self, owner: Owner, msg_type: str, content: Json, *, last: bool = False, channel: str = "agent") -> None:
        """Write down a word of our own; `last`: with it the execution has ended."""
        self._streams.flush(owner, ended=last)
        header = dump(new_header(msg_type, "agent"))
        parent = dump({"msg_id": owner.execution} if owner.execution else {})
        self.log.append(owner, channel, header, parent, dump(content), lasting=last)
        if last:
            self.log.finish(owner)

    def flush(self, owner: Owner) -> None:
        """Write out stream text that waits for its interval to end."""
        self._streams.flush(owner)


def _buffers(message: Message) -> bytes:
    if not message.buffers:
        return b""
    return b"[" + b",".join(b'"' + base64.b64encode(buffer) + b'"' for buffer in message.buffers) + b"]"


def _notice(message: Message, size: int) -> bytes:
    """What takes the place of something too large to keep: of the same type, and readable."""
    text = f"[{size / 1e6:.0f} MB of output were too large to show: write them to a file instead]"
    kept: Json = {}
    if not message.lost:
        kept = {name: value for name, value in message.parsed.items() if len(dump(value)) < 1024}
    if message.msg_type == "stream":
        return dump({"name": "stdout", "text": text + "\n"})
    return dump({**kept, "data": {"text/plain": text}, "metadata": {}})
