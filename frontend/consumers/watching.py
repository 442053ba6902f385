"""`/ws/notebooks/<id>/session`: the log of a notebook's session for those who may look on, and run nothing."""

from frontend.access import find_notebook
from frontend.consumers.notebook import GONE
from frontend.executions import newest_session
from interpreters.consumers import messages
from interpreters.consumers.channels import Channels
from interpreters.models import Session
from interpreters.sessions import problems
from tenants.authentication import Actor


class Watch(Channels):
    """It stays with the session that it found; the notebook's own WebSocket tells of the next one."""

    def look_up(self, actor: Actor) -> Session:
        found = find_notebook(actor, self.scope["url_route"]["kwargs"]["notebook_id"])
        if found is None:
            raise problems.NotFound(GONE)
        notebook, _ = found
        if self.id is None:
            session = newest_session(notebook)
        else:
            rows = Session.objects.filter(pk=self.id, tenant=notebook.tenant_id, identifier=notebook.identifier)
            session = rows.select_related("pool__image").first()
        if session is None:
            raise problems.Ended("This notebook has no session now.")
        return session

    async def heard(self, data: str | bytes) -> None:
        message = messages.parse(data)
        if not isinstance(message, messages.Ping | messages.WatchUsage):
            raise problems.NotAllowed("You may look on, and run nothing: ask the owner of the notebook.", "read_only")
        await self._obey(message, None)
