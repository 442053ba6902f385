from django.apps import AppConfig


class InterpretersConfig(AppConfig):
    name = "interpreters"
    verbose_name = "Pools and sessions"

    def ready(self) -> None:
        # They listen to changes of sessions and members, whoever makes them; and say what tenants use and keep.
        from interpreters import auditing, departing, erasure_tasks, notices, owning, tasks, upkeep_tasks, webhook_tasks  # noqa: F401  # noqa: F401
        from interpreters.metering import measures, stored  # noqa: F401
