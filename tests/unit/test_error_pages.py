"""Pages for what goes wrong: each says in words what happened and what to do."""

from typing import Any

import pytest
from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from django.urls import reverse

from frontend.views import errors, listing


def fail_with(error: Exception) -> Any:
    def view(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        raise error

    return view


@pytest.fixture
def visitor(client: Client) -> Client:
    client.raise_request_exception = False
    return client


def test_what_is_too_large_says_so(client: Client, db: None) -> None:
    answer = client.post(reverse("login"), {"username": "x" * 3_000_000})
    assert answer.status_code == 413
    assert "too large" in answer.content.decode()


@pytest.mark.parametrize(("error", "status"), [(RequestDataTooBig(), 413), (SuspiciousOperation(), 400), (None, 400)])
def test_a_request_that_is_not_understood(db: None, error: Exception | None, status: int) -> None:
    assert errors.bad_request(RequestFactory().get("/"), error).status_code == status


def ask_broken(visitor: Client, monkeypatch: pytest.MonkeyPatch, error: Exception) -> Any:
    """An address whose work raises this."""
    monkeypatch.setattr(listing, "pool_cards", fail_with(error))
    return visitor.get(reverse("notebook_pools"))


def test_what_broke_is_a_page_that_needs_nothing(visitor: Client, alice: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    visitor.force_login(alice)
    answer = ask_broken(visitor, monkeypatch, RuntimeError("secret"))
    page = answer.content.decode()
    assert answer.status_code == 500
    assert "Something broke on our side" in page
    assert "secret" not in page
    # Nothing that may be what is broken: no style sheet, no script, no picture.
    assert not any(part in page for part in ("<link", "<script", "src="))


def test_a_database_that_is_away_asks_to_try_again(
    visitor: Client, alice: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    visitor.force_login(alice)
    answer = ask_broken(visitor, monkeypatch, OperationalError("no connection"))
    assert answer.status_code == 503
    assert answer["Retry-After"] == str(errors.TRY_AGAIN_SECONDS)
    assert "Back in a moment" in answer.content.decode()


def test_the_statement_on_accessibility_is_for_everybody(client: Client, db: None) -> None:
    assert "partially conformant" in client.get(reverse("accessibility")).content.decode()


def test_the_sign_of_the_site_is_where_browsers_look(client: Client, db: None) -> None:
    answer = client.get("/favicon.ico")
    assert answer.status_code == 302
    assert answer["Location"].endswith("/static/frontend/icon.svg")


@pytest.mark.parametrize("theme", ["light", "dark", "contrast"])
def test_each_theme_is_drawn_by_the_server(client: Client, db: None, theme: str) -> None:
    client.cookies["theme"] = theme
    assert f'data-theme="{theme}"' in client.get(reverse("login")).content.decode()
