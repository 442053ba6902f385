"""Secrets at rest: encrypted with a key that is made from SECRET_KEY, and decrypted only where they are used.

A field's value is decrypted when code reads the attribute, and never by a query: a list of rows, a dump of the
database or an admin page that shows other fields need no key and hold no secret.

To change the key: move the old one to SECRET_KEY_FALLBACKS, then run `manage.py reencrypt`.
"""

import base64
import functools
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.db import models
from django.db.models.query_utils import DeferredAttribute

# Says what the key is for: the same SECRET_KEY makes other keys for other uses.
INFO = b"thermae: secrets at rest, version 1"


class CannotDecrypt(Exception):
    """The key that a secret was encrypted with is not here."""


def encrypt(text: str) -> str:
    return _cipher().encrypt(text.encode()).decode()


def decrypt(text: str) -> str:
    """Raises CannotDecrypt."""
    with _explained():
        return _cipher().decrypt(text.encode()).decode()


def rotate(text: str) -> str:
    """The same secret under the present key. Raises CannotDecrypt."""
    with _explained():
        return _cipher().rotate(text.encode()).decode()


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except InvalidToken:
        raise CannotDecrypt(
            "A stored secret was encrypted with another key: add the former THERMAE_SECRET_KEY to "
            "THERMAE_SECRET_KEY_FALLBACKS, or enter the secret again."
        ) from None


def _cipher() -> MultiFernet:
    return _cipher_of(settings.SECRET_KEY, tuple(settings.SECRET_KEY_FALLBACKS))


@functools.lru_cache(maxsize=4)
def _cipher_of(key: str, fallbacks: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([Fernet(_derived(secret)) for secret in (key, *fallbacks)])


def _derived(secret: str) -> bytes:
    derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=INFO).derive(secret.encode())
    return base64.urlsafe_b64encode(derived)


class Ciphertext(str):
    """What the database holds, not yet decrypted."""

    __slots__ = ()


class _DecryptedWhenRead(DeferredAttribute):
    def __get__(self, instance: Any, cls: Any = None) -> Any:
        value = super().__get__(instance, cls)
        if isinstance(value, Ciphertext):
            value = instance.__dict__[self.field.attname] = self.field.opened(value)  # type: ignore[attr-defined]
        return value

    def __set__(self, instance: Any, value: Any) -> None:
        instance.__dict__[self.field.attname] = value


class EncryptedTextField(models.TextField[Any, Any]):
    """Text that the database holds encrypted. It is in no form by itself, and no query can look for it."""

    descriptor_class = _DecryptedWhenRead

    def __init__(self, *args: Any, **options: Any) -> None:
        options.setdefault("editable", False)
        super().__init__(*args, **options)

    def sealed(self, value: Any) -> str:
        return encrypt(str(value))

    def opened(self, value: Ciphertext) -> Any:
        return decrypt(value)

    def from_db_value(self, value: str | None, *_: object) -> Ciphertext | None:
        return None if value is None else Ciphertext(value)

    def get_prep_value(self, value: Any) -> Any:
        if value is None or isinstance(value, Ciphertext):
            return None if value is None else str(value)
        return self.sealed(value)

    def to_python(self, value: Any) -> Any:
        return value

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:
        # Unread, it is written back as it is: saving another field needs no key.
        return model_instance.__dict__.get(self.attname)

    def value_from_object(self, obj: models.Model) -> Any:
        """For forms and dumps: never the secret itself."""
        value = obj.__dict__.get(self.attname)
        return value if value is None or isinstance(value, Ciphertext) else Ciphertext(self.get_prep_value(value))

    def get_lookup(self, lookup_name: str) -> Any:
        return super().get_lookup(lookup_name) if lookup_name == "isnull" else None

    def get_transform(self, lookup_name: str) -> Any:
        return None


class EncryptedJSONField(EncryptedTextField):
    """The same for anything that JSON can hold."""

    def sealed(self, value: Any) -> str:
        return encrypt(json.dumps(value))

    def opened(self, value: Ciphertext) -> Any:
        return json.loads(decrypt(value))


def encrypted_fields() -> Iterator[tuple[type[models.Model], EncryptedTextField]]:
    """Every field of the project that holds secrets."""
    from django.apps import apps

    for model in apps.get_models():
        for field in model._meta.fields:
            if isinstance(field, EncryptedTextField):
                yield model, field
