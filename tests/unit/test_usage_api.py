"""Usage by REST, as CSV, in the admin and on a person's page: each shows what is for who asks, and nobody else's."""

import csv
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from typing import Any

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.test import AsyncClient, Client

from interpreters.lifecycle import Reason, State
from interpreters.models import Session, SessionPool, SessionUsage
from tenants import quotas
from tenants.models import Membership, QuotaLevel, Tenant
from tests.clock import Clock
from tests.edges import Caller

pytestmark = pytest.mark.django_db
USAGE = {"scopes": ["usage:read"]}


@pytest.fixture(autouse=True)
def nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("celery.app.task.Task.apply_async", lambda *_, **__: None)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


@pytest.fixture
def used(clock: Clock, pool: Any) -> Callable[..., Session]:
    """A session that lasted so many seconds."""

    def use(user: Any, identifier: str, seconds: float, of: Any = None) -> Session:
        found = of or pool
        found.sessions.create(state=State.READY, pool_revision=found.revision)
        tenant = user.memberships.get().tenant
        session: Session = found.lease(tenant, user, identifier).session
        clock.shift(seconds)
        session.end(Reason.CLOSED)
        return session

    return use


def bearer_client(secret: str) -> Callable[[str], Any]:
    client = Client(headers={"Authorization": f"Bearer {secret}"})
    return lambda path: client.get(f"/api/v1{path}")


# --- REST ---


def test_usage_of_this_month_with_what_is_left(used: Any, acme: Any, alice: Any, bob: Any, token: Any) -> None:
    Tenant.objects.filter(pk=acme.pk).update(max_session_hours=1, max_sessions=7, max_requests=100)
    used(alice, "a", 360)
    used(bob, "b", 90)
    get = bearer_client(token(alice, **USAGE))
    told = get("/usage?by=member").json()
    assert (told["since"], told["until"], told["by"]) == ("2026-11-01", "2026-12-01", "member")
    assert [(row["name"], row["sessions"], row["session_seconds"]) for row in told["rows"]] == [
        ("alice", 1, 360), ("bob", 1, 90),
    ]  # fmt: skip
    assert (told["total"]["session_seconds"], told["total"]["core_seconds"]) == (450, 450)
    found = {each["quota"]: each for each in told["quotas"]}
    assert (
        found["max_session_hours"]["used"] == found["max_session_hours"]["value"] - found["max_session_hours"]["left"]
    )
    assert found["max_session_hours"]["left"] == 0.875
    assert found["max_session_hours"]["frees_at"] == datetime(2026, 12, 1, tzinfo=UTC).timestamp()
    assert (found["max_sessions"]["used"], found["max_requests"]["used"]) == (0, None)


@pytest.mark.parametrize(
    ("by", "names"), [("month", ["2026-11"]), ("day", ["2026-11-10"]), ("pool", ["python"]), ("member", ["alice"])]
)
def test_sums_by_each(used: Any, alice: Any, token: Any, by: str, names: list[str]) -> None:
    used(alice, "a", 5)
    rows = bearer_client(token(alice, **USAGE))(f"/usage?by={by}").json()["rows"]
    assert [row["name"] for row in rows] == names


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("since=2026-11-02&until=2026-11-02", "must be later"),
        ("since=2026-11-02&until=2026-10-02", "must be later"),
        ("since=1000-01-01&until=2026-01-01", "at most 3660 days"),
        ("since=yesterday", "since"),
        ("by=tenant", "by"),
    ],
)
def test_a_period_that_makes_no_sense_is_refused_in_words(alice: Any, token: Any, query: str, told: str) -> None:
    for path in ("/usage", "/usage.csv"):
        if path == "/usage.csv" and query.startswith("by"):
            continue
        answer = bearer_client(token(alice, **USAGE))(f"{path}?{query}")
        assert answer.status_code == 400
        assert told in answer.json()["message"]


@pytest.mark.parametrize(
    ("since", "until", "days"),
    [
        ("2026-10-05", None, ("2026-10-05", "2026-12-01")),
        (None, "2026-10-05", ("2026-10-01", "2026-10-05")),
        (None, "2026-11-20", ("2026-11-01", "2026-11-20")),
    ],
)
def test_one_end_of_a_period_is_enough(
    clock: Clock, alice: Any, token: Any, since: str | None, until: str | None, days: tuple[str, str]
) -> None:
    asked = {name: value for name, value in (("since", since), ("until", until)) if value}
    query = "&".join(f"{name}={value}" for name, value in asked.items())
    told = bearer_client(token(alice, **USAGE))(f"/usage?{query}").json()
    assert (told["since"], told["until"]) == days


