"""Versions: when they are kept, what they cost, which are given up, and how they come back."""

import random
from datetime import timedelta
from typing import Any

import pytest
from django.db.models import Sum
from django.db.models.functions import Length
from django.test import Client
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from frontend.models import Collaborator, Notebook, NotebookVersion, TooMuchKept, VersionPart
from frontend.models import version as versions
from frontend.thinning import surplus
from tests.documents import code_cell, document_of, make, send, sources, text_cell


@pytest.fixture
def signed_in(client: Client, alice: Any) -> Client:
    client.force_login(alice)
    return client


@pytest.fixture
def notebook(alice: Any) -> Notebook:
    return make(alice, code_cell("a", "one"))


def save(notebook: Notebook, *cells: dict[str, Any], **more: Any) -> None:
    assert notebook.save_document(document_of(*cells), base=notebook.version, **more)


def pass_time(notebook: Notebook, seconds: float) -> None:
    for row in notebook.versions.all():
        notebook.versions.filter(pk=row.pk).update(created_at=row.created_at - timedelta(seconds=seconds))


def kept(notebook: Notebook) -> list[list[str]]:
    return [sources(row.document()) for row in notebook.versions.order_by("pk")]


class TestByThemselves:
    def test_one_is_kept_of_what_stood_before_the_first_edit_of_a_while(self, notebook: Notebook) -> None:
        for text in ("two", "three"):
            save(notebook, code_cell("a", text))
        assert kept(notebook) == [["one"]]
        pass_time(notebook, 700)
        save(notebook, code_cell("a", "four"))
        assert kept(notebook) == [["one"], ["three"]]

    def test_none_is_kept_twice(self, notebook: Notebook) -> None:
        save(notebook, code_cell("a", "two"))
        pass_time(notebook, 700)
        save(notebook, code_cell("a", "one"), keep="conflict")
        pass_time(notebook, 700)
        save(notebook, code_cell("a", "two"))
        assert kept(notebook) == [["one"], ["two"], ["one"]]
        pass_time(notebook, 700)
        notebook.document = document_of(code_cell("a", "one"))
        save(notebook, code_cell("a", "x"))
        assert len(kept(notebook)) == 3

    def test_a_refused_save_keeps_none(self, notebook: Notebook) -> None:
        assert not notebook.save_document(document_of(code_cell("a", "x")), base=0)
        Notebook.objects.filter(pk=notebook.pk).update(version=5)
        assert not notebook.save_document(document_of(code_cell("a", "x")), base=1)
        assert kept(notebook) == []

    def test_are_thinned_beyond_their_number_while_named_ones_stay(
        self, notebook: Notebook, alice: Any, settings: Any
    ) -> None:
        settings.MAX_NOTEBOOK_VERSIONS = 5
        versions.keep_named(notebook, "first", alice)
        for number in range(20):
            pass_time(notebook, 700)
            save(notebook, code_cell("a", f"text {number}"))
        assert notebook.versions.filter(why="automatic").count() == 5
        assert notebook.versions.get(why="named").name == "first"
        assert kept(notebook)[-1] == ["text 18"]
        # What only the others held is gone with them.
        assert VersionPart.objects.filter(notebook=notebook).count() == len({tuple(each) for each in kept(notebook)})

    def test_give_up_the_oldest_when_they_take_too_much_room(self, notebook: Notebook, settings: Any) -> None:
        settings.MAX_VERSION_BYTES = 20_000
        for _ in range(8):
            pass_time(notebook, 700)
            save(notebook, code_cell("a", random.randbytes(4000).hex()))
        assert 1 < notebook.versions.count() < 8
        assert VersionPart.objects.aggregate(total=Sum("size"))["total"] <= 20_000


