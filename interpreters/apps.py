from django.apps import AppConfig


class InterpretersConfig(AppConfig):
    name = "interpreters"

    def ready(self) -> None:
        # They listen to changes of sessions, whoever makes them.
        from interpreters import auditing, erasure_tasks, notices, owning, tasks, webhook_tasks  # noqa: F401
