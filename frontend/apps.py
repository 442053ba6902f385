from django.apps import AppConfig


class FrontendConfig(AppConfig):
    name = "frontend"
    verbose_name = "Notebooks"

    def ready(self) -> None:
        # They register a system check, and listen to deletions, to changes, and to sessions that end.
        from frontend import auditing, checks, departing, keeping, owning, tasks  # noqa: F401
        from frontend.access import usable_sessions
        from interpreters.sessions.guards import guard

        guard("notebook-", usable_sessions)
