"""Sharing a notebook with members, and by links to frozen copies: who is told what, and who is not."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from frontend.documents import check, new_document
from frontend.models import Collaborator, Notebook, ShareLink
from tenants.models import Membership

pytestmark = pytest.mark.django_db


@pytest.fixture
def notebook(acme: Any, alice: Any, pool: Any) -> Notebook:
    document = new_document("python3", "Python")
    document["cells"][0]["source"] = "print('frozen')</script>"
    return Notebook.objects.create(tenant=acme, owner=alice, title="Study", pool="python", document=document)


@pytest.fixture
def owner(client: Client, alice: Any) -> Client:
    client.force_login(alice)
    return client


def send(client: Client, method: str, name: str, notebook: Notebook, body: Any, *more: Any) -> Any:
    address = reverse(name, args=[notebook.pk, *more])
    data = body if isinstance(body, str) else json.dumps(body)
    return getattr(client, method)(
        address, data, content_type="application/json", headers={"accept": "application/json"}
    )


def new_link(client: Client, notebook: Notebook, **body: Any) -> str:
    """Its path."""
    answer = send(client, "post", "new_share_link", notebook, {"public": False, "days": None, **body})
    assert answer.status_code == 201, answer.content
    return str(answer.json()["address"]).removeprefix("http://testserver")


class TestWithPeople:
    def test_a_member_is_added_changed_and_taken_off(self, owner: Client, notebook: Notebook, bob: Any) -> None:
        for role in ("viewer", "editor"):
            told = send(owner, "put", "share_notebook", notebook, {"user": "bob", "role": role}).json()
            assert told["people"] == [{"user": "bob", "name": "bob", "role": role}]
        assert send(owner, "put", "share_notebook", notebook, {"user": "bob", "role": None}).json()["people"] == []

    def test_nobody_else_can_be_added(self, owner: Client, notebook: Notebook, bob: Any, charlie: Any) -> None:
        for name in ("charlie", "nobody", "alice", ""):
            answer = send(owner, "put", "share_notebook", notebook, {"user": name, "role": "editor"})
            assert answer.status_code == 400, name
            assert answer.json()["message"]
        assert not Collaborator.objects.exists()

    @pytest.mark.parametrize("body", ["{", "[]", '{"user": "bob", "role": "owner"}', '{"user": "bob", "role": 1}'])
    def test_nonsense_is_told(self, owner: Client, notebook: Notebook, bob: Any, body: str) -> None:
        assert send(owner, "put", "share_notebook", notebook, body).status_code == 400

    def test_members_of_other_tenants_are_not_listed(
        self, owner: Client, notebook: Notebook, bob: Any, charlie: Any
    ) -> None:
        told = owner.get(reverse("notebook_sharing", args=[notebook.pk])).json()
        assert [one["user"] for one in told["members"]] == ["bob"]

    def test_it_is_listed_with_those_who_may_see_it(
        self, client: Client, notebook: Notebook, bob: Any, charlie: Any
    ) -> None:
        client.force_login(bob)
        assert "Study" not in client.get(reverse("notebooks")).content.decode()
        notebook.open_to_tenant = True
        notebook.save()
        page = client.get(reverse("notebooks")).content.decode()
        assert "Shared with you" in page
        assert "by alice" in page
        Collaborator.objects.create(notebook=notebook, user=bob)
        assert client.get(reverse("notebooks")).content.decode().count("by alice") == 1
        client.force_login(charlie)
        assert "Study" not in client.get(reverse("notebooks")).content.decode()

    def test_the_page_says_what_one_may_do(self, client: Client, notebook: Notebook, bob: Any) -> None:
        Collaborator.objects.create(notebook=notebook, user=bob, role="viewer")
        client.force_login(bob)
        page = client.get(reverse("notebook", args=[notebook.pk]))
        assert page.context["settings"]["right"] == "view"
        assert page.context["settings"]["identifier"] == f"notebook-{notebook.pk}-{notebook.owner_id}"

    def test_who_looks_on_in_the_tenant_makes_none(self, client: Client, acme: Any, member: Any, pool: Any) -> None:
        client.force_login(member(acme, "vera", "viewer"))
        client.post(reverse("new_notebook"), {"pool": "python"})
        assert not Notebook.objects.exists()

    def test_edits_that_lost_are_kept_as_a_copy(
        self, client: Client, notebook: Notebook, bob: Any, acme: Any, member: Any
    ) -> None:
        Collaborator.objects.create(notebook=notebook, user=bob, role="editor")
        client.force_login(bob)
        edited = {**notebook.document, "cells": [{**notebook.document["cells"][0], "source": "mine"}]}
        answer = send(client, "post", "copy_notebook", notebook, {"document": edited})
        assert answer.status_code == 201
        copy = Notebook.objects.get(owner=bob)
        assert answer.json()["url"] == reverse("notebook", args=[copy.pk])
        assert (copy.document["cells"][0]["source"], copy.title) == ("mine", "Copy of Study")
        for bad in ("{", "[]", {"document": {}}):
            assert send(client, "post", "copy_notebook", notebook, bad).status_code == 400
        vera = member(acme, "vera", "viewer")
        Collaborator.objects.create(notebook=notebook, user=vera)
        client.force_login(vera)
        assert send(client, "post", "copy_notebook", notebook, {"document": edited}).status_code == 403


class TestALink:
    def test_shows_the_notebook_as_it_was_until_it_is_updated(self, owner: Client, notebook: Notebook) -> None:
        path = new_link(owner, notebook)
        changed = {**notebook.document, "cells": [{**notebook.document["cells"][0], "source": "later"}]}
        assert notebook.save_document(changed, base=1)
        assert "frozen" in owner.get(path).content.decode()
        link = ShareLink.objects.get()
        told = send(owner, "post", "change_share_link", notebook, {"do": "update"}, link.pk).json()
        assert told["links"][0]["views"] == 1
        assert told["links"][0]["opened_at"]
        page = owner.get(path).content.decode()
        assert "later" in page
        assert "frozen" not in page

    def test_is_stored_hashed_and_shown_once(self, owner: Client, notebook: Notebook) -> None:
        token = new_link(owner, notebook).split("/")[2]
        assert len(token) >= 40
        assert token not in str(ShareLink.objects.values().get())
        assert token not in owner.get(reverse("notebook_sharing", args=[notebook.pk])).content.decode()

    def test_is_for_members_only_unless_it_is_public(
        self, owner: Client, notebook: Notebook, bob: Any, charlie: Any
    ) -> None:
        path = new_link(owner, notebook)
        stranger = Client()
        for address in (path, f"{path}download"):
            assert stranger.get(address)["Location"].startswith(reverse("login"))
        stranger.force_login(charlie)
        for address in (path, f"{path}download", "/shared/wrong/", f"/shared/{'x' * 3000}/"):
            assert stranger.get(address).status_code == 404
        assert stranger.post(f"{path}copy").status_code == 404
        stranger.force_login(bob)
        assert stranger.get(path).status_code == 200

    def test_that_is_public_opens_signed_out_where_the_operator_allows(
        self, owner: Client, notebook: Notebook, charlie: Any, settings: Any
    ) -> None:
        assert settings.PUBLIC_LINKS is False
        refused = send(owner, "post", "new_share_link", notebook, {"public": True, "days": None})
        assert (refused.status_code, "THERMAE_PUBLIC_LINKS" in refused.json()["message"]) == (400, True)
        settings.PUBLIC_LINKS = True
        path = new_link(owner, notebook, public=True)
        assert Client().get(path).status_code == 200
        settings.PUBLIC_LINKS = False
        assert Client().get(path).status_code == 302

    def test_does_not_leak_its_token(self, owner: Client, notebook: Notebook, settings: Any) -> None:
        settings.PUBLIC_LINKS = True
        path = new_link(owner, notebook, public=True)
        for address in (path, f"{path}download"):
            answer = Client().get(address)
            assert answer["Referrer-Policy"] == "strict-origin"
            assert answer["Cache-Control"] == "no-store"
            assert "noindex" in answer["X-Robots-Tag"]
        page = Client().get(path)
        assert "script-src 'self'" in page["Content-Security-Policy"]
        assert "print('frozen')</script>" not in page.content.decode(), "nothing of a cell is markup of ours"

    def test_is_over_when_it_expires_is_revoked_or_its_notebook_is_deleted(
        self, owner: Client, notebook: Notebook, settings: Any
    ) -> None:
        settings.PUBLIC_LINKS = True
        path = new_link(owner, notebook, public=True, days=7)
        link = ShareLink.objects.get()
        for change, words in (
            ({"expires_at": timezone.now() - timedelta(seconds=1)}, "has expired"),
            ({"expires_at": None, "revoked_at": timezone.now()}, "not valid any more"),
        ):
            ShareLink.objects.update(**change)
            for address in (path, f"{path}download"):
                answer = Client().get(address)
                assert answer.status_code == 410
                assert words in answer.content.decode()
                assert "frozen" not in answer.content.decode()
        ShareLink.objects.update(revoked_at=None)
        assert Client().get(path).status_code == 200
        notebook.delete_softly()
        assert Client().get(path).status_code == 410
        notebook.restore()
        send(owner, "post", "change_share_link", notebook, {"do": "revoke"}, link.pk)
        assert Client().get(path).status_code == 410
        assert send(owner, "post", "change_share_link", notebook, {"do": "update"}, link.pk).status_code == 404

    @pytest.mark.parametrize("days", [0, -1, 366, 1.5, "7", True])
    def test_with_a_strange_lifetime_is_refused(self, owner: Client, notebook: Notebook, days: Any) -> None:
        assert send(owner, "post", "new_share_link", notebook, {"days": days}).status_code == 400

    def test_is_refused_when_there_are_too_many(self, owner: Client, notebook: Notebook, monkeypatch: Any) -> None:
        monkeypatch.setattr("frontend.views.sharing.MOST_LINKS", 1)
        new_link(owner, notebook)
        assert send(owner, "post", "new_share_link", notebook, {}).status_code == 400

    def test_is_the_owners_to_change(self, client: Client, owner: Client, notebook: Notebook, bob: Any) -> None:
        new_link(owner, notebook)
        link = ShareLink.objects.get()
        other = Client()
        other.force_login(bob)
        assert send(other, "post", "change_share_link", notebook, {"do": "revoke"}, link.pk).status_code == 404
        Collaborator.objects.create(notebook=notebook, user=bob, role="editor")
        assert send(other, "post", "change_share_link", notebook, {"do": "revoke"}, link.pk).status_code == 403
        link.refresh_from_db()
        assert link.revoked_at is None

    def test_is_copied_and_downloaded_by_members(self, owner: Client, notebook: Notebook, bob: Any) -> None:
        path = new_link(owner, notebook)
        reader = Client()
        reader.force_login(bob)
        check(json.loads(reader.get(f"{path}download").content))
        answer = reader.post(f"{path}copy")
        copy = Notebook.objects.get(owner=bob)
        assert answer["Location"] == reverse("notebook", args=[copy.pk])
        assert (copy.title, copy.document) == ("Copy of Study", notebook.document)
        Membership.objects.filter(user=bob).update(role="viewer")
        reader.post(f"{path}copy")
        assert Notebook.objects.filter(owner=bob).count() == 1
        assert Client().post(f"{path}copy")["Location"].startswith(reverse("login"))

    def test_makes_no_copy_where_nothing_runs_it(self, owner: Client, notebook: Notebook, bob: Any, pool: Any) -> None:
        path = new_link(owner, notebook)
        pool.enabled = False
        pool.save()
        owner.post(f"{path}copy")
        assert Notebook.objects.count() == 1
