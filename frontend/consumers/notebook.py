"""`/ws/notebooks/<id>`: who is here, who edits, and what is typed as it is typed.

Nothing depends on it: what is typed here is lost with the channel layer, and is in the next save. Whoever missed
something reads the document again.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from typing import Any
from urllib.parse import parse_qs
from uuid import UUID

from django.db import DatabaseError

from frontend import notices, places
from frontend.access import Right, find_notebook
from frontend.consumers import messages
from frontend.consumers.people import SAY_EVERY, People, person
from frontend.executions import newest_session
from frontend.models import EditorLease, Notebook
from frontend.models.lease import GRACE
from interpreters import sessions
from interpreters.consumers.socket import Closed, Receive, Scope, Send, Socket
from interpreters.lifecycle import OPEN
from interpreters.sessions import Problem, following, problems
from tenants.authentication import Actor
from tenants.threads import in_thread

# What waits to be sent to a client that is slower than who types, and to the channel layer.
MOST_OUT, MOST_RELAYED = 500, 50
# Messages in a second, and those that may come at once.
RATE, BURST = 40.0, 120.0
GONE = "This notebook was deleted, or is not shared with you any more."

Found = tuple[Notebook, Right, dict[str, Any]]


class Bucket:
    """How much one client may say."""

    def __init__(self) -> None:
        self._left, self._at = BURST, asyncio.get_running_loop().time()

    def take(self) -> bool:
        now = asyncio.get_running_loop().time()
        self._left, self._at = min(BURST, self._left + (now - self._at) * RATE), now
        self._left -= 1
        return self._left >= 0


class Live(Socket[Found]):
    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        super().__init__(scope, receive, send)
        self.id: UUID = scope["url_route"]["kwargs"]["notebook_id"]
        self.tab: UUID
        self._right = Right.NOTHING
        self._told: dict[str, Any] = {}
        self._people = People()
        self._edits = False
        self._out: deque[dict[str, Any]] = deque(maxlen=MOST_OUT)
        self._to_send = asyncio.Event()
        self._relays: asyncio.Queue[dict[str, Any]] = asyncio.Queue(MOST_RELAYED)
        self._bucket = Bucket()

    def prepare(self) -> None:
        tab = parse_qs(self.scope.get("query_string", b"").decode("latin-1")).get("tab", [""])[0]
        try:
            self.tab = UUID(tab[:36])
        except ValueError as error:
            raise problems.BadRequest("`tab` must be a UUID that names this tab.") from error

    # --- what is ---

    def find(self, actor: Actor) -> Found:
        found = find_notebook(actor, self.id)
        if found is None:
            raise problems.NotFound(GONE)
        notebook, right = found
        session = newest_session(notebook)
        lease = EditorLease.holder(notebook.pk)
        return notebook, right, {
            "title": notebook.title,
            "version": notebook.version,
            "right": right.word,
            "pool": notebook.pool,
            "editor": self._in_words(lease, actor) if lease else None,
            # One that has ended is nothing to go to: whoever was there has seen its end.
            "session": str(session.pk) if session and session.state in OPEN else None,
            "waiting": places.listed(notebook),
        }  # fmt: skip

    def _in_words(self, lease: EditorLease, actor: Actor) -> dict[str, Any]:
        assert lease.tab
        holder = (
            person(lease.user, lease.tab, Right.EDIT) if lease.user else {"tab": str(lease.tab), "name": "Somebody"}
        )
        return {
            **holder,
            "mine": lease.tab == self.tab,
            "same_person": lease.user_id == actor.user.pk,
            "wanted_by": lease.wanted_name,
        }

    async def found(self, what: Found) -> None:
        _, self._right, state = what
        editor = state["editor"]
        self._edits = bool(editor and editor["mine"])
        if state != self._told:
            self._told = state
            self._queue({"channel": "notebook", "type": "state", **state})

    async def looks(self) -> AsyncGenerator[None, None]:
        group, every = notices.notebook_group(self.id), following.EVERY
        async with aclosing(sessions.looks(group, self._heard_from_others, every, self.news)) as looks:
            async for _ in looks:
                yield

    def _heard_from_others(self, message: dict[str, Any]) -> bool:
        """Whether the notebook is to be looked at."""
        kind, by = message.get("type"), message.get("by")
        if kind == "notebook.changed":
            return True
        if by == str(self.tab):
            return False
        if kind == "notebook.here":
            if self._people.here(message["person"]):
                self._tell_people()
                self._relay({"type": "notebook.here", "person": self._me})
        elif kind == "notebook.left":
            if self._people.gone(str(by)):
                self._tell_people()
        elif kind == "notebook.edit":
            self._queue({"channel": "notebook", "type": "edit", "by": by, "seq": message["seq"], "ops": message["ops"]})
        elif kind == "notebook.flush" and self._edits:
            self._queue({"channel": "notebook", "type": "flush", "by": message.get("name")})
        return False

    @property
    def _me(self) -> dict[str, Any]:
        return person(self.actor.user, self.tab, self._right)

    def _tell_people(self) -> None:
        self._queue({"channel": "notebook", "type": "people", "people": self._people.list()})

    # --- out ---

    def _queue(self, message: dict[str, Any]) -> None:
        """What is dropped because a client does not take it is missed by its seq."""
        self._out.append(message)
        self._to_send.set()

    def _relay(self, message: dict[str, Any]) -> None:
        with suppress(asyncio.QueueFull):
            self._relays.put_nowait({"by": str(self.tab), **message})

    async def speak(self) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._send_queued())
                group.create_task(self._relay_queued())
                group.create_task(self._be_here())
        finally:
            # Whoever closes the tab makes room at once; who vanishes, when the lease runs out.
            with suppress(Exception):
                await asyncio.shield(self._leave())

    async def _send_queued(self) -> None:
        while True:
            await self._to_send.wait()
            self._to_send.clear()
            while self._out:
                await self.send_message(self._out.popleft())

    async def _relay_queued(self) -> None:
        while True:
            await notices.say(self.id, await self._relays.get())

    async def _be_here(self) -> None:
        self._people.here(self._me)
        self._tell_people()
        while True:
            self._people.here(self._me)
            self._relay({"type": "notebook.here", "person": self._me})
            if self._people.forget_silent():
                self._tell_people()
            await asyncio.sleep(SAY_EVERY)

    async def _leave(self) -> None:
        await notices.say(self.id, {"type": "notebook.left", "by": str(self.tab)})
        if await in_thread(EditorLease.release)(self.id, self.tab):
            await self._say_changed()

    async def _say_changed(self) -> None:
        await notices.say(self.id, {"type": "notebook.changed", "by": str(self.tab)})
        self.look()

    async def tell(self, problem: Problem, about: str | None = None) -> None:
        self._queue({"channel": "notebook", "type": "error", "code": problem.code, "message": problem.message})

    # --- in ---

    async def heard(self, data: str | bytes) -> None:
        if not self._bucket.take():
            raise Closed(4429, "Too much at once: connect again in a moment.")
        message = messages.parse(data)
        match message:
            case messages.Ping():
                self._queue({"channel": "notebook", "type": "pong"})
            case messages.Resync():
                self._relay({"type": "notebook.flush", "name": None})
            case _:
                await self._edit(message)

    async def _edit(self, message: messages.AnyMessage) -> None:
        if self._right < Right.EDIT:
            raise problems.NotAllowed("You may look at this notebook, and not change it: ask its owner.", "read_only")
        try:
            match message:
                case messages.Edit(seq=seq, ops=ops):
                    self._pass_on(seq, ops)
                case messages.Take(over=over):
                    await self._take(over=over)
                case messages.Release():
                    await in_thread(EditorLease.release)(self.id, self.tab)
                    await self._say_changed()
                case messages.Beat(typing=typing):
                    if not await in_thread(EditorLease.renew)(self.id, self.tab, typing=typing):
                        self.look()
        except DatabaseError as error:
            raise problems.Unavailable("The database does not answer: try again in a moment.") from error

    def _pass_on(self, seq: int, ops: list[Any]) -> None:
        if not self._edits:
            raise problems.Conflict("Somebody else edits this notebook: take over first.", "not_editing")
        self._relay({"type": "notebook.edit", "seq": seq, "ops": messages.plain(ops)})

    async def _take(self, *, over: bool) -> None:
        user = self.actor.user.pk
        if await in_thread(EditorLease.take)(self.id, self.tab, user):
            await self._say_changed()
        elif not over:
            self.look()
        elif await in_thread(EditorLease.wish)(self.id, self.tab, user):
            await self._say_changed()
            await notices.say(self.id, {"type": "notebook.flush", "by": str(self.tab), "name": self._me["name"]})
            self.spawn(self._take_over(user))
        else:
            raise problems.Conflict("Somebody else is just taking over: try again in a moment.", "busy")

    async def _take_over(self, user: int) -> None:
        """The holder lets go when it has saved. From one that says nothing it is taken."""
        await asyncio.sleep(GRACE.total_seconds() + 0.1)
        if await in_thread(EditorLease.take_over)(self.id, self.tab, user):
            await self._say_changed()
