"""The bench's own arithmetic: a wrong verdict would be believed."""

import json
from pathlib import Path

import pytest

from tests.bench import report
from tests.bench.jupyter import pack, unpack


def test_a_percentile_is_a_sample_that_was_taken():
    samples = [5.0, 1.0, 4.0, 2.0, 3.0]
    assert report.median(samples) == 3.0
    assert report.percentile(samples, 0.99) == 5.0
    assert report.percentile([7.0], 0.5) == 7.0


def test_a_percentile_of_nothing_is_an_error():
    with pytest.raises(ValueError, match="at least one sample"):
        report.percentile([], 0.5)


@pytest.mark.parametrize(
    ("row", "ok"),
    [
        (report.at_most("a", 15, "ms", 15), True),
        (report.at_most("a", 15.1, "ms", 15), False),
        (report.at_least("a", 40, "MB/s", 40), True),
        (report.at_least("a", 39.9, "MB/s", 40), False),
        (report.figure("peer", 1, "ms"), None),
    ],
)
def test_a_row_knows_whether_its_bar_is_met(row: report.Row, ok: bool | None):
    assert row.ok is ok


def test_the_file_lists_every_row_with_its_bar(tmp_path: Path):
    path = tmp_path / "build" / "bench.json"
    report.save([report.at_most("lease", 12, "ms", 15), report.figure("peer", 3, "ms")], path)
    ours, peer = json.loads(path.read_text())
    assert (ours["name"], ours["value"], ours["unit"], ours["bar"], ours["ok"]) == ("lease", 12, "ms", 15, True)
    assert peer["bar"] is None
    assert peer["ok"] is None


def test_the_table_marks_a_missed_bar():
    table = report.render([report.at_most("lease", 16, "ms", 15)])
    assert "MISSED" in table
    assert "≤ 15" in table


def test_a_packed_message_of_jupyter_unpacks_to_its_parts():
    message = pack("shell", {"id": 1}, {"id": 0}, {}, {"code": "1+1"})
    assert unpack(message) == (b"shell", b'{"id": 1}', b'{"id": 0}', b'{"code": "1+1"}')
