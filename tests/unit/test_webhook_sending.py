"""Deliveries are claimed, sent, tried again and given up; whoever dies or is slow holds up nobody else."""

import asyncio
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.db import connection
from django.utils import timezone
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from interpreters.models import WebhookDelivery, WebhookEndpoint
from interpreters.models.webhook import CLAIM, make_secret
from interpreters.webhooks import outbox, sending, signing
from interpreters.webhooks.retrying import DELAYS, JITTER, LONGEST_WISH, Answer, next_try
from interpreters.webhooks.sending import Sender
from tenants.models import AuditEvent
from tests.webhooks import endpoint_of

pytestmark = pytest.mark.django_db(transaction=True)

TAKEN, BROKEN = Answer(204), Answer(500)
Delivery = WebhookDelivery


class Post:
    """A receiver in memory: `answers` in turn, the last for ever."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers) or [TAKEN]
        self.sent: list[tuple[str, dict[str, str], bytes]] = []
        self.under_way: Counter[str] = Counter()
        self.most: Counter[str] = Counter()
        self.hold: asyncio.Event | None = None
        self.held = ""

    async def __call__(self, url: Any, headers: Any, body: bytes, asker: Any) -> Answer:
        name = str(url)
        self.sent.append((name, dict(headers), body))
        self.under_way[name] += 1
        self.most[name] = max(self.most[name], self.under_way[name])
        await asyncio.sleep(0)
        if self.hold is not None and self.held in name:
            await self.hold.wait()
        self.under_way[name] -= 1
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def send(post: Post) -> None:
    async_to_sync(Sender(post).send_due)()


@pytest.fixture
def endpoint(acme: Any) -> WebhookEndpoint:
    return endpoint_of(acme)


@pytest.fixture
def delivery(endpoint: WebhookEndpoint) -> WebhookDelivery:
    return outbox.write_test(endpoint)


def due_now(*_: Any) -> None:
    Delivery.objects.filter(state="pending").update(next_at=timezone.now())


# --- One delivery ---


def test_what_is_taken_is_done(endpoint: WebhookEndpoint, delivery: WebhookDelivery) -> None:
    post = Post()
    send(post)
    delivery.refresh_from_db()
    endpoint.refresh_from_db()
    assert (delivery.state, delivery.attempts, delivery.next_at, delivery.last_status) == ("delivered", 1, None, 204)
    assert (endpoint.last_status, endpoint.failing_since, endpoint.last_error) == (204, None, "")
    send(post)
    assert len(post.sent) == 1


def test_a_receiver_can_verify_it_with_somebody_elses_library(
    endpoint: WebhookEndpoint, delivery: WebhookDelivery
) -> None:
    post = Post()
    send(post)
    _, headers, body = post.sent[0]
    assert Webhook(endpoint.secret).verify(body, headers) == delivery.payload
    assert headers["webhook-id"] == delivery.message_id
    with pytest.raises(WebhookVerificationError):
        Webhook(endpoint.secret).verify(body + b" ", headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(make_secret()).verify(body, headers)


def test_during_a_rotation_both_secrets_verify_and_then_one(endpoint: WebhookEndpoint) -> None:
    former = endpoint.secret
    made = endpoint.rotate(timedelta(hours=1))
    endpoint = WebhookEndpoint.objects.get()
    headers = signing.headers("evt_1", int(timezone.now().timestamp()), b"{}", endpoint.signing_secrets)
    for secret in (former, made):
        Webhook(secret).verify(b"{}", headers)
    endpoint.former_until = timezone.now()
    assert endpoint.signing_secrets == [made]


def test_secrets_are_long_random_and_encrypted_where_they_are_kept(endpoint: WebhookEndpoint) -> None:
    assert endpoint.secret.startswith("whsec_")
    assert make_secret() != make_secret()
    with connection.cursor() as cursor:
        cursor.execute("SELECT secret FROM interpreters_webhookendpoint")
        assert endpoint.secret not in str(cursor.fetchone())


def test_each_attempt_has_the_same_id_and_body(endpoint: WebhookEndpoint, delivery: WebhookDelivery) -> None:
    post = Post(BROKEN, Answer(error="No connection could be made."), TAKEN)
    for _ in range(4):
        due_now()
        send(post)
    delivery.refresh_from_db()
    assert (delivery.state, delivery.attempts) == ("delivered", 3)
    assert [attempt["status"] for attempt in delivery.log] == [500, None, 204]
    assert len({(headers["webhook-id"], body) for _, headers, body in post.sent}) == 1
    assert "No connection" in delivery.log[1]["error"]


def test_what_nobody_takes_is_given_up_after_about_a_day(endpoint: WebhookEndpoint, delivery: WebhookDelivery) -> None:
    post = Post(BROKEN)
    for _ in range(len(DELAYS) + 3):
        due_now()
        send(post)
    delivery.refresh_from_db()
    assert (delivery.state, delivery.attempts, delivery.next_at) == ("failed", len(DELAYS) + 1, None)
    assert len(post.sent) == len(DELAYS) + 1
    assert timedelta(hours=20) < timedelta(seconds=sum(DELAYS)) < timedelta(hours=28)
    assert WebhookEndpoint.objects.get().enabled


def test_it_is_sent_again_from_the_beginning_when_asked(delivery: WebhookDelivery) -> None:
    assert not delivery.again(), "it is under way"
    post = Post(Answer(410), TAKEN)
    send(post)
    delivery.refresh_from_db()
    WebhookEndpoint.objects.update(enabled=True)
    assert delivery.again()
    send(post)
    delivery.refresh_from_db()
    assert (delivery.state, delivery.attempts, [a["status"] for a in delivery.log]) == ("delivered", 1, [410, 204])
    assert len({headers["webhook-id"] for _, headers, _ in post.sent}) == 1


# --- When next: pure ---


def test_delays_grow_with_jitter_to_either_side() -> None:
    now = timezone.now()
    for attempts, delay in enumerate(DELAYS, start=1):
        low, high = (next_try(attempts, BROKEN, now, lambda chance=chance: chance) for chance in (0, 1))
        assert (low, high) == (now + timedelta(seconds=delay * (1 - JITTER)), now + timedelta(seconds=delay * 1.2))
    assert next_try(len(DELAYS) + 1, BROKEN, now, lambda: 0.5) is None


@pytest.mark.parametrize(("wish", "waits"), [(0, 5), (3, 5), (90, 90), (10**8, LONGEST_WISH)])
def test_who_asks_us_to_wait_is_left_alone_within_reason(wish: float, waits: float) -> None:
    now = timezone.now()
    assert next_try(1, Answer(503, retry_after=wish), now, lambda: 0.5) == now + timedelta(seconds=waits)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_no_success(status: int, delivery: WebhookDelivery) -> None:
    send(Post(Answer(status)))
    delivery.refresh_from_db()
    assert (delivery.state, len(delivery.log)) == ("pending", 1)
    assert "redirects" in delivery.log[0]["error"]


# --- An endpoint that is given up ---


def test_who_says_gone_is_switched_off(endpoint: WebhookEndpoint, delivery: WebhookDelivery) -> None:
    send(Post(Answer(410)))
    endpoint.refresh_from_db()
    delivery.refresh_from_db()
    assert (endpoint.enabled, endpoint.disabled_why, delivery.state) == (False, "It answered 410 Gone.", "failed")
    event = AuditEvent.objects.get(action="webhook.disabled")
    assert (event.tenant_id, event.key, event.why) == (endpoint.tenant_id, str(endpoint.pk), "It answered 410 Gone.")


def test_days_of_nothing_but_failure_switch_it_off_and_a_success_in_between_does_not(
    endpoint: WebhookEndpoint, settings: Any
) -> None:
    settings.WEBHOOK_PATIENCE_DAYS = 2
    long_ago = timezone.now() - timedelta(days=3)
    WebhookEndpoint.objects.update(failing_since=long_ago)
    outbox.write_test(endpoint)
    send(Post(TAKEN))
    outbox.write_test(endpoint)
    send(Post(BROKEN))
    endpoint.refresh_from_db()
    assert endpoint.enabled
    assert endpoint.failing_since > long_ago
    WebhookEndpoint.objects.update(failing_since=long_ago)
    due_now()
    send(Post(BROKEN))
    endpoint.refresh_from_db()
    assert not endpoint.enabled
    assert endpoint.disabled_why.startswith("Nothing has arrived since")
    assert AuditEvent.objects.filter(action="webhook.disabled").count() == 1


def test_what_waits_is_held_while_it_is_off(endpoint: WebhookEndpoint, delivery: WebhookDelivery) -> None:
    WebhookEndpoint.objects.update(enabled=False)
    post = Post()
    send(post)
    assert post.sent == []
    endpoint.refresh_from_db()
    endpoint.enabled = True
    endpoint.full_clean()
    endpoint.save()
    send(post)
    assert len(post.sent) == 1


def test_to_turn_it_on_forgets_how_long_it_failed(endpoint: WebhookEndpoint) -> None:
    WebhookEndpoint.objects.update(enabled=False, disabled_why="x", failing_since=timezone.now() - timedelta(days=9))
    endpoint.refresh_from_db()
    endpoint.enabled = True
    endpoint.full_clean()
    assert (endpoint.failing_since, endpoint.disabled_why) == (None, "")


# --- Many at once, and what dies ---


def test_of_many_who_claim_an_attempt_one_has_it(delivery: WebhookDelivery) -> None:
    barrier = threading.Barrier(6)

    def claim(_: int) -> bool:
        try:
            mine = Delivery.objects.get(pk=delivery.pk)
            barrier.wait()
            return mine.take_up()
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as threads:
        assert sum(threads.map(claim, range(6))) == 1
    assert Delivery.objects.get().attempts == 1


def test_a_sender_that_died_leaves_a_claim_that_passes(endpoint: WebhookEndpoint, delivery: WebhookDelivery) -> None:
    assert delivery.take_up()  # and no more is heard of it
    post = Post()
    send(post)
    assert post.sent == []
    Delivery.objects.update(next_at=timezone.now() - timedelta(seconds=1))
    send(post)
    assert len(post.sent) == 1
    assert Delivery.objects.get().attempts == 2


def test_who_was_given_up_as_dead_writes_nothing_down(delivery: WebhookDelivery) -> None:
    assert delivery.take_up()
    Delivery.objects.update(next_at=timezone.now() - timedelta(seconds=1))
    send(Post(TAKEN))
    sending.conclude(delivery, BROKEN)  # the first one, late
    found = Delivery.objects.get()
    assert (found.state, [attempt["status"] for attempt in found.log]) == ("delivered", [204])
    assert WebhookEndpoint.objects.get().failing_since is None


def test_a_claim_outlives_an_attempt(settings: Any) -> None:
    assert timedelta(seconds=settings.WEBHOOK_TIMEOUT) < timedelta(seconds=45) < CLAIM


def test_who_answers_slowly_holds_up_itself(acme: Any, other: Any) -> None:
    slow, quick = endpoint_of(acme, url="https://slow.example.org/"), endpoint_of(other)
    for _ in range(6):
        outbox.write_test(slow)
    outbox.write_test(quick)
    post = Post()
    post.held = "slow"

    async def go() -> None:
        post.hold = asyncio.Event()
        sending_all = asyncio.create_task(Sender(post).send_due())
        async with asyncio.timeout(10):
            while not await Delivery.objects.filter(endpoint=quick, state="delivered").aexists():
                await asyncio.sleep(0.01)
        assert post.most["https://slow.example.org/"] == sending.OF_ENDPOINT
        post.hold.set()
        await sending_all

    async_to_sync(go)()
    assert Delivery.objects.filter(state="delivered").count() == 7
    assert post.most["https://slow.example.org/"] == sending.OF_ENDPOINT


def test_a_tenant_has_its_share_of_the_sender(acme: Any, settings: Any) -> None:
    for number in range(6):
        endpoint = endpoint_of(acme, url=f"https://hooks{number}.example.org/")
        for _ in range(3):
            outbox.write_test(endpoint)
    taken = sending.take_up(64, [])
    assert len(taken) == sending.OF_TENANT
    assert max(Counter(one.endpoint_id for one in taken).values()) == sending.OF_ENDPOINT
    assert sending.take_up(64, taken) == []
    assert len(sending.take_up(1, taken[:4])) == 1


def test_an_attempt_that_breaks_is_made_again(
    delivery: WebhookDelivery, endpoint: WebhookEndpoint, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(*_: Any) -> Answer:
        raise RuntimeError("a fault of ours")

    async_to_sync(Sender(broken).send_due)()
    assert "a fault of ours" in caplog.text
    found = Delivery.objects.get()
    assert (found.state, found.attempts) == ("pending", 1)
    assert found.next_at is not None


@pytest.mark.parametrize("fault", ["url", "secret"])
def test_what_cannot_be_sent_says_why(delivery: WebhookDelivery, settings: Any, fault: str) -> None:
    if fault == "url":
        WebhookEndpoint.objects.update(url="http://hooks.example.org/")  # allowed when it was written
    else:
        settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "another", []
    post = Post()
    send(post)
    assert post.sent == []
    words = {"url": "https:// only", "secret": "rotate it"}[fault]
    assert words in Delivery.objects.get().log[0]["error"]


def test_old_deliveries_are_forgotten(endpoint: WebhookEndpoint) -> None:
    old, young = outbox.write_test(endpoint), outbox.write_test(endpoint)
    Delivery.objects.filter(pk=old.pk).update(created_at=timezone.now() - timedelta(days=31))
    assert Delivery.objects.prune(30) == 1
    assert Delivery.objects.get() == young


def test_a_worker_is_told_once_it_is_committed(endpoint: WebhookEndpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr("celery.app.task.Task.apply_async", lambda task, *_, **__: asked.append(task.name))
    outbox.write_test(endpoint)
    assert asked == ["interpreters.webhook_tasks.send_webhooks"]


def test_the_thread_of_a_worker_sends_when_it_is_told(
    endpoint: WebhookEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = threading.Event()

    class Told:
        def __init__(self) -> None:
            self.fails = True

        async def send_due(self) -> None:
            if self.fails:
                self.fails = False
                raise RuntimeError("once")
            sent.set()

    monkeypatch.setattr(sending, "Sender", Told)
    thread = sending.Thread()
    wait: Callable[[float], bool] = sent.wait
    for _ in range(50):
        thread.poke()
        if wait(0.1):
            break
    assert sent.is_set(), "also after a fault"
