"""Notebooks come in from files, go out as files, are copied, and go to the trash and beyond."""

import json
import re
from datetime import timedelta
from typing import Any
from urllib.parse import unquote

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from frontend import exporting
from frontend.models import BroughtOutput, Notebook, NotebookVersion
from frontend.models.version import keep_named
from frontend.tasks import empty_trash
from interpreters.models import Execution, InterpreterImage, Session, SessionPool
from tests.documents import code_cell, document_of, make, send, sources, text_cell

JSON = {"Accept": "application/json"}
PRINTED = [{"output_type": "stream", "name": "stdout", "text": "printed"}]


@pytest.fixture
def signed_in(client: Client, alice: Any, pool: Any) -> Client:
    client.force_login(alice)
    return client


@pytest.fixture
def notebook(alice: Any) -> Notebook:
    return make(alice, code_cell("a", "1"), text_cell("b", "words"))


def bring(client: Client, *files: tuple[str, Any], **fields: str) -> Any:
    uploads = [
        SimpleUploadedFile(name, content if isinstance(content, bytes) else json.dumps(content).encode())
        for name, content in files
    ]
    return client.post(reverse("import_notebooks"), {"files": uploads, **fields}, headers=JSON)


def read(client: Client, notebook: Any) -> Any:
    return client.get(reverse("notebook_document", args=[notebook])).json()


class TestImport:
    def test_keeps_outputs_though_nothing_ran_here(self, signed_in: Client) -> None:
        file = document_of(code_cell("a", "print()", outputs=PRINTED, execution_count=7), text_cell("b"))
        answer = bring(signed_in, ("A study.ipynb", file))
        assert answer.status_code == 201
        made = answer.json()["made"][0]
        assert made["title"] == "A study"
        cell = read(signed_in, made["id"])["document"]["cells"][0]
        assert (cell["outputs"], cell["execution_count"]) == (PRINTED, 7)
        assert Notebook.objects.get().document["cells"][0]["outputs"] == []
        exported = signed_in.get(reverse("download_notebook", args=[made["id"]]))
        assert json.loads(exported.content)["cells"][0]["outputs"][0]["text"] == ["printed"]

    def test_of_several_tells_of_each(self, signed_in: Client) -> None:
        answer = bring(signed_in, ("a.ipynb", document_of()), ("b.ipynb", b"{"), ("c.ipynb", document_of())).json()
        assert [each["title"] for each in answer["made"]] == ["a", "c"]
        assert len(answer["problems"]) == 1
        assert answer["problems"][0].startswith("b.ipynb: This is no notebook.")

    def test_asks_for_the_language_where_none_fits(self, signed_in: Client) -> None:
        julia = {**document_of(), "metadata": {"kernelspec": {"name": "julia-1.9", "language": "julia"}}}
        answer = bring(signed_in, ("a.ipynb", julia))
        assert (answer.status_code, answer.json()["error"]) == (422, "choose_language")
        assert answer.json()["languages"] == [{"pool": "python", "language": "Python"}]
        assert bring(signed_in, ("a.ipynb", julia), pool="nowhere").status_code == 422
        assert bring(signed_in, ("a.ipynb", julia), pool="python").status_code == 201

    def test_knows_languages_of_other_pools(self, signed_in: Client) -> None:
        image = InterpreterImage.objects.create(name="r", language="R", source="r", kernel="ir", state="ready")
        SessionPool.objects.create(name="r", image=image)
        bring(signed_in, ("a.ipynb", {**document_of(), "metadata": {"kernelspec": {"name": "ir"}}}))
        assert Notebook.objects.get().pool == "r"

    def test_refuses_by_size_before_it_reads(self, signed_in: Client, settings: Any, monkeypatch: Any) -> None:
        settings.MAX_IMPORT_BYTES = 1024
        monkeypatch.setattr("frontend.views.files._bring", None)
        answer = bring(signed_in, ("a.ipynb", b"x" * 70_000))
        assert (answer.status_code, answer.json()["error"]) == (413, "too_large")

    def test_refuses_what_is_too_large_without_outputs(self, signed_in: Client, settings: Any) -> None:
        settings.MAX_NOTEBOOK_BYTES = 2000
        big = [{"output_type": "stream", "name": "stdout", "text": "x" * 5000}]
        assert bring(signed_in, ("a.ipynb", document_of(code_cell("a", outputs=big)))).status_code == 201
        answer = bring(signed_in, ("a.ipynb", document_of(code_cell("a", "x" * 5000))))
        assert (answer.status_code, "Without its outputs" in answer.json()["message"]) == (400, True)

    def test_needs_a_csrf_token(self, alice: Any) -> None:
        client = Client(enforce_csrf_checks=True)
        client.force_login(alice)
        assert bring(client, ("a.ipynb", document_of())).status_code == 403

    def test_by_a_form_without_scripts_opens_the_notebook_or_says_what_is_wrong(self, signed_in: Client) -> None:
        file = SimpleUploadedFile("a.ipynb", json.dumps(document_of()).encode())
        answer = signed_in.post(reverse("import_notebooks"), {"files": file})
        assert answer["Location"] == reverse("notebook", args=[Notebook.objects.get().pk])
        wrong = SimpleUploadedFile("<b>.ipynb", b"{")
        page = signed_in.post(reverse("import_notebooks"), {"files": wrong}, follow=True).content.decode()
        assert "&lt;b&gt;.ipynb: This is no notebook." in page
        assert "Choose one to 20 files" in signed_in.post(reverse("import_notebooks"), follow=True).content.decode()

    @pytest.mark.parametrize("name", ["..\\x\\a b.ipynb", "a\tb.ipynb", "ä ипинб 名.ipynb", "a" * 400 + ".ipynb"])
    def test_makes_a_title_of_any_name(self, signed_in: Client, name: str) -> None:
        assert bring(signed_in, (name, document_of())).status_code == 201
        title = Notebook.objects.get().title
        assert 0 < len(title) <= 200
        assert not set(title) & set("\\/\t\x00")


