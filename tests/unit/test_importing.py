"""Files of other tools come in whole, and what is no notebook is refused in words."""

import contextlib
import json
from typing import Any

import nbformat
import pytest
from hypothesis import given
from hypothesis import strategies as st

from frontend.documents import InvalidDocument
from frontend.exporting import as_ipynb
from frontend.importing import read_notebook
from frontend.kernels import pool_for
from frontend.pools import PoolCard
from tests.documents import code_cell, document_of, text_cell

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def read(content: Any) -> Any:
    return read_notebook(json.dumps(content).encode())


def old_cell(kind: str, **more: Any) -> dict[str, Any]:
    return {"cell_type": kind, "metadata": {}, **more}


COLAB = {
    "nbformat": 4,
    "nbformat_minor": 0,
    "metadata": {
        "colab": {"name": "Untitled0.ipynb", "provenance": [], "authorship_tag": "ABX9", "gpuType": "T4"},
        "kernelspec": {"name": "python3", "display_name": "Python 3"},
        "accelerator": "GPU",
    },
    "cells": [
        {
            "cell_type": "code",
            "metadata": {"id": "2kLs_d0-f3Wq", "colab": {"base_uri": "https://localhost:8080/", "height": 35}},
            "execution_count": 1,
            "source": ["import sys\n", "print(1)"],
            "outputs": [{"output_type": "stream", "name": "stdout", "text": ["1\n"]}],
        },
        old_cell("markdown", source=["# Title\n", "![a](attachment:a.png)"], attachments={"a.png": {"image/png": PNG}}),
    ],
}
V3 = {
    "nbformat": 3,
    "nbformat_minor": 0,
    "metadata": {"name": "Old"},
    "worksheets": [
        {
            "metadata": {},
            "cells": [
                {"cell_type": "heading", "level": 2, "metadata": {}, "source": ["Chapter"]},
                {
                    "cell_type": "code", "language": "python", "metadata": {}, "collapsed": False, "prompt_number": 3,
                    "input": ["1+1"],
                    "outputs": [{"output_type": "pyout", "prompt_number": 3, "metadata": {}, "text": ["2"]}],
                },
            ],
        }
    ],
}  # fmt: skip


class TestOtherTools:
    def test_colab_opens_with_outputs_attachments_and_all_that_it_says_of_itself(self) -> None:
        imported = read(COLAB)
        code, text = imported.document["cells"]
        assert code["outputs"][0]["text"] == ["1\n"]
        assert code["metadata"] == COLAB["cells"][0]["metadata"]  # type: ignore[index]
        assert text["attachments"] == {"a.png": {"image/png": PNG}}
        assert imported.document["metadata"] == COLAB["metadata"]
        assert code["id"] != text["id"]
        assert (imported.kernel, imported.notes) == ("python3", [])

    def test_the_format_of_2013_is_upgraded(self) -> None:
        imported = read(V3)
        heading, code = imported.document["cells"]
        assert heading["source"] == "## Chapter"
        assert code["outputs"][0]["data"] == {"text/plain": "2"}
        assert imported.notes == ["Upgraded from nbformat 3 to 4.5."]

    def test_what_the_format_does_not_know_moves_into_the_metadata(self) -> None:
        cell = {**code_cell("a"), "collapsed": True, "prompt_number": 4}
        imported = read({**document_of(cell), "tool": {"version": 2}})
        assert imported.document["cells"][0]["metadata"] == {"collapsed": True, "prompt_number": 4}
        assert imported.document["metadata"]["tool"] == {"version": 2}

    def test_what_tools_leave_out_is_filled_in(self) -> None:
        outputs = [{"output_type": "execute_result"}, {"output_type": "stream", "text": "x"}, {"output_type": "error"}]
        imported = read({"nbformat": 4, "nbformat_minor": 2, "cells": [{"cell_type": "code", "outputs": outputs}]})
        assert [each["output_type"] for each in imported.document["cells"][0]["outputs"]] == [
            "execute_result", "stream", "error",
        ]  # fmt: skip

    def test_ids_that_are_missing_wrong_or_taken_are_replaced(self) -> None:
        cells = [code_cell("a"), code_cell("a"), code_cell("b c"), code_cell("x" * 65), {**code_cell("d"), "id": 3}]
        del (nameless := code_cell("e"))["id"]
        imported = read(document_of(*cells, nameless))
        ids = [cell["id"] for cell in imported.document["cells"]]
        assert ids[0] == "a"
        assert len(set(ids)) == 6
        assert imported.notes == ["1 cell had the id of another and got a new one."]

    def test_a_newer_minor_is_read_and_said(self) -> None:
        assert "nbformat 4.9" in read({**document_of(code_cell("a")), "nbformat_minor": 9}).notes[0]

    def test_metadata_that_the_format_forbids_is_left_out_and_said(self) -> None:
        imported = read(document_of(code_cell("a", metadata={"tags": ["x", "x"], "keep": 1})))
        assert imported.document["cells"][0]["metadata"] == {"keep": 1}
        assert "left out" in imported.notes[0]

    def test_scripts_are_only_text(self) -> None:
        script = "<script>alert(1)</script>"
        imported = read({**document_of(code_cell("a", metadata={"x": script})), "metadata": {"title": script}})
        assert imported.document["metadata"] == {"title": script}

    def test_a_byte_order_mark_is_no_fault(self) -> None:
        assert read_notebook(b"\xef\xbb\xbf" + json.dumps(document_of()).encode()).document["cells"] == []


