"""Fixtures that every tier shares. Who is who: alice and bob work at acme, charlie belongs to another tenant."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from hypothesis import HealthCheck, settings

from tests import capabilities, migrated
from tests.groups import ByGroup
from tests.services import PostgresCluster, RedisServer

# How long an example takes says something of the machine only.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--require",
        default="",
        metavar="docker,redis,…",
        help="capabilities that must be there: a test that needs one fails where it would be skipped",
    )


def pytest_configure(config: pytest.Config) -> None:
    unknown = _required(config) - set(capabilities.CHECKS)
    if unknown:
        raise pytest.UsageError(f"--require: unknown {', '.join(sorted(unknown))}")


def pytest_sessionfinish(session: pytest.Session) -> None:
    remove_labelled_containers()
    remove_images()
    shutil.rmtree(os.environ["THERMAE_STATE_DIR"], ignore_errors=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        # Real engines, kernels and browsers on a busy machine of two cores: a second try, which the summary counts.
        if any(folder in item.nodeid for folder in ("/acceptance/", "/integration/", "/contracts/")):
            item.add_marker(pytest.mark.flaky(reruns=2))


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByGroup:
    return ByGroup(config, log)


def pytest_runtest_setup(item: pytest.Item) -> None:
    for name in capabilities.CHECKS:
        if item.get_closest_marker(name):
            _need(name, item.config)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report: Any = yield
    if report.when == "call" and report.failed and item.get_closest_marker("docker"):
        report.sections.append(("sandboxes of this run", describe_labelled_containers()))
        stack = item.funcargs.get("stack") if isinstance(item, pytest.Function) else None
        if stack:
            report.sections.append(("last words of the stack", stack.last_words()))
    return report


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """A second try that succeeds hides a fault, of a test or of ours: why the first failed is told all the same."""
    for report in terminalreporter.stats.get("rerun", ()):
        terminalreporter.section(f"first tried in vain: {report.nodeid}", sep="-")
        terminalreporter.line("\n".join(report.longreprtext.splitlines()[-25:]))


def _required(config: pytest.Config) -> set[str]:
    return {name for name in config.getoption("--require").split(",") if name}


def _need(name: str, config: pytest.Config) -> None:
    reason = capabilities.missing(name)
    if reason is None:
        return
    if name in _required(config):
        pytest.fail(f"--require {name}: {reason}", pytrace=False)
    pytest.skip(reason)


# --- Containers of this run, and only of this run ------------------------------------------------------------


def _docker(*arguments: str) -> str:
    if shutil.which("docker") is None or capabilities.missing("docker"):
        return ""
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, timeout=60).stdout


def _labelled() -> list[str]:
    # Integration tests may add a suffix to the run's own name for an installation of their own.
    prefix = os.environ["THERMAE_INSTALLATION"]
    rows = _docker("ps", "-a", "--format", '{{.ID}} {{.Label "thermae.installation"}}').splitlines()
    return [row.split()[0] for row in rows if row.partition(" ")[2].startswith(prefix)]


def remove_labelled_containers() -> None:
    containers = _labelled()
    if containers:
        _docker("rm", "-f", *containers)


def remove_images() -> None:
    """What tests uploaded and built, with the stages of builds. Their names begin with the run's own."""
    ours = tuple(f"thermae-{kind}/{os.environ['THERMAE_INSTALLATION']}" for kind in ("build", "upload"))
    names = [
        name for name in _docker("images", "--format", "{{.Repository}}:{{.Tag}}").split() if name.startswith(ours)
    ]
    if names:
        _docker("rmi", *names)
    for installation in (os.environ["THERMAE_INSTALLATION"], f"{os.environ['THERMAE_INSTALLATION']}-stack"):
        stages = ("--quiet", "--filter", "dangling=true", "--filter", f"label=thermae.build={installation}")
        if left := _docker("images", *stages).split():
            _docker("rmi", *left)


def describe_labelled_containers() -> str:
    form = "{{.Name}} {{json .State}} {{json .Config.Labels}}"
    return "\n".join(
        f"{_docker('inspect', '--format', form, container)}{_docker('logs', '--tail', '20', container)}"
        for container in _labelled()
    )


