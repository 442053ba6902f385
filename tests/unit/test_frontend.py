"""Pages: they load without an engine, say what to do, and let nothing foreign act in them."""

import re
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import run_checks
from django.template.loader import render_to_string
from django.test import Client, RequestFactory
from django.urls import reverse

from frontend import assets
from frontend.models import Notebook
from frontend.pools import pool_cards
from interpreters.models import InterpreterImage, Session


@pytest.fixture
def signed_in(client: Client, alice: Any) -> Client:
    client.force_login(alice)
    return client


@pytest.fixture(autouse=True)
def built(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A build of two entries, as Vite's manifest tells it: these tests need no Node."""
    manifest = tmp_path / "manifest.json"
    manifest.write_text(
        '{"src/pages.ts": {"file": "assets/pages-aaaaaaaa.js", "imports": ["_shared.js"]},'
        ' "src/notebook.tsx": {"file": "assets/notebook-bbbbbbbb.js", "imports": ["_shared.js"]},'
        ' "_shared.js": {"file": "assets/shared-cccccccc.js", "css": ["assets/shared-dddddddd.css"]}}'
    )
    monkeypatch.setattr(assets, "MANIFEST", manifest)
    assets._read.cache_clear()
    return manifest


class TestSigningIn:
    def test_is_asked_of_strangers(self, client: Client, db: None) -> None:
        answer = client.get(reverse("home"), follow=True)
        assert answer.redirect_chain[-1][0].startswith(reverse("login"))
        assert "Sign in" in answer.content.decode()

    def test_shows_the_demo_only_where_a_setting_says_so(self, client: Client, db: None, settings: Any) -> None:
        settings.DEMO_LOGIN = ""
        assert "To look around" not in client.get(reverse("login")).content.decode()
        settings.DEMO_LOGIN = "demo / secret"
        assert "demo / secret" in client.get(reverse("login")).content.decode()

    def test_with_a_wrong_password_says_so(self, client: Client, alice: Any) -> None:
        answer = client.post(reverse("login"), {"username": "alice", "password": "wrong"})
        assert "do not match" in answer.content.decode()

    def test_leads_to_the_notebooks(self, client: Client, alice: Any) -> None:
        answer = client.post(reverse("login"), {"username": "alice", "password": "secret"})
        assert answer["Location"] == reverse("notebooks")

    def test_without_a_tenant_says_whom_to_ask(self, client: Client, django_user_model: Any, db: None) -> None:
        client.force_login(django_user_model.objects.create_user("eve"))
        answer = client.get(reverse("notebooks"))
        assert answer.status_code == 403
        assert "ask its administrator" in answer.content.decode()


class TestTheListOfNotebooks:
    def test_helps_where_there_is_none(self, signed_in: Client, pool: Any) -> None:
        page = signed_in.get(reverse("notebooks")).content.decode()
        assert "Nothing here yet" in page
        assert "Python" in page

    def test_makes_a_notebook_of_a_language(self, signed_in: Client, pool: Any, alice: Any) -> None:
        answer = signed_in.post(reverse("new_notebook"), {"pool": "python"})
        notebook = Notebook.objects.get()
        assert answer["Location"] == reverse("notebook", args=[notebook.pk])
        assert notebook.document["metadata"]["kernelspec"]["name"] == "python3"
        assert signed_in.get(answer["Location"]).status_code == 200

    def test_makes_none_of_another_tenants_pool(self, signed_in: Client, pool: Any, other: Any) -> None:
        pool.tenant = other
        pool.save()
        signed_in.post(reverse("new_notebook"), {"pool": "python"})
        assert not Notebook.objects.exists()

    def test_shows_only_ones_own(self, client: Client, signed_in: Client, pool: Any, bob: Any) -> None:
        signed_in.post(reverse("new_notebook"), {"pool": "python", "title": "Of Alice"})
        assert "Of Alice" in signed_in.get(reverse("notebooks")).content.decode()
        client.force_login(bob)
        assert "Of Alice" not in client.get(reverse("notebooks")).content.decode()

    def test_deletes_and_brings_back(self, signed_in: Client, pool: Any) -> None:
        signed_in.post(reverse("new_notebook"), {"pool": "python", "title": "Study"})
        notebook = Notebook.objects.get()
        page = signed_in.post(reverse("delete_notebook", args=[notebook.pk]), follow=True).content.decode()
        assert "was deleted" in page
        assert signed_in.get(reverse("notebook", args=[notebook.pk])).status_code == 410
        signed_in.post(reverse("restore_notebook", args=[notebook.pk]))
        assert signed_in.get(reverse("notebook", args=[notebook.pk])).status_code == 200

    def test_renames_for_a_form_and_for_the_page(self, signed_in: Client, pool: Any) -> None:
        signed_in.post(reverse("new_notebook"), {"pool": "python"})
        notebook = Notebook.objects.get()
        url = reverse("rename_notebook", args=[notebook.pk])
        assert signed_in.post(url, {"title": "  One  two "}).status_code == 302
        answer = signed_in.post(url, {"title": "x" * 300}, headers={"accept": "application/json"})
        assert answer.json() == {"title": "x" * 200}
        assert signed_in.post(url, {"title": " \x00"}).status_code == 400

    def test_escapes_titles(self, signed_in: Client, pool: Any) -> None:
        signed_in.post(reverse("new_notebook"), {"pool": "python", "title": "</script><b>x"})
        for url in (reverse("notebooks"), reverse("notebook", args=[Notebook.objects.get().pk])):
            assert "<b>x" not in signed_in.get(url).content.decode()


class TestAPoolInWords:
    @pytest.mark.parametrize(
        ("image", "pool_fields", "sessions", "words"),
        [
            ("ready", {}, ["ready", "ready"], "2 ready"),
            ("ready", {}, ["starting"], "Warming up"),
            ("ready", {"max_concurrent": 1}, ["leased"], "All in use"),
            ("ready", {}, [], "Starts on demand"),
            ("building", {}, [], "Being built"),
            ("failed", {}, [], "Building it failed"),
            ("ready", {"last_error": "no engine"}, [], "Not available right now"),
        ],
    )
    def test_says(
        self, acme: Any, pool: Any, image: str, pool_fields: dict[str, Any], sessions: list[str], words: str
    ) -> None:
        InterpreterImage.objects.update(state=image)
        type(pool).objects.update(**pool_fields)
        for state in sessions:
            holder = {"tenant": acme, "identifier": "x"} if state == "leased" else {}
            Session.objects.create(pool=pool, state=state, **holder)
        assert [card.words for card in pool_cards(acme)] == [words]

    def test_is_refreshed_by_itself(self, signed_in: Client, pool: Any) -> None:
        assert "Starts on demand" in signed_in.get(reverse("notebook_pools")).content.decode()


class TestATenant:
    def test_is_switched_among_ones_own(self, signed_in: Client, alice: Any, other: Any) -> None:
        from tenants.models import Membership

        url = reverse("switch_tenant")
        assert signed_in.post(url, {"tenant": "other"}).status_code == 404
        Membership.objects.create(tenant=other, user=alice)
        assert "Organisation" in signed_in.get(reverse("notebooks")).content.decode()
        signed_in.post(url, {"tenant": "other"})
        assert signed_in.get(reverse("notebooks")).wsgi_request.tenant == other  # type: ignore[attr-defined]


class TestSecurity:
    def test_every_page_has_a_policy_that_allows_no_inline_script(self, signed_in: Client, pool: Any) -> None:
        answer = signed_in.get(reverse("notebooks"))
        policy = answer["Content-Security-Policy"]
        assert "script-src 'self';" in policy
        assert "frame-ancestors 'none'" in policy
        assert "ws://testserver" in policy
        # No script without an address in what we write: the policy would stop it.
        assert not re.findall(r"<script(?![^>]*(?:src=|application/json))", answer.content.decode())

    def test_the_frame_for_outputs_has_no_origin_and_no_network(self, client: Client) -> None:
        answer = client.get(reverse("output_frame"))
        policy = answer["Content-Security-Policy"]
        assert policy.startswith("sandbox allow-scripts; default-src 'none';")
        assert "allow-same-origin" not in policy
        assert "frame-ancestors 'self'" in policy
        assert "X-Frame-Options" not in answer

    def test_nothing_is_loaded_from_elsewhere(self, signed_in: Client, pool: Any) -> None:
        page = signed_in.get(reverse("notebooks")).content.decode()
        assert not re.findall(r'(?:src|href)="(?:https?:)?//', page)


class TestErrors:
    def test_a_missing_page_helps(self, signed_in: Client) -> None:
        answer = signed_in.get("/notebooks/nothing/here")
        assert answer.status_code == 404
        assert "There is nothing here" in answer.content.decode()

    def test_a_stale_form_helps(self, alice: Any) -> None:
        client = Client(enforce_csrf_checks=True)
        client.force_login(alice)
        answer = client.post(reverse("new_notebook"), {"pool": "python"})
        assert answer.status_code == 403
        assert "out of date" in answer.content.decode()

    def test_the_page_of_last_resort_needs_nothing(self) -> None:
        assert "Something broke" in render_to_string("500.html")


class TestTheBuild:
    def test_is_named_by_content_and_loaded_with_what_it_imports(self, signed_in: Client, pool: Any) -> None:
        page = signed_in.get(reverse("notebooks")).content.decode()
        assert '<link rel="stylesheet" href="/static/frontend/dist/assets/shared-dddddddd.css">' in page
        assert '<link rel="modulepreload" href="/static/frontend/dist/assets/shared-cccccccc.js">' in page
        assert '<script type="module" src="/static/frontend/dist/assets/pages-aaaaaaaa.js">' in page

    def test_that_is_missing_is_reported_with_the_command(self, built: Path) -> None:
        built.unlink()
        messages = run_checks(tags=["frontend"])
        assert [message.id for message in messages] == ["frontend.W001"]
        assert assets.BUILD_COMMAND in str(messages[0].hint)
        with pytest.raises(assets.NotBuilt, match="npm"):
            assets.files_of("src/pages.ts")

    def test_beside_a_running_server_changes_nothing_that_it_serves(
        self, built: Path, settings: Any, tmp_path: Path
    ) -> None:
        settings.STATIC_ROOT = tmp_path / "collected"
        collected = settings.STATIC_ROOT / "frontend" / "dist" / "manifest.json"
        collected.parent.mkdir(parents=True)
        collected.write_text('{"src/pages.ts": {"file": "assets/pages-collected.js"}}')
        assert assets.files_of("src/pages.ts") == ("assets/pages-collected.js", [], [])
        settings.DEBUG = True
        assert assets.files_of("src/pages.ts")[0] == "assets/pages-aaaaaaaa.js"


def test_the_theme_is_drawn_by_the_server(client: Client, db: None) -> None:
    client.cookies["theme"] = "dark"
    assert '<html lang="en" data-theme="dark">' in client.get(reverse("login")).content.decode()
    client.cookies["theme"] = '"><script>'
    assert '<html lang="en">' in client.get(reverse("login")).content.decode()


def test_the_error_pages_render_without_a_user() -> None:
    request = RequestFactory().get("/")
    assert "Sign in" not in render_to_string("404.html", request=request)
