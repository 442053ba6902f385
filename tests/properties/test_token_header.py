"""The Authorization header, whatever is sent in it: always an answer in words, never a fault of ours."""

import hmac
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from tenants import authentication, token_text
from tenants.authentication import NotAllowed, actor_from_token, bearer, token_in_scope
from tenants.models import ApiToken, Membership, Tenant, hash_token

MADE = st.builds(token_text.make)
BYTES = st.binary(max_size=200)
# Latin-1, as HTTP carries it, without what a server itself refuses.
HEADERS = st.text(st.characters(max_codepoint=255, exclude_characters="\r\n\0"), max_size=200)
SCHEMES, GAPS = st.sampled_from(["Bearer", "BEARER", "Basic", "Token", ""]), st.sampled_from([" ", "  ", "\t", ""])
SHAPED = st.one_of(
    HEADERS,
    HEADERS.map("Bearer {}".format),
    HEADERS.map("bearer thm_{}".format),
    MADE.map("Bearer {}".format),
    st.tuples(MADE, HEADERS).map(lambda pair: f"Bearer {pair[0]}{pair[1]}"),
    st.tuples(SCHEMES, GAPS, MADE).map("".join),
)


def refusal(work: Callable[[], object]) -> NotAllowed | None:
    try:
        work()
    except NotAllowed as refused:
        return refused
    return None


@given(SHAPED)
def test_a_header_is_a_token_or_a_refusal(header: str) -> None:
    refused = refusal(lambda: bearer(header))
    if refused is None:
        assert bearer(header).strip() == bearer(header) != ""
    else:
        assert (refused.status, refused.code) == (401, "bad_authorization")


@given(st.lists(st.tuples(st.just(b"authorization"), BYTES), max_size=3), st.lists(st.text(max_size=80), max_size=4))
def test_a_websocket_s_too(headers: list[tuple[bytes, bytes]], subprotocols: list[str]) -> None:
    refused = refusal(lambda: token_in_scope({"headers": headers, "subprotocols": subprotocols}))
    assert refused is None or refused.status == 401


class Requests(TestCase):
    """With a database, which is as before after each example."""

    def known(self) -> str:
        tenant = Tenant.objects.create(name="Acme", slug="acme")
        user = get_user_model().objects.create(username="alice")
        Membership.objects.create(tenant=tenant, user=user)
        return ApiToken.issue(tenant=tenant, user=user, name="x")[1]

    @settings(max_examples=60)
    @given(SHAPED)
    def test_the_api_answers_any_header_with_401(self, header: str) -> None:
        answer = Client(raise_request_exception=True).get("/api/v1/tokens/current", HTTP_AUTHORIZATION=header)
        assert answer.status_code == 401
        assert answer.json()["message"].endswith(".")
        assert answer["WWW-Authenticate"] == "Bearer"

    @settings(max_examples=60)
    @given(st.text(max_size=80), st.booleans())
    def test_any_secret_is_refused_in_words(self, text: str, begins_well: bool) -> None:
        with pytest.raises(NotAllowed) as refused:
            actor_from_token(f"thm_{text}" if begins_well else text, "192.0.2.1")
        assert refused.value.status == 401

    @settings(max_examples=100)
    @given(st.integers(0, token_text.LENGTH - 1), st.characters(max_codepoint=0x2FF))
    def test_one_changed_character_is_always_caught(self, at: int, other: str) -> None:
        secret = self.known()
        wrong = secret[:at] + other + secret[at + 1 :]
        if wrong == secret:
            assert actor_from_token(wrong, "").user.username == "alice"
            return
        with pytest.raises(NotAllowed) as refused:
            actor_from_token(wrong, "")
        assert refused.value.code == "bad_token"
        assert token_text.fault_of(wrong), "by its check digits, without asking the database"


# --- What the time of a comparison could tell ---


@pytest.mark.django_db
def test_tokens_are_looked_up_by_hash_and_compared_in_constant_time(
    alice: Any, token: Any, monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Any
) -> None:
    """The database compares hashes, whose time tells of SHA-256 of a guess, not of a secret; we compare once more."""
    good, compared, asked = token(alice), [], []
    real = hmac.compare_digest

    def compare(a: str, b: str) -> bool:
        compared.append((a, b))
        return real(a, b)

    def hashing(secret: str) -> str:
        asked.append(secret)
        return hash_token(secret)

    monkeypatch.setattr(authentication.hmac, "compare_digest", compare)
    monkeypatch.setattr(authentication, "hash_token", hashing)
    actor_from_token(good, "")
    assert compared == [(hash_token(good), hash_token(good))]
    assert asked == [good]
    unknown = token_text.make()
    with django_assert_num_queries(1) as queries, pytest.raises(NotAllowed):
        actor_from_token(unknown, "")
    assert asked == [good, unknown], "the same way for one that there is not"
    [query] = queries.captured_queries
    assert hash_token(unknown) in query["sql"]
    assert unknown not in query["sql"]
    # One that begins as a good one does is told from it by its check digits alone: the database hears nothing.
    with django_assert_num_queries(0), pytest.raises(NotAllowed):
        actor_from_token(good[:-1] + ("a" if good[-1] != "a" else "b"), "")