@pytest.mark.parametrize("path", ["/usage", "/usage.csv"])
def test_members_and_tokens_without_the_scope_are_told_so(path: str, alice: Any, bob: Any, token: Any) -> None:
    for secret in (token(bob, **USAGE), token(alice)):
        answer = bearer_client(secret)(path)
        assert (answer.status_code, answer.json()["error"]) == (403, "scope_missing")
    assert Client().get(f"/api/v1{path}").status_code == 401


def lines_of(answer: Any) -> list[bytes]:
    async def read() -> bytes:
        return b"".join([part async for part in answer.streaming_content])

    return async_to_sync(read)().splitlines()


def test_another_tenant_sees_its_own_and_nothing_else(used: Any, alice: Any, charlie: Any, token: Any) -> None:
    used(alice, "a", 10)
    get = bearer_client(token(charlie, **USAGE))
    assert (get("/usage?by=member").json()["rows"], get("/usage").json()["total"]["sessions"]) == ([], 0)
    assert len(lines_of(get("/usage.csv"))) == 1


def test_a_token_of_some_pools_sees_those(used: Any, alice: Any, token: Any, python_image: Any) -> None:
    second = SessionPool.objects.create(name="second", image=python_image)
    used(alice, "a", 10)
    used(alice, "b", 20, of=second)
    get = bearer_client(token(alice, pools=["second"], **USAGE))
    assert [row["name"] for row in get("/usage?by=pool").json()["rows"]] == ["second"]
    assert get("/usage").json()["total"]["session_seconds"] == 20
    assert len(lines_of(get("/usage.csv"))) == 2


def test_everybody_sees_their_own(used: Any, alice: Any, bob: Any, token: Any) -> None:
    used(alice, "a", 10)
    used(bob, "b", 25)
    told = bearer_client(token(bob))("/usage/own").json()
    assert (told["name"], told["sessions"], told["session_seconds"]) == ("bob", 1, 25)


