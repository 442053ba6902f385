"""`manage.py maintain_pools`: one tick by hand, without a worker: look, launch, tear down, and say what was done."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from interpreters.lifecycle import State
from interpreters.models import Session, SessionPool
from interpreters.outputs import collect_sync
from interpreters.runtime import Runtime, RuntimeUnavailable, get_runtime
from interpreters.tasks import ask_agents


class Command(BaseCommand):
    help = "Bring every pool to what it should be, once, in this process. Safe beside running workers."

    def handle(self, **options: Any) -> None:
        try:
            self._maintain(get_runtime())
        except RuntimeUnavailable as silence:
            raise CommandError(f"The engine does not answer, so nothing was decided: {silence}") from silence

    def _maintain(self, runtime: Runtime) -> None:
        SessionPool.objects.remove_strays(runtime)
        for pool in SessionPool.objects.select_related("image"):
            plan = pool.maintain(runtime, ask_agents)
            ends = ", ".join(f"{end.session} ({end.reason})" for end in plan.ends) or "nothing"
            self.stdout.write(f"{pool}: launching {plan.launch}, ending {ends}, {len(plan.orphans)} orphans removed")
        for session in Session.objects.filter(state=State.STOPPING).select_related("pool"):
            session.tear_down(runtime, collect_sync)
        while queued := Session.objects.claim_queued():
            queued.launch(runtime, ask_agents)
            self.stdout.write(f"{queued.pool}: {queued.id} is {queued.state} {queued.detail}".rstrip())
