from django.apps import AppConfig


class InterpretersConfig(AppConfig):
    name = "interpreters"
    verbose_name = "Pools and sessions"

    def ready(self) -> None:
        # They listen to changes of sessions, whoever makes them.
        from interpreters import auditing, notices, tasks  # noqa: F401