class TestACopy:
    def test_has_the_outputs_too(self, signed_in: Client, notebook: Notebook, alice: Any, pool: Any) -> None:
        session = Session.objects.create(
            pool=pool, tenant=notebook.tenant, user=alice, state="gone", identifier=notebook.identifier
        )
        Execution.objects.create(
            session=session, tenant=notebook.tenant, user=alice, cell="a", code="", status="ok", outputs=PRINTED
        )
        made = send(signed_in, "POST", "copy_notebook", notebook.pk).json()
        assert made["title"] == "Copy of Study"
        assert read(signed_in, made["id"])["document"]["cells"][0]["outputs"] == PRINTED

    def test_of_what_a_tab_shows_leaves_the_notebook_alone(self, signed_in: Client, notebook: Notebook) -> None:
        BroughtOutput.objects.take(notebook, [code_cell("a", outputs=PRINTED)])
        mine = document_of(code_cell("a", "mine"), code_cell("z", "new"))
        made = send(signed_in, "POST", "copy_notebook", notebook.pk, document=mine, title="Study (mine)").json()
        copied = read(signed_in, made["id"])["document"]
        assert sources(copied) == ["mine", "new"]
        assert [cell["outputs"] for cell in copied["cells"]] == [PRINTED, []]
        notebook.refresh_from_db()
        assert sources(notebook.document) == ["1", "words"]

    def test_is_made_of_a_deleted_notebook_too(self, signed_in: Client, notebook: Notebook) -> None:
        notebook.delete_softly()
        assert send(signed_in, "POST", "copy_notebook", notebook.pk, document=document_of()).status_code == 201

    def test_of_what_is_wrong_is_refused(self, signed_in: Client, notebook: Notebook) -> None:
        for body in ({"document": []}, {"document": {"nbformat": 4}}):
            assert send(signed_in, "POST", "copy_notebook", notebook.pk, **body).status_code == 400

    def test_by_a_form_comes_back_to_the_list(self, signed_in: Client, notebook: Notebook) -> None:
        page = signed_in.post(reverse("copy_notebook", args=[notebook.pk]), follow=True).content.decode()
        assert "Copy of Study" in page


