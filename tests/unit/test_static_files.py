"""How scripts and styles are sent. Where they come from is of test_frontend."""

import asyncio
import gzip
import os
from pathlib import Path
from typing import Any

import pytest
from django.http import HttpRequest
from django.test import RequestFactory

from project.static_files import CompressedOnceStorage, StaticFilesMiddleware

SCRIPT = b"export const answer = 42;\n" * 500
BUILT, PLAIN, TINY = "frontend/dist/assets/page-DiLnM3Wz.js", "admin/css/base.css", "frontend/tiny.svg"


@pytest.fixture
def collected(settings: Any, tmp_path: Path) -> CompressedOnceStorage:
    """Collected files, compressed once."""
    settings.STATIC_ROOT = tmp_path
    for name, content in {BUILT: SCRIPT, PLAIN: SCRIPT, TINY: b"<svg/>"}.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    storage = CompressedOnceStorage(location=str(tmp_path))
    compress(storage)
    return storage


def compress(storage: CompressedOnceStorage) -> list[str]:
    """What was written."""
    return [written for _, written, _ in storage.post_process(dict.fromkeys((BUILT, PLAIN, TINY)))]


def get(name: str, accepts: str = "") -> Any:
    async def nothing(request: HttpRequest) -> Any:
        raise AssertionError("not a static file")

    request = RequestFactory().get(f"/static/{name}", headers={"Accept-Encoding": accepts} if accepts else {})

    async def ask() -> tuple[Any, bytes]:
        response = await StaticFilesMiddleware(nothing)(request)
        return response, b"".join([part async for part in response])  # type: ignore[attr-defined]

    return asyncio.run(ask())


def test_a_browser_gets_it_compressed(collected: Any) -> None:
    response, body = get(BUILT, "gzip, br")
    assert (response["Content-Encoding"], gzip.decompress(body)) == ("gzip", SCRIPT)
    assert len(body) < len(SCRIPT) / 10
    assert "Accept-Encoding" in response["Vary"]


def test_others_get_it_as_it_is(collected: Any) -> None:
    response, body = get(BUILT)
    assert body == SCRIPT
    assert "Content-Encoding" not in response


def test_what_is_named_by_its_content_is_asked_for_once(collected: Any) -> None:
    assert "immutable" in get(BUILT)[0]["Cache-Control"]
    assert get(PLAIN)[0]["Cache-Control"] == "max-age=60, public"


def test_only_what_changed_is_compressed_again(collected: CompressedOnceStorage, tmp_path: Path) -> None:
    assert compress(collected) == []
    (tmp_path / PLAIN).write_bytes(SCRIPT * 2)
    os.utime(tmp_path / PLAIN, (1, 1))
    assert compress(collected) == [f"{PLAIN}.gz"]
    assert gzip.decompress((tmp_path / f"{PLAIN}.gz").read_bytes()) == SCRIPT * 2