def test_a_hundred_versions_of_a_megabyte_cost_what_was_changed(notebook: Notebook) -> None:
    rng = random.Random(1)
    cells = [text_cell(f"c{n}", rng.randbytes(2500).hex()) for n in range(200)]  # 1 MB, half of it incompressible
    save(notebook, *cells)
    for number in range(100):
        pass_time(notebook, 700)
        cells[number % 200] = code_cell(f"c{number}", f"changed {number}")
        save(notebook, *cells)
    assert notebook.versions.count() == 100
    parts = VersionPart.objects.filter(notebook=notebook).aggregate(total=Sum("size"))["total"]
    frames = notebook.versions.annotate(size=Length("frame")).aggregate(total=Sum("size"))["total"]
    assert parts + frames < 2_500_000


@given(st.lists(st.floats(0, 1e8), max_size=40).map(sorted), st.integers(0, 30))
def test_thinning_leaves_as_many_as_asked_and_both_ends(ages: list[float], keep: int) -> None:
    removed = surplus(ages, keep)
    left = [index for index in range(len(ages)) if index not in removed]
    assert len(left) == min(len(ages), keep)
    if keep >= 2 and ages:
        assert {0, len(ages) - 1} <= set(left)


class TestNamedOnes:
    def test_are_kept_listed_looked_at_renamed_and_deleted(self, signed_in: Client, notebook: Notebook) -> None:
        made = send(signed_in, "POST", "notebook_versions", notebook.pk, name="  before  the talk ")
        assert (made.status_code, made.json()["name"], made.json()["by"]) == (201, "before the talk", "alice")
        save(notebook, code_cell("a", "two"))
        listed = send(signed_in, "GET", "notebook_versions", notebook.pk).json()
        assert [(each["why"], each["cells"]) for each in listed["versions"]] == [("named", 1)]
        one = listed["versions"][0]["id"]
        assert sources(send(signed_in, "GET", "notebook_version", notebook.pk, one).json()["document"]) == ["one"]
        assert send(signed_in, "PATCH", "notebook_version", notebook.pk, one, name="talk").json()["name"] == "talk"
        assert send(signed_in, "DELETE", "notebook_version", notebook.pk, one).status_code == 204
        assert VersionPart.objects.count() == 0

    def test_need_a_name(self, signed_in: Client, notebook: Notebook) -> None:
        for name in ("", " ", None, 3, ["x"]):
            assert send(signed_in, "POST", "notebook_versions", notebook.pk, name=name).status_code == 400

    def test_have_a_bound(self, notebook: Notebook, alice: Any, monkeypatch: Any, settings: Any) -> None:
        monkeypatch.setattr(versions, "MOST_NAMED", 1)
        versions.keep_named(notebook, "one", alice)
        with pytest.raises(TooMuchKept, match="delete one"):
            versions.keep_named(notebook, "two", alice)
        monkeypatch.setattr(versions, "MOST_NAMED", 9)
        settings.MAX_VERSION_BYTES = 10
        with pytest.raises(TooMuchKept, match="room"):
            versions.keep_named(notebook, "two", alice)
        assert notebook.versions.count() == 1

    def test_have_a_bound_also_where_one_kept_by_itself_is_named(
        self, signed_in: Client, notebook: Notebook, alice: Any, monkeypatch: Any
    ) -> None:
        monkeypatch.setattr(versions, "MOST_NAMED", 1)
        save(notebook, code_cell("a", "two"))
        named = versions.keep_named(notebook, "two", alice)
        automatic = notebook.versions.get(why="automatic")
        refused = send(signed_in, "PATCH", "notebook_version", notebook.pk, automatic.pk, name="one")
        assert (refused.status_code, refused.json()["error"]) == (409, "too_many")
        assert "at most 1 named versions: delete one first" in refused.json()["message"]
        automatic.refresh_from_db()
        assert (automatic.why, automatic.name) == ("automatic", "")
        # What has a name already is no further one.
        assert send(signed_in, "PATCH", "notebook_version", notebook.pk, named.pk, name="deux").status_code == 200
        named.delete()
        assert send(signed_in, "PATCH", "notebook_version", notebook.pk, automatic.pk, name="one").status_code == 200


