"""What widgets last were is kept beside the outputs that show them."""

import json
from copy import deepcopy
from typing import Any
from uuid import uuid4

import nbformat

from frontend.exporting import as_ipynb
from interpreters import outputs
from interpreters.client import Outputs, Record
from interpreters.models import Execution, Session
from interpreters.outputs.widgets import LARGEST, STATE, VIEW


def comm(kind: str, name: str, state: dict[str, Any] | None = None, **more: Any) -> bytes:
    data = {"state": state or {}, "buffer_paths": more.pop("paths", [])}
    data |= {"method": "update"} if kind == "comm_msg" else {}
    content = {"comm_id": name, "target_name": "jupyter.widget", "data": data}
    return json.dumps({"header": {"msg_type": kind}, "content": content, **more}).encode()


def model(name: str, **state: Any) -> bytes:
    own = {"_model_name": "HTMLModel", "_model_module": "@jupyter-widgets/controls", "_model_module_version": "2.0.0"}
    return comm("comm_open", name, {**own, **state})


def shows(name: Any) -> bytes:
    return displayed({"text/plain": "HTML()", VIEW: {"version_major": 2, "version_minor": 0, "model_id": name}})


def displayed(data: dict[str, Any]) -> bytes:
    content = {"data": data, "metadata": {}}
    return json.dumps({"header": {"msg_type": "display_data"}, "content": content}).encode()


def saved(*raw: bytes, limit: int | None = None) -> list[dict[str, Any]]:
    return outputs.to_notebook(Outputs(Record(uuid4(), "default", "ok"), list(raw), {}), limit)[0]


def state_in(output: dict[str, Any]) -> Any:
    return output["data"].get(STATE, {}).get("state")


def test_a_widget_is_kept_as_it_was_at_the_end_with_all_that_it_refers_to() -> None:
    (output,) = saved(
        model("bar", value="0%", layout="IPY_MODEL_layout"),
        model("layout", width="50%"),
        model("unseen", value="nobody shows it"),
        model("box", children=["IPY_MODEL_bar", "IPY_MODEL_box"]),
        shows("box"),
        comm("comm_msg", "bar", {"value": "100%"}),
    )
    assert output["data"]["text/plain"] == "HTML()"
    assert state_in(output)["bar"] == {
        "model_name": "HTMLModel", "model_module": "@jupyter-widgets/controls", "model_module_version": "2.0.0",
        "state": {"value": "100%", "layout": "IPY_MODEL_layout"},
    }  # fmt: skip
    assert set(state_in(output)) == {"box", "bar", "layout"}


def test_what_is_binary_is_kept_beside_it_and_the_last_counts() -> None:
    (output,) = saved(
        comm("comm_open", "picture", {"format": "png"}, paths=[["value"]], buffers=["b2xk"]),
        shows("picture"),
        comm("comm_msg", "picture", paths=[["value"]], buffers=["bmV3"]),
    )
    assert state_in(output)["picture"]["buffers"] == [{"path": ["value"], "encoding": "base64", "data": "bmV3"}]


def test_one_that_is_of_an_earlier_execution_or_too_large_is_left_out() -> None:
    assert state_in(saved(shows("elsewhere"))[0]) is None
    assert state_in(saved(model("box", children=["IPY_MODEL_elsewhere"]), shows("box"))[0]) is None
    large = saved(model("large", value="x" * LARGEST), shows("large"), limit=LARGEST * 4)
    assert state_in(large[0]) is None


def test_many_views_of_one_take_no_more_room_than_outputs_may() -> None:
    many = saved(model("a", value="x" * 20_000), *[shows("a")] * 20, limit=100_000)
    assert 2 < len([output for output in many if state_in(output)]) < 5
    assert len(many) == 20


def test_nonsense_from_a_sandbox_is_nothing() -> None:
    nonsense = [
        comm("comm_msg", "none"), comm("comm_open", "a", paths=[1, [], [None], {"a": 1}], buffers=["YQ=="]),
        comm("comm_open", "b", paths=5), comm("comm_close", ""), shows(7), shows(None), shows(["a"]),
        b'{"header": {"msg_type": "comm_open"}, "content": {"data": [1]}}',
        b'{"header": {"msg_type": "comm_msg"}, "content": {"comm_id": "a", "data": {"method": "update", "state": 3}}}',
    ]  # fmt: skip
    assert len(saved(*nonsense)) == 3
    # What nobody can read is counted, as all that makes no sense.
    assert "1 messages" in saved(b'{"header": {"msg_type": "comm_msg"}, "content": {}, "buffers": "x"}')[0]["text"]


def test_a_later_execution_closes_and_changes_what_an_earlier_one_showed(pool: Any, alice: Any, leased: Any) -> None:
    session: Session = leased(alice)

    def store(*raw: bytes) -> Execution:
        row = Execution.objects.create(session=session, tenant_id=session.tenant_id, code="x")
        assert outputs.store(session.pk, row.pk, Outputs(Record(row.pk, "default", "ok"), list(raw), {}))
        return row

    picture = comm("comm_open", "b", {"value": 1, "kept": 2}, paths=[["old"]], buffers=["b2xk"])
    forged = [{VIEW: {"model_id": "f"}, STATE: state} for state in (5, {"state": [1]}, {"state": {"b": {"state": 5}}})]
    first = store(model("a"), shows("a"), picture, shows("b"), *map(displayed, forged))
    store(
        comm("comm_close", "a"),
        comm("comm_msg", "b", {"value": 3}, paths=[["old"]], buffers=["bmV3"]),
        comm("comm_msg", "nobody's", {"value": 1}),
    )
    store(comm("comm_msg", "b", {"value": "x" * LARGEST}))
    first.refresh_from_db()
    left, *as_forged = first.outputs
    assert state_in(left)["b"]["state"] == {"value": 3, "kept": 2}
    assert state_in(left)["b"]["buffers"] == [{"path": ["old"], "encoding": "base64", "data": "bmV3"}]
    assert [output["data"] for output in as_forged] == forged


def test_a_file_has_it_where_jupyter_looks_and_loses_none_that_it_came_with() -> None:
    outputs = saved(model("a", value="100%"), shows("a"), model("b"), shows("b"))
    cells = [
        {"id": "c", "cell_type": "code", "metadata": {}, "source": "", "execution_count": 1, "outputs": outputs},
        {"id": "d", "cell_type": "markdown", "metadata": {}, "source": "x"},
    ]
    came = {"a": {}, "old": {}, "y": {}, "z": {"state": {"layout": "IPY_MODEL_y"}}}
    brought = {"widgets": {STATE: {"version_major": 2, "version_minor": 0, "state": came}, "other": 1}}
    cells[0]["outputs"].append({"output_type": "display_data", "metadata": {}, "data": {VIEW: {"model_id": "z"}}})
    for metadata, names in (({}, {"a", "b"}), (brought, {"a", "b", "y", "z"}), ({"widgets": 5}, {"a", "b"})):
        document = {"nbformat": 4, "nbformat_minor": 5, "metadata": dict(metadata), "cells": deepcopy(cells)}
        file = json.loads(as_ipynb(document))
        nbformat.validate(file)
        kept = file["metadata"]["widgets"]
        assert set(kept[STATE]["state"]) == names
        assert kept[STATE]["state"]["a"]["state"] == {"value": "100%"}
        assert ("other" in kept) == (metadata is brought)
        assert not [output for output in file["cells"][0]["outputs"] if STATE in output["data"]]
    plain = {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells[1:]}
    assert json.loads(as_ipynb(plain))["metadata"] == {}
