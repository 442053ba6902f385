"""What the WebSockets of a session have in common: its row is watched, and they end when it does."""

from abc import abstractmethod
from collections.abc import AsyncGenerator
from typing import Any
from uuid import UUID

from interpreters import sessions
from interpreters.client import forget_agent
from interpreters.consumers.socket import Closed, Receive, Scope, Send, Socket
from interpreters.lifecycle import State
from interpreters.models import Session
from interpreters.sessions import access
from tenants.authentication import Actor

Found = tuple[Session, dict[str, Any]]


class SessionSocket(Socket[Found]):
    session: Session

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        super().__init__(scope, receive, send)
        self.id: UUID | None = scope["url_route"]["kwargs"].get("session")

    @abstractmethod
    async def changed(self, state: dict[str, Any]) -> None:
        """The session's row was looked at."""

    def look_up(self, actor: Actor) -> Session:
        """The session, if who asks may use it. Raises Problem."""
        assert self.id
        return access.find(actor, self.id)

    def find(self, actor: Actor) -> Found:
        session = self.look_up(actor)
        return session, sessions.describe(session)

    async def found(self, what: Found) -> None:
        session, state = what
        if not hasattr(self, "session"):
            self.session, self.id = session, session.pk
        # Followers hold the same object.
        self.session.state, self.session.reason = session.state, session.reason
        await self.changed(state)
        if session.state == State.GONE:
            await forget_agent(session.pk)
            raise Closed(4409, session.message)

    def looks(self) -> AsyncGenerator[None, None]:
        return sessions.changes(self.session.pk, news=self.news)
