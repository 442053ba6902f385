"""Saves: in part, at the same time, of a notebook that is gone, and of what no text can hold."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connections
from django.test import Client
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st

from frontend.documents import CellsUnknown, InvalidDocument, check, patched
from frontend.models import Notebook, NotebookVersion
from tests.documents import code_cell, document_of, make, send, sources, text_cell


@pytest.fixture
def signed_in(client: Client, alice: Any) -> Client:
    client.force_login(alice)
    return client


@pytest.fixture
def notebook(alice: Any) -> Notebook:
    return make(alice, code_cell("a", "one"), code_cell("b", "two"))


class TestAPatch:
    def test_changes_adds_removes_and_moves_cells(self, signed_in: Client, notebook: Notebook) -> None:
        change = {"version": 1, "cells": [code_cell("b", "two!"), text_cell("c", "new")], "order": ["c", "b"]}
        answer = send(signed_in, "PATCH", "notebook_document", notebook.pk, **change)
        assert answer.json() == {"version": 2}
        notebook.refresh_from_db()
        assert sources(notebook.document) == ["new", "two!"]

    def test_of_one_cell_needs_no_order_and_leaves_the_rest(self, signed_in: Client, notebook: Notebook) -> None:
        send(signed_in, "PATCH", "notebook_document", notebook.pk, version=1, cells=[code_cell("a", "1")])
        send(signed_in, "PATCH", "notebook_document", notebook.pk, version=2, metadata={"mine": 1})
        notebook.refresh_from_db()
        assert (sources(notebook.document), notebook.document["metadata"]) == (["1", "two"], {"mine": 1})

    @pytest.mark.parametrize(
        ("change", "code"),
        [
            ({"order": ["a", "z"]}, "unknown_cells"),
            ({"order": "a"}, "invalid_document"),
            ({"order": [["a"]]}, "invalid_document"),
            ({"order": ["a", "a"]}, "invalid_document"),
            ({"cells": "a"}, "invalid_document"),
            ({"cells": [3]}, "invalid_document"),
            ({"cells": [{"id": "a", "cell_type": "wrong"}]}, "invalid_document"),
            ({"metadata": []}, "invalid_document"),
        ],
    )
    def test_that_is_wrong_changes_nothing(self, signed_in: Client, notebook: Notebook, change: Any, code: str) -> None:
        answer = send(signed_in, "PATCH", "notebook_document", notebook.pk, version=1, **change)
        assert (answer.status_code, answer.json()["error"]) == (400, code)
        notebook.refresh_from_db()
        assert (notebook.version, sources(notebook.document)) == (1, ["one", "two"])

    def test_cannot_grow_the_whole_beyond_its_bound(self, signed_in: Client, notebook: Notebook, settings: Any) -> None:
        settings.MAX_NOTEBOOK_BYTES = 3000
        first = send(
            signed_in, "PATCH", "notebook_document", notebook.pk, version=1, cells=[code_cell("a", "x" * 1500)]
        )
        second = send(
            signed_in, "PATCH", "notebook_document", notebook.pk, version=2, cells=[code_cell("b", "x" * 1500)]
        )
        assert (first.status_code, second.status_code) == (200, 413)

    @given(st.data())
    def test_comes_to_what_a_whole_save_does(self, data: st.DataObject) -> None:
        names = st.lists(st.sampled_from("abcdef"), unique=True)
        before = document_of(*(code_cell(name, data.draw(st.text(max_size=3))) for name in data.draw(names)))
        after = document_of(*(code_cell(name, data.draw(st.text(max_size=3))) for name in data.draw(names)))
        known = {cell["id"]: cell for cell in before["cells"]}
        changed = [cell for cell in after["cells"] if known.get(cell["id"]) != cell]
        order = [cell["id"] for cell in after["cells"]]
        assert patched(before, {"cells": changed, "order": order, "metadata": after["metadata"]}) == after

    def test_says_that_a_cell_is_unknown(self) -> None:
        with pytest.raises(CellsUnknown, match="save the whole"):
            patched(document_of(), {"order": ["x"]})


@pytest.mark.django_db(transaction=True)
def test_of_saves_at_once_exactly_one_is_taken_and_the_others_are_told(alice: Any) -> None:
    notebook = make(alice, code_cell("a", "before"))
    start = threading.Barrier(6)
    clients = []
    for _ in range(6):
        client = Client()
        client.force_login(alice)
        clients.append(client)

    def save(number: int) -> int:
        start.wait(10)
        try:
            method, body = ("PUT", {"document": document_of(code_cell("a", str(number)))})
            if number % 2:
                method, body = "PATCH", {"cells": [code_cell("a", str(number))]}
            return int(send(clients[number], method, "notebook_document", notebook.pk, version=1, **body).status_code)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(6) as threads:
        answers = list(threads.map(save, range(6)))
    assert sorted(answers) == [200, 409, 409, 409, 409, 409]
    notebook.refresh_from_db()
    assert (notebook.version, sources(notebook.document)) == (2, [str(answers.index(200))])
    assert [sources(each.document()) for each in NotebookVersion.objects.all()] == [["before"]]


class TestANotebookThatIsDeletedElsewhere:
    @pytest.mark.parametrize("method", ["GET", "PUT", "PATCH"])
    def test_is_said_to_be_in_the_trash(self, signed_in: Client, notebook: Notebook, method: str) -> None:
        notebook.delete_softly()
        answer = send(signed_in, method, "notebook_document", notebook.pk, version=1, document=notebook.document)
        assert (answer.status_code, answer.json()["error"]) == (410, "deleted")
        back = send(signed_in, "POST", "restore_notebook", notebook.pk)
        assert back.json() == {"version": 1}
        assert send(signed_in, "PATCH", "notebook_document", notebook.pk, version=1).status_code == 200

    def test_is_told_to_nobody_else(self, client: Client, notebook: Notebook, bob: Any) -> None:
        notebook.delete_softly()
        client.force_login(bob)
        assert send(client, "GET", "notebook_document", notebook.pk).status_code == 404
        assert client.get(reverse("notebook", args=[notebook.pk])).status_code == 404

    def test_has_a_page_that_brings_it_back(self, signed_in: Client, notebook: Notebook) -> None:
        notebook.delete_softly()
        page = signed_in.get(reverse("notebook", args=[notebook.pk]))
        assert (page.status_code, "in the trash" in page.content.decode()) == (410, True)
        back = signed_in.post(reverse("restore_notebook", args=[notebook.pk]), {"then": "open"})
        assert back["Location"] == reverse("notebook", args=[notebook.pk])


class TestReading:
    def test_says_when_nothing_is_newer(self, signed_in: Client, notebook: Notebook) -> None:
        url = reverse("notebook_document", args=[notebook.pk])
        assert signed_in.get(url, {"unless": 1}).status_code == 204
        assert signed_in.get(url, {"unless": 7}).json()["version"] == 1


class TestWhatNoTextCanHold:
    def test_is_replaced(self) -> None:
        cell = check(document_of(code_cell("a", "x\x00\ud800y", metadata={"n": float("nan")})))["cells"][0]
        assert (cell["source"], cell["metadata"]) == ("x\ufffd\ufffdy", {"n": None})

    def test_is_refused_when_it_is_nested_without_end(self) -> None:
        deep: Any = "x"
        for _ in range(500):
            deep = [deep]
        with pytest.raises(InvalidDocument, match="levels deep"):
            check(document_of(code_cell("a", metadata={"deep": deep})))
