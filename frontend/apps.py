from django.apps import AppConfig


class FrontendConfig(AppConfig):
    name = "frontend"

    def ready(self) -> None:
        from frontend import checks, keeping  # noqa: F401  which register a system check, and listen to deletions