# --- Services ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def redis_server(request: pytest.FixtureRequest) -> Iterator[RedisServer]:
    """A Redis of our own, on a free loopback port; `.url`, `.stop()` and `.start()` for what restarts it."""
    _need("redis", request.config)
    binary = capabilities.redis_binary()
    assert binary
    with RedisServer(binary) as server:
        yield server


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    return redis_server.url


@pytest.fixture(scope="session")
def postgres_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """An empty PostgreSQL database: of a private cluster, or what THERMAE_TEST_POSTGRES_URL names."""
    _need("postgres", request.config)
    given = os.environ.get("THERMAE_TEST_POSTGRES_URL")
    if given:
        yield given
        return
    folder = capabilities.postgres_folder()
    assert folder
    with PostgresCluster(Path(folder)) as cluster:
        yield cluster.url


@pytest.fixture(scope="session")
def stack(request: pytest.FixtureRequest) -> Iterator[Any]:
    """Everything that `make run` starts, in a folder of its own, with real containers; see tests/stack.py."""
    _need("redis", request.config)
    _need("docker", request.config)
    from tests.stack import Stack

    with Stack() as running:
        yield running


@pytest.fixture
def short_dir() -> Iterator[Path]:
    """A folder with a short path: a Unix socket's may have 107 bytes."""
    folder = Path(tempfile.mkdtemp(prefix="thm-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def django_db_keepdb(request: pytest.FixtureRequest, django_db_modify_db_settings: None) -> bool:
    """Tests find their tables made, where those of the whole run's first process can be copied."""
    from django.db import connection

    if connection.vendor != "sqlite":
        return bool(request.config.getvalue("reuse_db"))
    migrated.copy_to(Path(connection.settings_dict["TEST"]["NAME"]))
    return True


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> None:
    """Tests empty every table, the audit log too; test_audit has its guards back."""
    from django.db.models.signals import post_migrate

    from tenants import append_only

    post_migrate.disconnect(sender=apps.get_app_config("tenants"), dispatch_uid="audit is append-only")
    with django_db_blocker.unblock():
        append_only.unguard_for_tests()
        migrated.put_back_what_a_flush_takes()


# --- People and pools ----------------------------------------------------------------------------------------


@pytest.fixture
def acme(db: None) -> Any:
    from tenants.models import Tenant

    return Tenant.objects.create(name="Acme", slug="acme")


@pytest.fixture
def other(db: None) -> Any:
    from tenants.models import Tenant

    return Tenant.objects.create(name="Other", slug="other")


@pytest.fixture
def member(db: None) -> Callable[..., Any]:
    """Make a person in a tenant: `member(acme, "dave", role="viewer")`."""
    from django.contrib.auth import get_user_model

    from tenants.models import Membership

    def make(tenant: Any, name: str, role: str = "member") -> Any:
        user = get_user_model().objects.create_user(name, f"{name}@example.com", "secret")
        Membership.objects.create(tenant=tenant, user=user, role=role)
        return user

    return make


@pytest.fixture
def alice(acme: Any, member: Callable[..., Any]) -> Any:
    return member(acme, "alice", "owner")


@pytest.fixture
def bob(acme: Any, member: Callable[..., Any]) -> Any:
    return member(acme, "bob")


@pytest.fixture
def charlie(other: Any, member: Callable[..., Any]) -> Any:
    return member(other, "charlie", "owner")


@pytest.fixture
def token(db: None) -> Callable[..., str]:
    """Issue a token and return its secret: `token(alice)`, `token(alice, scopes=[…])`."""
    from tenants.models import ApiToken

    def issue(user: Any, **fields: Any) -> str:
        fields.setdefault("tenant", user.memberships.get().tenant)
        fields.setdefault("name", "test")
        return ApiToken.issue(user=user, **fields)[1]

    return issue


@pytest.fixture
def python_image(db: None) -> Any:
    from interpreters.models import InterpreterImage

    return InterpreterImage.objects.create(
        name="python", language="Python", source="python", kernel="python3", state=InterpreterImage.State.READY,
        reference="thermae/python:test",
    )  # fmt: skip


@pytest.fixture
def pool(python_image: Any) -> Any:
    """A pool shared by all tenants."""
    from interpreters.models import SessionPool

    return SessionPool.objects.create(name="python", image=python_image, ready_instances=2, max_concurrent=5)