class TestWhatIsNoNotebook:
    @pytest.mark.parametrize(
        ("raw", "said"),
        [
            (b"", "empty"),
            (b" \n", "empty"),
            (b"{", "not JSON .line 1"),
            (b"\xff\xfe{\x00", "not UTF-8"),
            (b"[]", "JSON object"),
            (b"3", "JSON object"),
            (b"{}", "no `nbformat`"),
            (b'{"nbformat": 4}', "no cells"),
            (b'{"nbformat": "4", "cells": []}', "no `nbformat`"),
            (b'{"nbformat": true, "cells": []}', "no `nbformat`"),
            (b'{"nbformat": 5, "cells": []}', "nbformat 5"),
            (b'{"nbformat": 0, "cells": []}', "nbformat 0"),
            (b'{"nbformat": 3, "worksheets": 3}', "says nbformat 3, but is not"),
            (b'{"nbformat": 3, "worksheets": [{"cells": [3]}]}', "says nbformat 3, but is not"),
            (b'{"nbformat": 2, "cells": []}', "says nbformat 2, but is not"),
            (b'{"nbformat": 4, "cells": {}}', "list of objects"),
            (b'{"nbformat": 4, "cells": [3]}', "list of objects"),
            (b'{"nbformat": 4, "cells": [{"cell_type": "video"}]}', "unknown type 'video'"),
            (b'{"nbformat": 4, "cells": [{"cell_type": ["code"]}]}', "unknown type"),
            (b'{"nbformat": 4, "cells": [{"cell_type": "code", "source": 3}]}', "cell 1"),
            (b'{"nbformat": 4, "cells": [{"cell_type": "code", "outputs": [3]}]}', "cell 1"),
            (b'{"nbformat": 4, "cells": [' + b"{}," * 999_999 + b"{}]}", "at most 5000 cells; this one has 1000000"),
            (b'{"nbformat": 3, "worksheets": [{"cells": [' + b"{}," * 9_999 + b"{}]}]}", "at most 5000 cells"),
            (b"[" * 100_000, "levels deep"),
            (b'{"nbformat": 4, "cells": [], "metadata": ' + b'{"a":' * 300 + b"1" + b"}" * 300 + b"}", "levels deep"),
            (b'{"nbformat": ' + b"9" * 5000 + b', "cells": []}', "not JSON"),
        ],
        ids=lambda value: value[:30] if isinstance(value, str) else "",
    )
    def test_is_refused_in_words(self, raw: bytes, said: str) -> None:
        with pytest.raises(InvalidDocument, match=said):
            read_notebook(raw)

    @given(st.deferred(lambda: ANYTHING), st.sampled_from([1, 2, 3, 4]))
    def test_of_any_shape_is_read_or_refused_and_nothing_else(self, anything: Any, major: int) -> None:
        for content in (
            {"nbformat": major, "cells": anything},
            {"nbformat": major, "worksheets": [{"cells": anything}]},
            {"nbformat": 4, "cells": [{"cell_type": "code", "outputs": [anything], "metadata": anything}]},
        ):
            with contextlib.suppress(InvalidDocument):
                nbformat.validate(read(content).document)

    def test_characters_that_no_text_can_hold_are_replaced_and_said(self) -> None:
        raw = json.dumps(document_of(code_cell("a", "x\x00\ud800", metadata={"inf": float("inf")}))).encode()
        imported = read_notebook(raw)
        assert imported.document["cells"][0]["source"] == "x\ufffd\ufffd"
        assert imported.document["cells"][0]["metadata"] == {"inf": None}
        assert "were replaced" in imported.notes[0]


