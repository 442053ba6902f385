"""The project's settings for tests: nothing outside a temporary folder, nothing that needs a service.

The environment is set before the project's settings are read. Tests of a whole running stack give their processes an
environment of their own (`tests/stack.py`).
"""

import os
import tempfile
import uuid

# An installation's own variables must not reach the tests; these say how to test, and stay.
TESTS_OWN = ("THERMAE_TEST_DATABASE_URL", "THERMAE_TEST_POSTGRES_URL")
KEPT = ("THERMAE_BUILD_CA_BUNDLE", "THERMAE_DOCKER_HOST", *TESTS_OWN)
if "PYTEST_XDIST_WORKER" in os.environ:  # a worker has a folder and sandboxes of its own, within its controller's
    worker = os.environ["PYTEST_XDIST_WORKER"]
    if not os.environ["THERMAE_INSTALLATION"].endswith(worker):
        os.environ["THERMAE_INSTALLATION"] += f"-{worker}"
        os.environ["THERMAE_STATE_DIR"] += f"/{worker}"
else:
    for name in [name for name in os.environ if name.startswith("THERMAE_") and name not in KEPT]:
        del os.environ[name]
    os.environ["THERMAE_STATE_DIR"] = tempfile.mkdtemp(prefix="thermae-tests-")
    os.environ["THERMAE_INSTALLATION"] = f"test-{uuid.uuid4().hex[:12]}"
    os.environ["THERMAE_RUNTIME"] = "memory"
    os.environ["THERMAE_TEST_MIGRATED"] = os.environ["THERMAE_STATE_DIR"] + "/migrated.sqlite3"
    # As `make run` does: a network whose proxy ends TLS has its authority where this shell has it.
    if bundle := os.environ.get("PIP_CERT") or os.environ.get("SSL_CERT_FILE"):
        os.environ.setdefault("THERMAE_BUILD_CA_BUNDLE", bundle)
    if os.environ.get("THERMAE_TEST_DATABASE_URL"):
        os.environ["THERMAE_DATABASE_URL"] = os.environ["THERMAE_TEST_DATABASE_URL"]

from project.settings import *  # noqa: E402, F403
from project.settings import CACHES, DATABASES, STATE_DIR, STATIC_ROOT  # noqa: E402

CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
# Tests that count attempts begin at none (tests/unit/conftest.py).
CACHES = {"default": {**CACHES["default"], "BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
# A broker that answers nobody: a test that forgets to look at what it enqueues does not wait for Redis.
CELERY_BROKER_URL = "memory://"
STATIC_ROOT.mkdir(parents=True, exist_ok=True)
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    # A file, as in service: threads wait for each other's locks, where a shared memory database refuses them.
    DATABASES["default"]["TEST"] = {"NAME": str(STATE_DIR / "test.sqlite3")}
    DATABASES["default"]["OPTIONS"]["init_command"] = "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF;"
