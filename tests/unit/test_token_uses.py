"""What is noted of the use of a token: a new address at once, and the ordinary request asks no more for it."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from tenants import token_uses
from tenants.authentication import actor_from_token
from tenants.models import ApiToken, AuditEvent

pytestmark = pytest.mark.django_db
CI, THIEF = "192.0.2.1", "198.51.100.9"


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> token_uses.Known:
    """Of a process that has seen nothing."""
    fresh = token_uses.Known()
    monkeypatch.setattr(token_uses, "known", fresh)
    return fresh


def seen() -> list[str | None]:
    return [event.address for event in AuditEvent.objects.filter(action="token.used").order_by("pk")]


def test_beside_a_busy_program_a_new_address_is_noticed_at_once(
    alice: Any, token: Any, django_assert_num_queries: Any
) -> None:
    secret = token(alice)
    for _ in range(3):
        actor_from_token(secret, CI)
    actor_from_token(secret, THIEF)
    assert seen() == [CI, THIEF]
    assert ApiToken.objects.get().last_used_from == THIEF
    for address in (CI, THIEF) * 3:  # nor do two who take turns write each time
        with django_assert_num_queries(1):
            actor_from_token(secret, address)
    assert seen() == [CI, THIEF]


def test_a_process_that_knows_nothing_takes_the_last_address_for_known(
    alice: Any, token: Any, django_assert_num_queries: Any
) -> None:
    secret = token(alice)
    ApiToken.objects.update(last_used_at=timezone.now(), last_used_from=CI)
    with django_assert_num_queries(1):
        actor_from_token(secret, CI)
    with django_assert_num_queries(3):
        actor_from_token(secret, THIEF)
    assert seen() == [THIEF]


def test_the_same_news_of_two_processes_is_told_once(alice: Any, token: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    token(alice)
    ApiToken.objects.update(last_used_at=timezone.now(), last_used_from=CI)
    both = [ApiToken.objects.select_related("user", "tenant").get() for _ in range(2)]
    for each in both:
        monkeypatch.setattr(token_uses, "known", token_uses.Known())
        token_uses.note_use(each, THIEF)
    assert seen() == [THIEF]


def test_a_use_from_nowhere_known_forgets_no_address(alice: Any, token: Any) -> None:
    secret = token(alice)
    ApiToken.objects.update(last_used_at=timezone.now() - timedelta(hours=1), last_used_from=CI)
    actor_from_token(secret, "")
    assert ApiToken.objects.get().last_used_from == CI
    assert seen() == []


def test_what_is_known_is_bounded_and_forgotten(
    alice: Any, token: Any, known: token_uses.Known, monkeypatch: pytest.MonkeyPatch
) -> None:
    token(alice)
    key = ApiToken.objects.get().pk
    monkeypatch.setattr(token_uses, "MOST_KNOWN", 2)
    for address in ("a", "b", "a", "c"):
        known.add((key, address))
    assert [(key, address) in known for address in "abc"] == [True, False, True]
    monkeypatch.setattr(token_uses, "KNOWN_FOR", -1.0)
    known.add((key, "c"))
    assert (key, "c") not in known
