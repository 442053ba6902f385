from django.apps import AppConfig


class InterpretersConfig(AppConfig):
    name = "interpreters"

    def ready(self) -> None:
        # They listen to changes of sessions and members, whoever makes them.
        from interpreters import auditing, departing, notices, tasks  # noqa: F401
