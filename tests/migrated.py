"""A database with all tables and nothing in them: migrated once for a run of tests, and copied by all who need one.

The migrations take ten seconds of a core, and a run starts some twenty installations. What tests them is
tests/unit/test_usage_migrations.py, the first start of tests/integration/test_run.py, and whatever makes this one.
"""

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
# Where the whole run keeps it; set by tests/settings.py.
KEPT = "THERMAE_TEST_MIGRATED"


def prepare() -> None:
    """An installation without people, pools and images, by the settings of this process."""
    from django.core.management import call_command
    from django.db import connection

    if connection.vendor == "sqlite" and KEPT in os.environ:
        copy_to(Path(connection.settings_dict["NAME"]))
    else:
        call_command("migrate", verbosity=0, interactive=False)
    call_command("collectstatic", verbosity=0, interactive=False)


def put_back_what_a_flush_takes() -> None:
    """Content types and permissions, after each test that emptied all tables: as they were, by two statements.

    Django's own way looks for them model by model, which takes longer than most of these tests.
    """
    from django.apps import apps
    from django.contrib.auth.models import Permission
    from django.contrib.contenttypes.management import create_contenttypes
    from django.contrib.contenttypes.models import ContentType
    from django.db.models.signals import post_migrate

    rows = {model: list(model.objects.all()) for model in (ContentType, Permission)}
    assert all(rows.values())

    def put_back(using: str, **_: Any) -> None:
        for model, all_of_it in rows.items():
            model.objects.using(using).bulk_create(all_of_it, ignore_conflicts=True)

    assert post_migrate.disconnect(create_contenttypes)
    assert post_migrate.disconnect(dispatch_uid="django.contrib.auth.management.create_permissions")
    post_migrate.connect(put_back, sender=apps.get_app_config("contenttypes"), weak=False)


def copy_to(database: Path) -> None:
    """Put an SQLite database there, which nobody has open yet."""
    kept = Path(os.environ[KEPT])
    with kept.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # one process makes it, and the others of the run wait
        if not kept.exists():
            _make(kept)
    shutil.copyfile(kept, database)


def _make(kept: Path) -> None:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("THERMAE_", "DJANGO_"))}
    with tempfile.TemporaryDirectory(dir=kept.parent) as folder:
        environment = {**clean, "THERMAE_STATE_DIR": folder, "THERMAE_RUNTIME": "memory"}
        done = subprocess.run(
            [sys.executable, "manage.py", "migrate", "-v0"],
            cwd=ROOT, env=environment, capture_output=True, text=True, timeout=100,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        made = Path(folder) / "db.sqlite3"
        # The last connection that ends writes its log into the file: a copy of the file is a copy of all.
        assert not made.with_name("db.sqlite3-wal").exists()
        made.rename(kept)
