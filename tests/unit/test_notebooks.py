"""Notebooks: whose they are, how they are saved, and what a page of theirs is told."""

import json
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

import frontend.executions
from frontend.documents import InvalidDocument, check, fill_outputs, new_document
from frontend.executions import OF_A_CELL
from frontend.models import BroughtOutput, Notebook
from interpreters.models import Execution, InterpreterImage, Session, SessionPool


@pytest.fixture
def notebook(acme: Any, alice: Any, pool: Any) -> Notebook:
    document = new_document("python3", "Python")
    return Notebook.objects.create(tenant=acme, owner=alice, title="Study", pool="python", document=document)


@pytest.fixture
def signed_in(client: Client, alice: Any) -> Client:
    client.force_login(alice)
    return client


def put(client: Client, notebook: Notebook, version: int, document: Any) -> Any:
    body = {"version": version, "document": document}
    return client.put(
        reverse("notebook_document", args=[notebook.pk]), json.dumps(body), content_type="application/json"
    )


def code_cell(name: str, source: str = "", **more: Any) -> dict[str, Any]:
    return {
        "id": name, "cell_type": "code", "source": source, "metadata": {}, "outputs": [], "execution_count": None,
        **more,
    }  # fmt: skip


def document_of(*cells: dict[str, Any]) -> dict[str, Any]:
    return {**new_document("python3", "Python"), "cells": list(cells)}


def executed(
    notebook: Notebook, user: Any, cell: str, outputs: Any, *, minutes_ago: int = 0, identifier: str = "", **more: Any
) -> Execution:
    identifier = identifier or notebook.identifier
    session = Session.objects.filter(identifier=identifier).first()
    if session is None:
        from interpreters.models import SessionPool

        session = Session.objects.create(
            pool=SessionPool.objects.get(), tenant=notebook.tenant, user=user, state="gone", reason="cooldown",
            identifier=identifier,
        )  # fmt: skip
    more.setdefault("tenant", notebook.tenant)
    execution = Execution.objects.create(
        session=session, user=user, cell=cell, status="ok", outputs=outputs, **{"code": "", **more}
    )
    Execution.objects.filter(pk=execution.pk).update(queued_at=timezone.now() - timedelta(minutes=minutes_ago))
    return execution


class TestAStrangerAndAColleague:
    @pytest.mark.parametrize("route", ["notebook", "notebook_document", "download_notebook", "notebook_language"])
    def test_find_nothing(self, client: Client, notebook: Notebook, bob: Any, charlie: Any, route: str) -> None:
        for user in (bob, charlie):
            client.force_login(user)
            assert client.get(reverse(route, args=[notebook.pk])).status_code == 404
            assert client.get(reverse("notebook_outputs", args=[notebook.pk, "a"])).status_code == 404

    @pytest.mark.parametrize("route", ["rename_notebook", "delete_notebook", "restore_notebook", "notebook_language"])
    def test_change_nothing(self, client: Client, notebook: Notebook, bob: Any, charlie: Any, route: str) -> None:
        for user in (bob, charlie):
            client.force_login(user)
            assert client.post(reverse(route, args=[notebook.pk]), {"title": "mine"}).status_code == 404
            assert put(client, notebook, 1, document_of(code_cell("a"))).status_code == 404
        notebook.refresh_from_db()
        assert (notebook.title, notebook.version, notebook.deleted_at) == ("Study", 1, None)

    def test_without_a_login_is_asked_to_sign_in(self, client: Client, notebook: Notebook) -> None:
        answer = client.get(reverse("notebook", args=[notebook.pk]))
        assert answer.status_code == 302
        assert answer["Location"].startswith(reverse("login"))


