from django.apps import AppConfig


class FrontendConfig(AppConfig):
    name = "frontend"

    def ready(self) -> None:
        from frontend import checks, departing, keeping  # noqa: F401  which register a check, and listen
        from frontend.access import may_use_session
        from interpreters.sessions.guards import guard

        guard("notebook-", may_use_session)