@pytest.mark.django_db(transaction=True)
async def test_csv_is_streamed_in_parts_and_each_session_is_in_it_once(
    acme: Any, alice: Any, token: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("interpreters.metering.export.AT_ONCE", 7)
    now = datetime.now(UTC).replace(day=1, hour=0)
    about = {"tenant": acme, "pool": "=p", "identifier": "i", "cpu": 1.0, "memory": 256}
    await SessionUsage.objects.abulk_create(
        SessionUsage(session=f"00000000-0000-0000-0000-{n:012}", started_at=now, ended_at=now, **about)
        for n in range(40)
    )
    secret = await sync_to_async(token)(alice, **USAGE)
    answer = await Caller(secret)("GET", "/usage.csv")
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    parts = [part.decode() async for part in answer.streaming_content]
    assert len(parts) == 7
    rows = list(csv.DictReader("".join(parts).splitlines()))
    assert (len({row["session"] for row in rows}), len(rows)) == (40, 40)
    assert {row["pool"] for row in rows} == {"'=p"}, "no formula for a spreadsheet"


# --- The admin ---


def signed_in(user: Any) -> Client:
    client = Client()
    client.force_login(user)
    return client


def test_the_admins_page_of_a_tenant(used: Any, acme: Any, alice: Any) -> None:
    Tenant.objects.filter(pk=acme.pk).update(max_session_hours=0.01, max_stored=10, max_requests=5)
    used(alice, "a", 36)
    page = signed_in(alice).get(f"/admin/interpreters/sessionusage/tenants/{acme.pk}/").content.decode()
    for words in ("Session hours", "0.01", "(reached)", "2026-12-01 00:00 UTC", "10 MiB", "each minute", "alice"):
        assert words in page
    assert "1 session, 0.01 hours" in page
    assert "Usage and quotas" in signed_in(alice).get(f"/admin/tenants/tenant/{acme.pk}/change/").content.decode()
    listed = signed_in(alice).get("/admin/interpreters/sessionusage/").content.decode()
    assert "Acme: month and quotas" in listed


def test_an_administrator_takes_a_month_as_csv(used: Any, acme: Any, alice: Any) -> None:
    used(alice, "a", 36)
    address = f"/admin/interpreters/sessionusage/tenants/{acme.pk}/export"
    for month, lines in (("2026-11", 2), ("2026-10", 1), ("nonsense", 2)):
        answer = signed_in(alice).get(f"{address}?month={month}")
        assert len(b"".join(answer).splitlines()) == lines


@pytest.mark.django_db(transaction=True)
async def test_the_csv_of_the_admin_is_sent_as_it_is_read(
    used: Any, acme: Any, alice: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("interpreters.metering.export.AT_ONCE", 2)
    await sync_to_async(lambda: [used(alice, str(number), 36) for number in range(5)])()
    browser = AsyncClient()
    browser.cookies = (await sync_to_async(signed_in)(alice)).cookies
    answer: Any = await browser.get(f"/admin/interpreters/sessionusage/tenants/{acme.pk}/export?month=2026-11")
    assert answer.is_async
    assert [len(part.splitlines()) async for part in answer] == [1, 2, 2, 1]


@pytest.mark.parametrize("who", ["charlie", "bob", "nobody"])
def test_strangers_and_members_see_no_usage_in_the_admin(
    used: Any, acme: Any, alice: Any, bob: Any, charlie: Any, who: str
) -> None:
    session = used(alice, "secret-id", 36)
    client = Client() if who == "nobody" else signed_in({"charlie": charlie, "bob": bob}[who])
    base = "/admin/interpreters/sessionusage"
    for path in (f"tenants/{acme.pk}/", f"tenants/{acme.pk}/export", f"{session.pk}/change/", ""):
        answer = client.get(f"{base}/{path}")
        shown = b"" if answer.streaming else answer.content
        assert b"secret-id" not in shown
        assert b"Acme" not in shown
        if path.startswith("tenants"):
            assert answer.status_code == (404 if who == "charlie" else 302)


def test_usage_is_nobodys_to_change(used: Any, alice: Any, django_user_model: Any) -> None:
    session = used(alice, "a", 36)
    operator = django_user_model.objects.create_superuser("root")
    base = "/admin/interpreters/sessionusage"
    for client in (signed_in(operator), signed_in(alice)):
        assert client.get(f"{base}/add/").status_code == 403
        assert client.post(f"{base}/{session.pk}/delete/", {"post": "yes"}).status_code == 403
        client.post(f"{base}/{session.pk}/change/", {"member": "bob"})
    assert SessionUsage.objects.get().member == "alice"


def test_quotas_are_the_operators_to_set(acme: Any, alice: Any, django_user_model: Any) -> None:
    form = {"name": "Acme", "slug": "acme", "egress_allowed": "", "allowed_registries": "[]"}
    inline = {f"memberships-{name}": value for name, value in (("TOTAL_FORMS", 0), ("INITIAL_FORMS", 0))}
    wish = {**form, **inline, "max_session_hours": "5", "max_stored": "6", "max_requests": "7"}
    for user, set_to in ((alice, None), (django_user_model.objects.create_superuser("root"), 5)):
        signed_in(user).post(f"/admin/tenants/tenant/{acme.pk}/change/", wish)
        assert Tenant.objects.get(pk=acme.pk).max_session_hours == set_to


# --- A person's own page ---


def test_a_member_sees_their_own_and_an_owner_the_quotas(used: Any, acme: Any, alice: Any, bob: Any) -> None:
    Tenant.objects.filter(pk=acme.pk).update(max_session_hours=5, max_member_sessions=2)
    used(alice, "a", 3600)
    used(bob, "b", 7200)
    mine = signed_in(bob).get("/usage").content.decode()
    assert "November 2026" in mine
    assert "2.00" in mine
    assert "1.00" not in mine
    assert "You may have 2 sessions" in mine
    assert "Quotas of" not in mine
    owners = signed_in(alice).get("/usage").content.decode()
    assert "Quotas of Acme" in owners
    assert "1 December, 00:00 UTC" in owners


def test_who_is_nobody_is_asked_to_sign_in() -> None:
    assert Client().get("/usage")["Location"].startswith("/login")


# --- Signals ---


@pytest.fixture
def told(django_capture_on_commit_callbacks: Any) -> Iterator[list[tuple[str, str, str]]]:
    heard: list[tuple[str, str, str]] = []

    def near(tenant: Tenant, standing: quotas.Standing, **_: Any) -> None:
        heard.append(("near", tenant.slug, standing.quota))

    def reached(tenant: Tenant, standing: quotas.Standing, **_: Any) -> None:
        heard.append(("reached", tenant.slug, standing.quota))

    quotas.quota_near.connect(near)
    quotas.quota_reached.connect(reached)
    yield heard
    quotas.quota_near.disconnect(near)
    quotas.quota_reached.disconnect(reached)


@pytest.mark.django_db(transaction=True)
def test_each_crossing_is_told_once_and_the_next_month_anew(
    clock: Clock, used: Any, acme: Any, other: Any, alice: Any, told: Any
) -> None:
    Tenant.objects.update(max_session_hours=1)
    used(alice, "a", 0.79 * 3600)
    quotas.note_all()
    assert told == []
    used(alice, "b", 0.02 * 3600)
    for _ in range(3):
        quotas.note_all()
    assert told == [("near", "acme", "max_session_hours")]
    used(alice, "c", 0.2 * 3600)
    for _ in range(3):
        quotas.note_all()
    assert told[1:] == [("reached", "acme", "max_session_hours")]
    clock.move_to(datetime(2026, 12, 1, 1, tzinfo=UTC))
    quotas.note_all()
    assert len(told) == 2
    used(alice, "d", 0.85 * 3600)
    quotas.note_all()
    assert told[2:] == [("near", "acme", "max_session_hours")]


@pytest.mark.django_db(transaction=True)
def test_who_lives_at_the_limit_is_told_again_only_after_there_was_room(acme: Any, told: Any) -> None:
    def stands(used: float) -> None:
        quotas.note(acme, quotas.Standing("max_sessions", 10, used))

    for used in (10, 9, 10, 9, 8, 10):
        stands(used)
    assert told == [("reached", "acme", "max_sessions")]
    for used in (7, 8, 10):
        stands(used)
    assert told[1:] == [("near", "acme", "max_sessions"), ("reached", "acme", "max_sessions")]
    assert QuotaLevel.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_ready_instances_and_disk_are_measured_and_told_too(
    acme: Any, other: Any, alice: Any, pool: Any, python_image: Any, told: Any
) -> None:
    Tenant.objects.update(max_ready=5, max_disk=1000)
    own = SessionPool.objects.create(tenant=acme, name="own", image=python_image, disk=100)
    ready = {"pool_revision": own.revision, "state": State.READY, "disk": 100}
    for _ in range(4):
        own.sessions.create(**ready)
    pool.sessions.create(**{**ready, "pool_revision": pool.revision})  # nobody's
    pool.sessions.create(tenant=acme, user=alice, identifier="a", state=State.LEASED, disk=500)
    SessionPool.objects.update(disk=7)  # who has a sandbox keeps what it was started with
    quotas.note_all()
    assert told == [("near", "acme", "max_ready"), ("near", "acme", "max_disk")]
    found = {standing.quota: standing.used for standing in quotas.standings(Tenant.objects.get(pk=acme.pk))}
    assert found == {"max_ready": 4, "max_disk": 900}
    page = signed_in(alice).get("/usage").content.decode()
    assert "counted by the minute" not in page
    quotas.note(acme, quotas.Standing("max_disk", 1000, 900), refused=True)
    assert told[2:] == [("reached", "acme", "max_disk")]


def test_sessions_count_with_what_they_have_though_their_pool_was_changed(acme: Any, alice: Any, pool: Any) -> None:
    Tenant.objects.filter(pk=acme.pk).update(max_cpu=10, max_memory=10_000)
    about = {"tenant": acme, "user": alice, "state": State.LEASED}
    pool.sessions.create(identifier="a", cpu=2, memory=300, **about)
    pool.sessions.create(identifier="b", **about)  # from before these were kept
    SessionPool.objects.filter(pk=pool.pk).update(cpu=0.5, memory=1000)
    found = {standing.quota: standing.used for standing in quotas.standings(Tenant.objects.get(pk=acme.pk))}
    assert found == {"max_cpu": 2.5, "max_memory": 1300}


@pytest.mark.django_db(transaction=True)
async def test_a_refused_lease_is_told_at_once(acme: Any, alice: Any, pool: Any, token: Any, told: Any) -> None:
    await Tenant.objects.filter(pk=acme.pk).aupdate(max_sessions=0)
    call = Caller(await sync_to_async(token)(alice))
    answer = await call("POST", "/sessions", {"pool": "python", "identifier": "a"})
    about = answer.json()
    assert (answer.status_code, about["quota"], about["value"], about["left"]) == (429, "max_sessions", 0, 0)
    assert told == [("reached", "acme", "max_sessions")]


def test_what_a_listener_fails_on_is_told_by_the_next_who_sees_it(acme: Any) -> None:
    """And stops nobody."""
    heard: list[str] = []

    def broken(standing: Any, **_: Any) -> None:
        heard.append(standing.quota)
        if len(heard) == 1:
            raise RuntimeError

    quotas.quota_reached.connect(broken)
    try:
        for _ in range(3):
            quotas.note(acme, quotas.Standing("max_sessions", 1, 1))
    finally:
        quotas.quota_reached.disconnect(broken)
    assert heard == ["max_sessions"] * 2
    assert QuotaLevel.objects.get().level == "reached"


def test_months_of_the_admin_go_back_over_the_year(monkeypatch: pytest.MonkeyPatch) -> None:
    from interpreters.admin_usage import _following, _months

    Clock(monkeypatch).move_to(datetime(2026, 1, 31, 23, 59, tzinfo=UTC))
    monkeypatch.setattr("django.utils.timezone.now", lambda: datetime(2026, 2, 28, 12, tzinfo=UTC))
    assert _months()[:3] == ["2026-02", "2026-01", "2025-12"]
    assert (_following(date(2025, 12, 1)), _following(date(2026, 1, 1))) == (date(2026, 1, 1), date(2026, 2, 1))
    assert Membership.objects.count() == 0
