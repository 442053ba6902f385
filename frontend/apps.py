from django.apps import AppConfig


class FrontendConfig(AppConfig):
    name = "frontend"
    verbose_name = "Notebooks"

    def ready(self) -> None:
        from frontend import checks, keeping  # noqa: F401  which register a system check, and listen to deletions
        from frontend.access import may_use_session
        from interpreters.sessions.guards import guard

        guard("notebook-", may_use_session)
