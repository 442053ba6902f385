from typing import Any

from django.core.checks import CheckMessage, Warning, register

from frontend.assets import BUILD_COMMAND, NotBuilt, manifest


@register("frontend")
def front_end_is_built(**_: Any) -> list[CheckMessage]:
    """A warning and not an error: a worker, or a migration, needs no pages."""
    try:
        manifest()
    except NotBuilt:
        hint = f"Run: {BUILD_COMMAND}"
        return [Warning("The front end is not built: no page will load.", hint=hint, id="frontend.W001")]
    return []
