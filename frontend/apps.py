from django.apps import AppConfig


class FrontendConfig(AppConfig):
    name = "frontend"

    def ready(self) -> None:
        from frontend import checks, keeping, owning  # noqa: F401  which register, and listen to deletions
        from frontend.access import may_use_session
        from interpreters.sessions.guards import guard

        guard("notebook-", may_use_session)
