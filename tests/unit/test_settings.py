"""Settings come from the environment, and a wrong one stops the start with a message."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PRODUCTION = {
    "THERMAE_PRODUCTION": "true",
    "THERMAE_SECRET_KEY": "x" * 50,
    "THERMAE_DATABASE_URL": "postgres://thermae@localhost/thermae",
}


def read(expression: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Print an expression over the settings, in a process of its own."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("THERMAE_")}
    code = f"from project import settings; print({expression})"
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**clean, "THERMAE_STATE_DIR": str(folder), **environment},
        cwd=ROOT, capture_output=True, text=True, timeout=30,
    )  # fmt: skip


def test_the_secret_key_is_made_once_and_kept_from_others(tmp_path: Path) -> None:
    first, second = read("settings.SECRET_KEY", tmp_path), read("settings.SECRET_KEY", tmp_path)
    assert first.stdout == second.stdout
    assert len(first.stdout.strip()) >= 50
    assert (tmp_path / "secret_key").stat().st_mode & 0o777 == 0o600


def test_what_make_run_decided_is_taken_by_other_commands_unless_the_environment_says_else(tmp_path: Path) -> None:
    (tmp_path / "run.env").write_text("THERMAE_RUNTIME='bubblewrap'\n")
    assert read("settings.RUNTIME", tmp_path).stdout.strip() == "bubblewrap"
    assert read("settings.RUNTIME", tmp_path, THERMAE_RUNTIME="docker").stdout.strip() == "docker"


def test_production_takes_nothing_from_a_run_on_a_laptop(tmp_path: Path) -> None:
    (tmp_path / "run.env").write_text("THERMAE_RUNTIME='bubblewrap'\n")
    assert read("settings.RUNTIME", tmp_path, **PRODUCTION).stdout.strip() == "docker"


def test_sqlite_waits_for_locks_and_takes_them_at_once(tmp_path: Path) -> None:
    options = read("settings.DATABASES['default']['OPTIONS']", tmp_path).stdout
    assert "'transaction_mode': 'IMMEDIATE'" in options
    assert "journal_mode=WAL" in options


@pytest.mark.parametrize(
    ("environment", "complaint"),
    [
        ({"THERMAE_RUNTIME": "chroot"}, "use docker, bubblewrap or memory"),
        ({"THERMAE_ALLOWED_OCI_RUNTIMES": "runsc,../x"}, "names as the engine knows them"),
        ({"THERMAE_PARALLEL_LAUNCHES": "many"}, "PARALLEL_LAUNCHES"),
        ({"THERMAE_LOG_FORMAT": "xml"}, "LOG_FORMAT"),
        ({"THERMAE_ALLOWED_REGISTRIES": "https://ghcr.io"}, "ALLOWED_REGISTRIES"),
        ({"THERMAE_BUILD_NETWORK": "open"}, "BUILD_NETWORK"),
        ({"THERMAE_PREVIEW_HOST": "not a host"}, "give a domain"),
        ({"THERMAE_PREVIEW_HOST": "example.org", "THERMAE_ALLOWED_HOSTS": "app.example.org"}, "shares a domain"),
        ({"THERMAE_PREVIEW_HOST": "p.example.org", "THERMAE_ALLOWED_HOSTS": ".example.org"}, "shares a domain"),
        ({"THERMAE_PREVIEW_HOST": "p.example.org", "THERMAE_ALLOWED_HOSTS": "p.example.org"}, "shares a domain"),
        ({"THERMAE_PREVIEW_HOST": "p.example.org", "THERMAE_ALLOWED_HOSTS": "*"}, "shares a domain"),
        ({**PRODUCTION, "THERMAE_PREVIEW_HOST": "preview.localhost"}, "names this machine only"),
        ({"THERMAE_MAX_PROXY_BODY_BYTES": "-1"}, "MAX_PROXY_BODY_BYTES"),
        ({**PRODUCTION, "THERMAE_SECRET_KEY": ""}, "THERMAE_SECRET_KEY must be set"),
        ({**PRODUCTION, "THERMAE_DEBUG": "true"}, "THERMAE_DEBUG shows secrets"),
        ({**PRODUCTION, "THERMAE_RUNTIME": "bubblewrap"}, "isolates too little"),
        ({**PRODUCTION, "THERMAE_DATABASE_URL": "sqlite:////tmp/x"}, "must name a PostgreSQL database"),
    ],
)
def test_a_wrong_setting_stops_the_start_and_says_why(
    tmp_path: Path, environment: dict[str, str], complaint: str
) -> None:
    done = read("1", tmp_path, **environment)
    assert done.returncode != 0
    assert complaint in done.stderr