class TestExport:
    @pytest.mark.parametrize(
        ("title", "name"),
        [
            ("Study", "Study.ipynb"),
            ("Анализ 数据", "Анализ 数据.ipynb"),
            ("a/b\\c: \"d\"?", "a b c d.ipynb"),
            ("...", "notebook.ipynb"),
            ("\u202egnp.exe", "gnp.exe.ipynb"),
            ("é" * 190, "é" * 100 + ".ipynb"),
        ],
    )  # fmt: skip
    def test_is_named_by_the_title(self, signed_in: Client, notebook: Notebook, title: str, name: str) -> None:
        notebook.rename(title)
        header = signed_in.get(reverse("download_notebook", args=[notebook.pk]))["Content-Disposition"]
        encoded = re.fullmatch(r"attachment; filename\*=utf-8''(.+)", header)
        plain = re.fullmatch(r'attachment; filename="(.+)"', header)
        assert (unquote(encoded[1]) if encoded else plain and plain[1]) == name

    def test_as_a_web_page_is_a_download_that_runs_nothing_here(self, signed_in: Client, notebook: Notebook) -> None:
        hostile = [{"output_type": "display_data", "metadata": {}, "data": {"text/html": "<script>alert(1)</script>"}}]
        BroughtOutput.objects.take(notebook, [code_cell("a", outputs=hostile)])
        answer = signed_in.get(reverse("export_notebook", args=[notebook.pk, "html"]))
        assert answer["Content-Disposition"] == 'attachment; filename="Study.html"'
        assert answer["Content-Security-Policy"].startswith("sandbox;")
        assert answer["X-Content-Type-Options"] == "nosniff"
        assert "words" in answer.content.decode()
        assert "<title>Study</title>" in answer.content.decode()

    def test_as_a_web_page_draws_figures_of_plotly(self, signed_in: Client, notebook: Notebook) -> None:
        figure = {"data": [{"type": "bar", "y": [1, 2]}], "layout": {"title": {"text": "</script><b>sold"}}}
        output = {"output_type": "display_data", "metadata": {}, "data": {"application/vnd.plotly.v1+json": figure}}
        BroughtOutput.objects.take(notebook, [code_cell("a", outputs=[output, output])])
        page = signed_in.get(reverse("export_notebook", args=[notebook.pk, "html"])).content.decode()
        assert page.count("https://cdn.plot.ly/plotly-") == 1
        drawn = re.findall(r'<div id="([\w-]+)"></div><script>Plotly\.newPlot\("([\w-]+)", (.+?)\);</script>', page)
        assert [(place, json.loads(whole)["layout"]) for _, place, whole in drawn] == [
            ("plotly-figure-0", figure["layout"]), ("plotly-figure-1", figure["layout"]),
        ]  # fmt: skip
        assert all(place == named for place, named, _ in drawn)

    def test_as_a_web_page_has_bounds(self, signed_in: Client, notebook: Notebook, monkeypatch: Any) -> None:
        monkeypatch.setattr(exporting, "HTML_BYTES", 10)
        url = reverse("export_notebook", args=[notebook.pk, "html"])
        assert signed_in.get(url, headers=JSON).status_code == 413
        assert "too large" in signed_in.get(url, follow=True).content.decode()
        monkeypatch.setattr(exporting, "HTML_BYTES", 10_000)
        monkeypatch.setattr(exporting, "HTML_SECONDS", 0.05)
        answer = signed_in.get(url, headers=JSON)
        assert (answer.status_code, "took too long" in answer.json()["message"]) == (504, True)

    def test_as_a_program_runs_the_code_and_keeps_the_words(self, signed_in: Client, notebook: Notebook) -> None:
        code = code_cell("a", "%matplotlib inline\nx = 1\n!ls")
        notebook.save_document(document_of(code, text_cell("b", "# T\nwords")), base=1)
        answer = signed_in.get(reverse("export_notebook", args=[notebook.pk, "script"]))
        assert answer["Content-Disposition"] == 'attachment; filename="Study.py"'
        assert answer.content.decode() == (
            "# %%\n# %matplotlib inline\nx = 1\n# !ls\n\n# %% [markdown]\n# # T\n# words\n"
        )

    @pytest.mark.parametrize(
        ("language", "ending", "comment"),
        [("R", "R", "#"), ("TypeScript", "ts", "//"), ("Bash", "sh", "#"), ("SQL", "sql", "--"), ("Other", "txt", "#")],
    )
    def test_as_a_program_of_other_languages(self, language: str, ending: str, comment: str) -> None:
        program, found = exporting.as_program(document_of(text_cell("a", "x"), code_cell("b", "y")), language)
        assert (found, program) == (ending, f"{comment} %% [markdown]\n{comment} x\n\n{comment} %%\ny\n")

    def test_of_an_unknown_form_is_not_found(self, signed_in: Client, notebook: Notebook) -> None:
        assert signed_in.get(reverse("export_notebook", args=[notebook.pk, "exe"])).status_code == 404