KEYS = ["cell_type", "source", "metadata", "outputs", "id", "output_type", "data"]
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just("code"),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=12,
)


# --- There and back ---

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=30)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
# Names with a meaning of their own in the format have a form of their own, which any JSON has not.
METADATA = st.dictionaries(TEXT.map(lambda name: f"x {name}"), JSON, max_size=3)
MULTILINE = TEXT | st.lists(TEXT.map(lambda line: line + "\n"), max_size=3)
BUNDLE = st.fixed_dictionaries(
    {},
    optional={"text/plain": MULTILINE, "text/html": MULTILINE, "image/png": st.just(PNG), "application/json": JSON,
              "application/vnd.x+json": JSON},
)  # fmt: skip
COUNT = st.none() | st.integers(0, 2**40)
OUTPUT = st.one_of(
    st.fixed_dictionaries(
        {"output_type": st.just("stream"), "name": st.sampled_from(["stdout", "stderr"]), "text": MULTILINE}
    ),
    st.fixed_dictionaries({"output_type": st.just("display_data"), "data": BUNDLE, "metadata": METADATA}),
    st.fixed_dictionaries(
        {"output_type": st.just("execute_result"), "data": BUNDLE, "metadata": METADATA, "execution_count": COUNT}
    ),
    st.fixed_dictionaries(
        {"output_type": st.just("error"), "ename": TEXT, "evalue": TEXT, "traceback": st.lists(TEXT, max_size=2)}
    ),
)  # fmt: skip
CELL = st.one_of(
    st.fixed_dictionaries(
        {"cell_type": st.just("code"), "source": MULTILINE, "metadata": METADATA, "execution_count": COUNT,
         "outputs": st.lists(OUTPUT, max_size=3)}
    ),
    st.fixed_dictionaries(
        {"cell_type": st.sampled_from(["markdown", "raw"]), "source": MULTILINE, "metadata": METADATA},
        optional={"attachments": st.dictionaries(TEXT, st.fixed_dictionaries({"image/png": st.just(PNG)}), max_size=2)},
    ),
)  # fmt: skip


@given(st.lists(CELL, max_size=4), METADATA)
def test_a_notebook_goes_there_and_back_without_a_loss(cells: list[Any], metadata: Any) -> None:
    """Up to how a text of several lines is written: as one string or as a list of its lines."""
    named = [{**cell, "id": f"c{number}"} for number, cell in enumerate(cells)]
    original = {"nbformat": 4, "nbformat_minor": 5, "metadata": metadata, "cells": named}
    back = as_ipynb(read(original).document)
    assert nbformat.reads(back.decode(), as_version=4) == nbformat.reads(json.dumps(original), as_version=4)
    assert as_ipynb(read_notebook(back).document) == back


def test_our_mark_of_cleared_outputs_stays_here() -> None:
    imported = read(document_of(code_cell("a", metadata={"thermae": {"cleared": "x"}, "k": 1}), text_cell("b")))
    assert imported.document["cells"][0]["metadata"] == {"k": 1}


# --- Which pool ---

POOLS = [PoolCard(name, language, kernel, "ready", "") for name, language, kernel in (
    ("python", "Python", "python3"), ("science", "Python", "python3"), ("r", "R", "ir"),
    ("deno", "TypeScript", "deno"), ("shell", "Bash", "bash"), ("db", "SQL", "sql"),
)]  # fmt: skip


@pytest.mark.parametrize(
    ("kernel", "language", "pool"),
    [
        ("python3", "python", "python"),
        ("venv-thesis", "python", "python"),
        ("conda-env-x", "", None),
        ("ir", "R", "r"),
        ("deno", "typescript", "deno"),
        ("tslab", "typescript", "deno"),
        ("", "javascript", "deno"),
        ("bash", "bash", "shell"),
        ("xsqlite", "sqlite", "db"),
        ("julia-1.9", "julia", None),
        ("", "", None),
    ],
)
def test_the_language_is_matched_to_a_pool(kernel: str, language: str, pool: str | None) -> None:
    found = pool_for(kernel, language, POOLS)
    assert (found and found.name) == pool
