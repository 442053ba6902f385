"""A text that was found somewhere: which tokens are in it, whether they live, and their end."""

import io
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from tenants import token_text
from tenants.leaks import look_for
from tenants.models import ApiToken, AuditEvent

pytestmark = pytest.mark.django_db


def test_a_live_token_is_found_in_a_text_and_revoked(alice: Any, token: Any) -> None:
    secret, gone = token(alice, name="ci"), token(alice, name="old")
    ApiToken.objects.get(name="old").revoke()
    foreign = token_text.make()
    text = f"export T='{secret}'; curl -H \"Authorization: Bearer {gone}\" {secret}\n{foreign} {secret[:-1]}X thm_short"
    found = look_for(text)
    assert [(f.prefix, f.live, f.token is None) for f in found] == [
        (secret[:12], True, False), (gone[:12], False, False), (foreign[:12], False, True),
    ]  # fmt: skip
    assert "LIVE" in str(found[0])
    assert not any(secret in str(each) or gone in str(each) for each in found)
    assert look_for(text, revoke=True)[0].revoked
    assert not ApiToken.objects.get(name="ci").usable
    assert AuditEvent.objects.filter(action="token.changed", why__startswith="leaked").count() == 1
    assert not look_for(text)[0].live


def test_what_a_thief_made_of_it_is_found_and_ends_too(
    alice: Any, token: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tmp_path / "report.txt"
    report.write_text(token(alice, name="ci"))
    successor, _ = ApiToken.objects.get().rotate(timedelta(), by_itself=True)
    with pytest.raises(SystemExit):
        call_command("leaked_tokens", str(report))
    assert f"no longer valid. It was rotated: {successor.prefix}… is LIVE" in capsys.readouterr().out
    call_command("leaked_tokens", "--revoke", str(report))
    assert f"{successor.prefix}… is revoked too" in capsys.readouterr().out
    successor.refresh_from_db()
    assert not successor.usable
    call_command("leaked_tokens", str(report))
    assert capsys.readouterr().out.endswith("is no longer valid.\n")


def test_what_is_part_of_a_longer_word_is_none(alice: Any, token: Any) -> None:
    secret = token(alice)
    assert look_for(f"{secret}0 a{secret}") == []
    assert len(look_for(f"_{secret}.")) == 1


def test_the_command_says_so_by_its_status(
    alice: Any, token: Any, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = token(alice, name="ci")
    report = tmp_path / "report.txt"
    report.write_bytes(b"\xff\0" + secret.encode())
    with pytest.raises(SystemExit) as status:
        call_command("leaked_tokens", str(report))
    assert status.value.code == 1
    assert "“ci” of alice in Acme is LIVE" in capsys.readouterr().out

    class Stdin:
        buffer = io.BytesIO(secret.encode())

    monkeypatch.setattr("sys.stdin", Stdin)
    call_command("leaked_tokens", "--revoke")
    assert "is revoked now" in capsys.readouterr().out
    call_command("leaked_tokens", str(report))
    assert "no longer valid" in capsys.readouterr().out
    report.write_text("nothing")
    call_command("leaked_tokens", str(report))
    with pytest.raises(CommandError, match="cannot be read"):
        call_command("leaked_tokens", str(tmp_path / "missing"))