class TestTheTrash:
    def test_lists_and_brings_back(self, signed_in: Client, notebook: Notebook) -> None:
        assert "The trash is empty" in signed_in.get(reverse("trash")).content.decode()
        signed_in.post(reverse("delete_notebook", args=[notebook.pk]))
        assert "Study" in signed_in.get(reverse("trash")).content.decode()
        signed_in.post(reverse("restore_notebook", args=[notebook.pk]))
        assert "The trash is empty" in signed_in.get(reverse("trash")).content.decode()

    def test_deletes_for_good_only_what_is_in_it(self, signed_in: Client, notebook: Notebook) -> None:
        assert signed_in.post(reverse("purge_notebook", args=[notebook.pk])).status_code == 404
        signed_in.post(reverse("empty_trash"))
        assert Notebook.objects.exists()
        notebook.delete_softly()
        signed_in.post(reverse("purge_notebook", args=[notebook.pk]))
        assert not Notebook.objects.exists()

    def test_takes_versions_and_outputs_along_and_ends_the_session(
        self, signed_in: Client, notebook: Notebook, alice: Any, pool: Any
    ) -> None:
        other = make(alice)
        for each in (notebook, other):
            keep_named(each, "v", alice)
            session = Session.objects.create(
                pool=pool, tenant=each.tenant, user=alice, state="leased", identifier=each.identifier
            )
            Execution.objects.create(session=session, tenant=each.tenant, user=alice, cell="a", code="")
        notebook.delete_softly()
        signed_in.post(reverse("empty_trash"))
        assert [each.notebook for each in NotebookVersion.objects.all()] == [other]
        assert [each.session.identifier for each in Execution.objects.all()] == [other.identifier]
        states = Session.objects.values_list("identifier", "state")
        assert dict(states) == {notebook.identifier: "stopping", other.identifier: "leased"}

    def test_is_emptied_of_what_has_been_in_it_for_long(self, notebook: Notebook, alice: Any, settings: Any) -> None:
        settings.TRASH_DAYS = 30
        old = make(alice, title="Old")
        for each, days in ((notebook, 29), (old, 31)):
            each.delete_softly()
            Notebook.objects.filter(pk=each.pk).update(deleted_at=timezone.now() - timedelta(days=days))
        make(alice, title="Alive")
        empty_trash()
        assert sorted(Notebook.objects.values_list("title", flat=True)) == ["Alive", "Study"]


def test_strangers_and_colleagues_reach_no_file(client: Client, notebook: Notebook, bob: Any, charlie: Any) -> None:
    for user in (bob, charlie):
        client.force_login(user)
        for form in ("ipynb", "html", "script"):
            assert client.get(reverse("export_notebook", args=[notebook.pk, form])).status_code == 404
        assert client.post(reverse("copy_notebook", args=[notebook.pk])).status_code == 404
    notebook.delete_softly()
    for user in (bob, charlie):
        client.force_login(user)
        assert "Study" not in client.get(reverse("trash")).content.decode()
        client.post(reverse("empty_trash"))
        for route in ("purge_notebook", "copy_notebook", "restore_notebook"):
            assert client.post(reverse(route, args=[notebook.pk])).status_code == 404
    notebook.refresh_from_db()
    assert notebook.deleted_at