class TestSaving:
    def test_counts_the_version_up(self, signed_in: Client, notebook: Notebook) -> None:
        answer = put(signed_in, notebook, 1, document_of(code_cell("a", "1+1")))
        assert answer.json() == {"version": 2}
        notebook.refresh_from_db()
        assert notebook.document["cells"][0]["source"] == "1+1"

    def test_from_a_stale_tab_changes_nothing_and_says_so(self, signed_in: Client, notebook: Notebook) -> None:
        put(signed_in, notebook, 1, document_of(code_cell("a", "new")))
        answer = put(signed_in, notebook, 1, document_of(code_cell("a", "stale")))
        assert answer.status_code == 409
        assert answer.json()["version"] == 2
        notebook.refresh_from_db()
        assert notebook.document["cells"][0]["source"] == "new"

    def test_needs_a_csrf_token(self, alice: Any, notebook: Notebook) -> None:
        client = Client(enforce_csrf_checks=True)
        client.force_login(alice)
        assert put(client, notebook, 1, document_of(code_cell("a"))).status_code == 403

    def test_refuses_what_is_too_large(self, signed_in: Client, notebook: Notebook, settings: Any) -> None:
        settings.MAX_NOTEBOOK_BYTES = 1000
        answer = put(signed_in, notebook, 1, document_of(code_cell("a", "x" * 2000)))
        assert answer.status_code == 413
        assert "at most" in answer.json()["message"]

    @pytest.mark.parametrize(
        ("body", "said"),
        [
            ("{", "not JSON"),
            ("[]", "version"),
            ('{"version": "1", "document": {}}', "version"),
            ('{"version": 1, "document": {}}', "nbformat 4.5"),
            ('{"version": 1, "document": []}', "JSON object"),
        ],
    )
    def test_says_what_is_wrong(self, signed_in: Client, notebook: Notebook, body: str, said: str) -> None:
        url = reverse("notebook_document", args=[notebook.pk])
        answer = signed_in.put(url, body, content_type="application/json")
        assert answer.status_code == 400
        assert said in answer.json()["message"]

    def test_keeps_outputs_that_the_tab_does_not_send(self, signed_in: Client, notebook: Notebook) -> None:
        old = [{"output_type": "stream", "name": "stdout", "text": "kept"}]
        forged = [{"output_type": "stream", "name": "stdout", "text": "forged"}]
        BroughtOutput.objects.take(notebook, [code_cell("a", outputs=old, execution_count=3)])
        put(signed_in, notebook, 1, document_of(code_cell("a", "edited", outputs=forged)))
        answer = signed_in.get(reverse("notebook_document", args=[notebook.pk])).json()
        cell = answer["document"]["cells"][0]
        assert (cell["source"], cell["outputs"], cell["execution_count"]) == ("edited", old, 3)


