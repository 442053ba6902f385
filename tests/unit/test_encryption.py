"""Secrets at rest: unreadable in the database, readable with a former key, and never in a form, dump or query."""

import json
from io import StringIO
from typing import Any

import pytest
from django.core import serializers
from django.core.exceptions import FieldError
from django.core.management import CommandError, call_command
from django.db import connection

from interpreters.models import RegistryCredential
from tenants import encryption
from tenants.encryption import CannotDecrypt, EncryptedJSONField

pytestmark = pytest.mark.django_db


@pytest.fixture
def credential() -> RegistryCredential:
    made: RegistryCredential = RegistryCredential.objects.create(registry="ghcr.io", username="robot", secret="hush")
    return RegistryCredential.objects.get(pk=made.pk)


def stored() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT secret FROM interpreters_registrycredential")
        return str(cursor.fetchone()[0])


@pytest.mark.parametrize("text", ["", "hush", "schön 🔑\n", "x" * 100_000])
def test_what_is_encrypted_comes_back_and_looks_different_each_time(text: str) -> None:
    first, second = encryption.encrypt(text), encryption.encrypt(text)
    assert first != second
    assert not text or text not in first
    assert encryption.decrypt(first) == encryption.decrypt(second) == text


def test_a_changed_text_is_refused() -> None:
    sealed = encryption.encrypt("hush")
    with pytest.raises(CannotDecrypt):
        encryption.decrypt(sealed[:-4] + "AAAA")


def test_the_database_holds_no_secret(credential: RegistryCredential) -> None:
    assert "hush" not in stored()
    assert credential.secret == "hush"
    assert credential.login == {"username": "robot", "password": "hush"}


def test_a_former_key_still_reads_and_the_new_one_writes(credential: RegistryCredential, settings: Any) -> None:
    old, settings.SECRET_KEY = settings.SECRET_KEY, "another key of fifty characters, or nearly as many"
    with pytest.raises(CannotDecrypt, match="SECRET_KEY_FALLBACKS"):
        _ = RegistryCredential.objects.get().secret
    settings.SECRET_KEY_FALLBACKS = [old]
    assert RegistryCredential.objects.get().secret == "hush"
    out = StringIO()
    call_command("reencrypt", stdout=out)
    assert "Encrypted 1 anew" in out.getvalue()
    settings.SECRET_KEY_FALLBACKS = []
    assert RegistryCredential.objects.get().secret == "hush"


def test_without_its_key_a_row_can_be_listed_changed_and_given_a_new_secret(
    credential: RegistryCredential, settings: Any
) -> None:
    settings.SECRET_KEY = "another key of fifty characters, or nearly as many"
    row = RegistryCredential.objects.get()
    before = stored()
    row.username = "other"
    row.save()
    assert stored() == before
    with pytest.raises(CommandError, match="cannot be read"):
        call_command("reencrypt", stderr=StringIO(), stdout=StringIO())
    row.secret = "new"
    row.save()
    assert RegistryCredential.objects.get().secret == "new"


def test_saving_what_was_read_does_not_encrypt_twice(credential: RegistryCredential) -> None:
    assert credential.secret == "hush"
    credential.save()
    assert RegistryCredential.objects.get().secret == "hush"


def test_no_query_can_guess_at_a_secret(credential: RegistryCredential) -> None:
    for lookup in ("secret", "secret__startswith", "secret__contains", "secret__regex"):
        with pytest.raises(FieldError):
            RegistryCredential.objects.filter(**{lookup: "h"}).exists()
    assert RegistryCredential.objects.filter(secret__isnull=False).exists()


def test_lists_of_values_and_dumps_hold_ciphertext(credential: RegistryCredential) -> None:
    assert credential.secret == "hush"
    assert "hush" not in str(RegistryCredential.objects.values())
    assert "hush" not in serializers.serialize("json", [credential])
    assert "hush" not in repr(credential)


def test_json_comes_back_as_it_was() -> None:
    field = EncryptedJSONField()
    value = {"TOKEN": "hush", "n": [1, None]}
    sealed = field.get_prep_value(value)
    assert "hush" not in sealed
    assert field.opened(encryption.Ciphertext(sealed)) == value
    assert json.loads(encryption.decrypt(sealed)) == value
    assert not field.editable