class TestRestoring:
    def test_makes_it_the_present_one_and_can_be_undone(self, signed_in: Client, notebook: Notebook) -> None:
        made = send(signed_in, "POST", "notebook_versions", notebook.pk, name="good").json()
        save(notebook, code_cell("a", "bad"))
        answer = send(signed_in, "POST", "restore_version", notebook.pk, made["id"], version=2)
        assert (answer.json()["version"], sources(answer.json()["document"])) == (3, ["one"])
        before = notebook.versions.get(why="restore")
        assert sources(before.document()) == ["bad"]
        again = send(signed_in, "POST", "restore_version", notebook.pk, before.pk, version=3)
        assert sources(again.json()["document"]) == ["bad"]

    def test_does_not_replace_what_the_page_does_not_know(self, signed_in: Client, notebook: Notebook) -> None:
        made = send(signed_in, "POST", "notebook_versions", notebook.pk, name="good").json()
        save(notebook, code_cell("a", "newer"))
        assert send(signed_in, "POST", "restore_version", notebook.pk, made["id"], version=1).status_code == 409
        assert send(signed_in, "POST", "restore_version", notebook.pk, made["id"]).status_code == 400
        notebook.refresh_from_db()
        assert sources(notebook.document) == ["newer"]


def test_a_tab_that_replaces_what_it_was_shown_leaves_it_as_a_version(signed_in: Client, notebook: Notebook) -> None:
    save(notebook, code_cell("a", "theirs"))
    body = {"version": 2, "document": document_of(code_cell("a", "mine")), "replaces": True}
    assert send(signed_in, "PUT", "notebook_document", notebook.pk, **body).status_code == 200
    assert sources(notebook.versions.get(why="conflict").document()) == ["theirs"]


def test_strangers_and_colleagues_find_no_version(client: Client, notebook: Notebook, bob: Any, charlie: Any) -> None:
    made = versions.keep_named(notebook, "mine", None)
    for user in (bob, charlie):
        other = make(user, code_cell("a", "theirs"))
        client.force_login(user)
        for method in ("GET", "POST"):
            assert send(client, method, "notebook_versions", notebook.pk, name="x").status_code == 404
        for through in (notebook.pk, other.pk):
            for method in ("GET", "PATCH", "DELETE"):
                assert send(client, method, "notebook_version", through, made.pk, name="x").status_code == 404
            assert send(client, "POST", "restore_version", through, made.pk, version=1).status_code == 404
    assert notebook.versions.get().name == "mine"
    assert timezone.now() - made.created_at < timedelta(minutes=1)
    assert NotebookVersion.objects.count() == 1


class TestEditsThatGaveWay:
    """A tab that takes what somebody else saved keeps its own edits as a version first."""

    def keep(self, client: Client, notebook: Notebook, document: Any) -> Any:
        return send(client, "POST", "notebook_versions", notebook.pk, document=document)

    def test_are_a_version_and_change_nothing(self, signed_in: Client, notebook: Notebook, alice: Any) -> None:
        answer = self.keep(signed_in, notebook, document_of(code_cell("a", "mine"), code_cell("b", "too")))
        assert (answer.status_code, answer.json()["why"], answer.json()["by"]) == (201, "gave_way", "alice")
        assert kept(notebook) == [["mine", "too"]]
        notebook.refresh_from_db()
        assert (sources(notebook.document), notebook.version) == (["one"], 1)
        again = self.keep(signed_in, notebook, document_of(code_cell("a", "mine"), code_cell("b", "too")))
        assert (again.status_code, again.json()) == (200, {})

    def test_that_are_no_notebook_are_refused(self, signed_in: Client, notebook: Notebook) -> None:
        for document in (None, [], {"cells": 5}, {**document_of(code_cell("a")), "nbformat": 3}):
            answer = self.keep(signed_in, notebook, document)
            assert (answer.status_code, answer.json()["error"]) == (400, "invalid_document")
        assert kept(notebook) == []

    def test_of_who_only_looks_on_are_not_kept(self, client: Client, notebook: Notebook, bob: Any) -> None:
        Collaborator.objects.create(notebook=notebook, user=bob, role="viewer")
        client.force_login(bob)
        assert self.keep(client, notebook, document_of(code_cell("a", "bobs"))).status_code == 403
        assert kept(notebook) == []