class TestReading:
    def test_fills_in_the_latest_outputs_of_each_cell(self, signed_in: Client, notebook: Notebook, alice: Any) -> None:
        notebook.document = document_of(code_cell("a"), code_cell("b"))
        notebook.save()
        new = [{"output_type": "stream", "name": "stdout", "text": "new"}]
        executed(notebook, alice, "a", [], minutes_ago=5)
        latest = executed(notebook, alice, "a", new, execution_count=2)
        answer = signed_in.get(reverse("notebook_document", args=[notebook.pk])).json()
        first, second = answer["document"]["cells"]
        assert (first["outputs"], first["execution_count"]) == (new, 2)
        assert second["outputs"] == []
        assert [each["id"] for each in answer["executions"]] == [str(latest.pk)]
        assert answer["session"]["reason"] == "cooldown"

    def test_takes_nothing_from_another_tenant_or_session(
        self, signed_in: Client, notebook: Notebook, alice: Any, bob: Any, other: Any
    ) -> None:
        notebook.document = document_of(code_cell("a"))
        notebook.save()
        outputs = [{"output_type": "stream", "name": "stdout", "text": "secret"}]
        executed(notebook, bob, "a", outputs, identifier=f"notebook-{notebook.pk}-{bob.pk}")
        executed(notebook, alice, "a", outputs, tenant=other)
        answer = signed_in.get(reverse("notebook_document", args=[notebook.pk]))
        assert "secret" not in answer.content.decode()

    def test_says_what_ran_where_the_cell_says_something_else_now(
        self, signed_in: Client, notebook: Notebook, alice: Any
    ) -> None:
        same, other, listed = code_cell("a", "x = 1"), code_cell("b", "y = 2"), code_cell("c", "z")
        listed["source"] = ["z = 1\n", "z"]
        notebook.document = document_of(same, other, listed)
        notebook.save()
        for cell, code in (("a", "x = 1"), ("b", "y = 1"), ("c", "z = 1\nz"), ("deleted", "w")):
            executed(notebook, alice, cell, [], code=code)
        answer = signed_in.get(reverse("notebook_document", args=[notebook.pk])).json()
        assert {each["cell"]: each["code"] for each in answer["executions"]} == {
            "a": None, "b": "y = 1", "c": None, "deleted": None,
        }  # fmt: skip

    def test_shows_what_anybody_ran_in_it(self, signed_in: Client, notebook: Notebook, bob: Any) -> None:
        notebook.document = document_of(code_cell("a"))
        notebook.save()
        executed(notebook, bob, "a", [{"output_type": "stream", "name": "stdout", "text": "bob's"}])
        assert "bob's" in signed_in.get(reverse("notebook_document", args=[notebook.pk])).content.decode()

    def test_leaves_cleared_outputs_out(self) -> None:
        execution = Execution(
            id=uuid.uuid4(), cell="a", outputs=[{"output_type": "stream", "name": "stdout", "text": "x"}]
        )
        cleared = document_of(code_cell("a", metadata={"thermae": {"cleared": str(execution.pk)}}))
        assert fill_outputs(cleared, {"a": execution})["cells"][0]["outputs"] == []
        brought = {"a": BroughtOutput(cell="a", outputs=[{"output_type": "stream", "name": "stdout", "text": "x"}])}
        assert fill_outputs(document_of(code_cell("a")), {}, brought)["cells"][0]["outputs"]
        away = document_of(code_cell("a", metadata={"thermae": {"cleared": "stored-a"}}))
        assert fill_outputs(away, {}, brought)["cells"][0]["outputs"] == []

    def test_leaves_large_outputs_to_be_asked_for(self, signed_in: Client, notebook: Notebook, alice: Any) -> None:
        notebook.document = document_of(*(code_cell(name) for name in "abcdef"))
        notebook.save()
        printed = {
            name: [{"output_type": "stream", "name": "stdout", "text": name * size}]
            for name, size in (("a", 10), ("b", OF_A_CELL + 1), ("c", 600), ("d", 10), ("e", OF_A_CELL + 1))
        }
        for name in "abcd":
            executed(notebook, alice, name, printed[name], execution_count=7)
        BroughtOutput.objects.create(notebook=notebook, cell="e", outputs=printed["e"])
        BroughtOutput.objects.create(notebook=notebook, cell="b", outputs=[])  # was run since
        address = reverse("notebook_document", args=[notebook.pk])
        near = signed_in.get(address, {"outputs": "near"}).json()
        shown = {cell["id"]: cell["outputs"] for cell in near["document"]["cells"]}
        assert shown == {name: [] if name in "bef" else printed[name] for name in "abcdef"}
        assert set(near["left_out"]) == {"b", "e"}
        assert near["left_out"]["b"] > OF_A_CELL
        assert {each["cell"]: each["execution_count"] for each in near["executions"]}["b"] == 7
        assert {cell["id"]: cell["outputs"] for cell in signed_in.get(address).json()["document"]["cells"]}["b"]
        for name, known in (("b", str(Execution.objects.get(cell="b").pk)), ("e", "stored-e")):
            answer = signed_in.get(reverse("notebook_outputs", args=[notebook.pk, name])).json()
            assert answer == {"execution": known, "outputs": printed[name]}
        assert signed_in.get(reverse("notebook_outputs", args=[notebook.pk, "f"])).status_code == 404

    def test_many_outputs_are_given_until_there_is_enough(
        self, signed_in: Client, notebook: Notebook, alice: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(frontend.executions, "OF_ALL", 8_000)
        notebook.document = document_of(*(code_cell(name) for name in "abcd"))
        notebook.save()
        for name, size in (("a", 3000), ("b", 3000), ("c", 3000), ("d", 5)):
            executed(notebook, alice, name, [{"output_type": "stream", "name": "stdout", "text": "x" * size}])
        answer = signed_in.get(reverse("notebook_document", args=[notebook.pk]), {"outputs": "near"}).json()
        assert set(answer["left_out"]) == {"c"}

    def test_a_large_notebook_is_read_without_reading_its_outputs(
        self, signed_in: Client, notebook: Notebook, alice: Any, django_assert_max_num_queries: Any
    ) -> None:
        notebook.document = document_of(*(code_cell(f"c{number}") for number in range(20)))
        notebook.save()
        large = [{"output_type": "stream", "name": "stdout", "text": "x" * 2 * OF_A_CELL}]
        for number in range(20):
            executed(notebook, alice, f"c{number}", large)
        with django_assert_max_num_queries(20):
            answer = signed_in.get(reverse("notebook_document", args=[notebook.pk]), {"outputs": "near"})
        assert len(answer.content) < 20_000

    def test_downloads_as_a_notebook_file(self, signed_in: Client, notebook: Notebook) -> None:
        answer = signed_in.get(reverse("download_notebook", args=[notebook.pk]))
        assert answer["Content-Disposition"] == 'attachment; filename="Study.ipynb"'
        check(json.loads(answer.content))


class TestADocument:
    def test_that_is_new_is_valid(self) -> None:
        check(new_document("python3", "Python"))

    def test_names_the_cell_that_is_wrong(self) -> None:
        with pytest.raises(InvalidDocument, match="cell 2"):
            check(document_of(code_cell("a"), {"id": "b", "cell_type": "markdown", "metadata": {}}))

    def test_with_two_cells_of_one_id_is_refused(self) -> None:
        with pytest.raises(InvalidDocument, match="same id"):
            check(document_of(code_cell("a"), code_cell("a")))

    @pytest.mark.parametrize("cells", [None, 3, [3], [None], {"a": 1}, [{"id": 3, "cell_type": "code"}]])
    def test_of_another_shape_is_refused_in_words(self, cells: Any) -> None:
        with pytest.raises(InvalidDocument):
            check({**new_document("python3", "Python"), "cells": cells})

    def test_with_too_many_cells_is_refused(self) -> None:
        with pytest.raises(InvalidDocument, match="at most"):
            check(document_of(*(code_cell(f"c{n}") for n in range(5001))))


class TestLanguage:
    def test_is_chosen_among_the_pools_and_the_document_says_so(self, signed_in: Client, notebook: Notebook) -> None:
        image = InterpreterImage.objects.create(
            name="sql", language="SQL", kernel="sql", source="sql", reference="sql", state="ready"
        )
        SessionPool.objects.create(name="sql", image=image)
        notebook.document["metadata"]["mine"] = 7
        notebook.save()
        address = reverse("notebook_language", args=[notebook.pk])
        told = signed_in.get(address).json()
        assert told["pool"] == "python"
        assert "SQL" in [each["language"] for each in told["languages"]]
        assert signed_in.post(address, {"pool": "sql"}).json() == {"pool": "sql", "language": "SQL"}
        notebook.refresh_from_db()
        assert (notebook.pool, notebook.version) == ("sql", 2)
        metadata = notebook.document["metadata"]
        assert (metadata["kernelspec"]["name"], metadata["language_info"]["name"], metadata["mine"]) == (
            "sql",
            "sql",
            7,
        )

    def test_of_before_leaves_its_session_behind(self, signed_in: Client, notebook: Notebook, alice: Any) -> None:
        executed(notebook, alice, "a", [])
        document = reverse("notebook_document", args=[notebook.pk])
        assert signed_in.get(document).json()["session"] is not None
        notebook.change_pool("r", "ir", "R")
        assert signed_in.get(document).json()["session"] is None

    @pytest.mark.parametrize("pool", ["", "nowhere", "../python"])
    def test_that_is_not_there_changes_nothing(self, signed_in: Client, notebook: Notebook, pool: str) -> None:
        answer = signed_in.post(reverse("notebook_language", args=[notebook.pk]), {"pool": pool})
        assert (answer.status_code, answer.json()["error"]) == (400, "not_available")
        notebook.refresh_from_db()
        assert (notebook.pool, notebook.version) == ("python", 1)
