"""What is said about races, leases and lives of sessions holds on PostgreSQL as it does on SQLite."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.postgres, pytest.mark.timeout(600)]
ROOT = Path(__file__).resolve().parents[2]
SAME = (
    "tests/integration/test_races.py",
    "tests/unit/test_pool_lease.py",
    "tests/unit/test_session_lifecycle.py",
    "tests/unit/test_authentication.py",
    "tests/unit/test_audit.py",
    "tests/unit/test_tenant_quotas.py",
    "tests/unit/test_people.py::test_of_two_owners_who_go_at_once_one_stays",
    "tests/unit/test_people.py::test_notebooks_go_to_the_heir_with_trash_sessions_outputs_and_files",
    "tests/unit/test_invitations.py::test_of_many_who_accept_at_once_one_joins",
    "tests/unit/test_month_quotas.py",
    "tests/unit/test_storage_quota.py",
    "tests/unit/test_usage.py",
    "tests/unit/test_usage_migrations.py",
    "tests/unit/test_pool_line.py",
    "tests/properties/test_pool.py",
)


def test_the_same_holds_on_postgresql(postgres_url: str) -> None:
    ours = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    environment = {**ours, "THERMAE_TEST_DATABASE_URL": postgres_url, "HYPOTHESIS_STORIES": "5"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--create-db", *SAME]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=540)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
