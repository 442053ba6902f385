"""Which tests run in one process when there are several, and which of those groups begin first."""

from typing import Any

from xdist.scheduler import LoadScopeScheduling

# They put the same images on the engine, and remove them.
OF_IMAGES = ("custom_containers", "image_uploads", "images_journey", "registries", "third_party", "churn", "isolation")
# What takes minutes begins first, the longest before the others, so that none of it is left to run alone at the end.
LONGEST = ("images", "browser", *(f"tests/integration/test_{name}.py" for name in (
    "compose", "run", "faults_services", "workers_postgres", "run_bubblewrap", "images", "proxy", "doctor",
    "workers_crash",
)))  # fmt: skip


def group(nodeid: str) -> str:
    """What must run in one process: a module, whose fixtures take long; the browser's; and all that load images."""
    module = nodeid.split("::")[0]
    if module.startswith("tests/acceptance/test_container") or any(f"test_{name}" in module for name in OF_IMAGES):
        return "images"
    if module.startswith("tests/acceptance/"):
        return "browser"
    return module if "/integration/" in module else ""


class ByGroup(LoadScopeScheduling):
    """Of several processes. Not by xdist's own marks of groups: pytest 9 does not let it write them into names."""

    def _split_scope(self, nodeid: str) -> str:
        return group(nodeid) or nodeid

    def _assign_work_unit(self, node: Any) -> None:
        if not any(self.assigned_work.values()):
            # The first of all. xdist's own order is by the number of tests, which would leave the longest for last.
            for scope in reversed(LONGEST):
                if scope in self.workqueue:
                    self.workqueue.move_to_end(scope, last=False)
        super()._assign_work_unit(node)
