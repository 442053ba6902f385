"""The list of notebooks: searched, sorted, a page at a time, with what is live; and notebooks to begin with."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from frontend.documents import check, new_document
from frontend.listing import PER_PAGE
from frontend.models import Notebook
from frontend.starters import FOLDER, has_starter, starter
from interpreters.models import Session


@pytest.fixture
def signed_in(client: Client, alice: Any) -> Client:
    client.force_login(alice)
    return client


@pytest.fixture
def notebooks(acme: Any, alice: Any, pool: Any) -> Any:
    """Makes notebooks of alice's, each opened a minute before the one named last."""

    def make(*titles: str, **fields: Any) -> list[Notebook]:
        now = timezone.now()
        return Notebook.objects.bulk_create(
            Notebook(
                tenant=acme, owner=alice, title=title, opened_at=now - timedelta(minutes=len(titles) - number),
                **{"pool": "python", "document": new_document("python3", "Python"), **fields},
            )
            for number, title in enumerate(titles)
        )  # fmt: skip

    return make


def titles(client: Client, **query: Any) -> list[str]:
    answer = client.get(reverse("notebooks"), query)
    assert answer.status_code == 200
    return [row.notebook.title for row in answer.context["listing"].rows]


class TestASearch:
    def test_finds_all_words_in_any_order_and_case(self, signed_in: Client, notebooks: Any) -> None:
        notebooks("Sales of 2025", "Sales of 2026", "Weather")
        assert titles(signed_in, q="2026 sales") == ["Sales of 2026"]
        assert titles(signed_in, q="  ") == ["Weather", "Sales of 2026", "Sales of 2025"]

    def test_knows_languages(self, signed_in: Client, notebooks: Any) -> None:
        notebooks("Sales")
        notebooks("Of a pool that is gone", pool="former")
        assert titles(signed_in, q="PYTHON") == ["Sales"]
        assert titles(signed_in, q="former") == ["Of a pool that is gone"]

    def test_that_finds_nothing_helps(self, signed_in: Client, notebooks: Any) -> None:
        notebooks("Sales")
        page = signed_in.get(reverse("notebooks"), {"q": "<b>none"}).content.decode()
        assert "Show all" in page
        assert "&lt;b&gt;none" in page
        assert "welcome notebook" not in page

    def test_finds_nothing_of_others_and_nothing_deleted(
        self, client: Client, signed_in: Client, notebooks: Any, bob: Any
    ) -> None:
        notebooks("Gone", deleted_at=timezone.now())
        notebooks("Mine")
        assert titles(signed_in, q="Gone") == []
        client.force_login(bob)
        assert titles(client, q="Mine") == []

    @pytest.mark.parametrize(
        "query", [{"q": "\x00"}, {"q": "%_\\'"}, {"q": "x" * 5000}, {"sort": "id; drop"}, {"page": "-1"}, {"page": "x"}]
    )
    def test_takes_anything(self, signed_in: Client, notebooks: Any, query: dict[str, str]) -> None:
        notebooks("Sales")
        assert signed_in.get(reverse("notebooks"), query).status_code == 200

    def test_answers_with_the_rows_alone_while_somebody_types(self, signed_in: Client, notebooks: Any) -> None:
        notebooks("Sales")
        page = signed_in.get(reverse("notebooks"), {"q": "sales", "part": "list"}).content.decode()
        assert "Sales" in page
        assert "<html" not in page


class TestPages:
    def test_of_two_thousand_notebooks_show_each_once(
        self, signed_in: Client, notebooks: Any, django_assert_max_num_queries: Any
    ) -> None:
        notebooks(*(f"Number {number}" for number in range(2000)))
        with django_assert_max_num_queries(14):
            assert titles(signed_in)[:2] == ["Number 1999", "Number 1998"]
        pages = [titles(signed_in, page=page, sort="name") for page in range(1, 2000 // PER_PAGE + 1)]
        assert len({title for page in pages for title in page}) == 2000
        last = signed_in.get(reverse("notebooks"), {"page": "999", "q": "Number"}).content.decode()
        assert f"{2000 - PER_PAGE + 1} to 2000 of 2000" in last
        assert "q=Number" in last

    def test_are_sorted_by_name(self, signed_in: Client, notebooks: Any) -> None:
        notebooks("b", "A", "c")
        assert titles(signed_in, sort="name") == ["A", "b", "c"]


class TestARow:
    def test_says_that_a_session_is_open(self, signed_in: Client, notebooks: Any, pool: Any, alice: Any) -> None:
        one, two = notebooks("One", "Two")
        for notebook, state in ((one, "leased"), (two, "gone")):
            identifier = notebook.identifier
            Session.objects.create(pool=pool, tenant=one.tenant, user=alice, state=state, identifier=identifier)
        rows = signed_in.get(reverse("notebooks")).context["listing"].rows
        assert {row.notebook.title: row.live for row in rows} == {"One": True, "Two": False}

    def test_of_somebody_else_is_not_duplicated(self, client: Client, notebooks: Any, bob: Any, charlie: Any) -> None:
        (notebook,) = notebooks("One")
        for user in (bob, charlie):
            client.force_login(user)
            assert client.post(reverse("copy_notebook", args=[notebook.pk])).status_code == 404
        assert Notebook.objects.count() == 1


class TestANotebookToBeginWith:
    @pytest.mark.parametrize("path", sorted(FOLDER.glob("*.ipynb")), ids=lambda path: path.stem)
    def test_is_one_that_we_would_store(self, path: Any) -> None:
        made = starter("kernel", path.stem.upper())
        assert made
        check(made.document)
        assert made.title
        assert made.document["metadata"]["kernelspec"]["name"] == "kernel"
        other = starter("kernel", path.stem)
        assert other
        assert {cell["id"] for cell in made.document["cells"]}.isdisjoint(c["id"] for c in other.document["cells"])

    def test_is_missing_where_nobody_wrote_one(self) -> None:
        assert not has_starter("../secrets")
        assert starter("kernel", "Cobol") is None

    def test_is_offered_to_who_has_none_and_made(self, signed_in: Client, pool: Any) -> None:
        assert "Open the welcome notebook" in signed_in.get(reverse("notebooks")).content.decode()
        signed_in.post(reverse("new_notebook"), {"example": "python"})
        notebook = Notebook.objects.get()
        assert notebook.title == "Welcome to Thermae"
        assert len(notebook.document["cells"]) > 3
        assert "Open the welcome notebook" not in signed_in.get(reverse("notebooks")).content.decode()

    def test_is_not_offered_where_its_language_does_not_start(self, signed_in: Client, pool: Any) -> None:
        type(pool).objects.update(last_error="no engine")
        assert "welcome notebook" not in signed_in.get(reverse("notebooks")).content.decode()
