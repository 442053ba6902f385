"""Secrets at rest: encrypted with a key derived from SECRET_KEY; the keys of SECRET_KEY_FALLBACKS still open them."""

import base64
import json
from functools import cache
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.db import models


class CannotDecrypt(Exception):
    """It was encrypted under a SECRET_KEY that is not known any more: enter the secret anew."""

    def __init__(self) -> None:
        super().__init__(self.__doc__)


def encrypt(text: str) -> str:
    return _box(*_keys()).encrypt(text.encode()).decode()


def decrypt(text: str) -> str:
    """Raises CannotDecrypt."""
    try:
        return _box(*_keys()).decrypt(text.encode()).decode()
    except InvalidToken:
        raise CannotDecrypt from None


def _keys() -> tuple[str, ...]:
    return (settings.SECRET_KEY, *map(str, settings.SECRET_KEY_FALLBACKS))


@cache
def _box(*keys: str) -> MultiFernet:
    return MultiFernet([Fernet(_derive(key)) for key in keys])


def _derive(key: str) -> bytes:
    derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"thermae secrets at rest").derive(key.encode())
    return base64.urlsafe_b64encode(derived)


class EncryptedJSONField(models.TextField[Any, Any]):
    """JSON that the database holds encrypted. Nothing that is empty is encrypted, so that it can be told."""

    _pyi_private_set_type: Any
    _pyi_private_get_type: Any

    def get_prep_value(self, value: Any) -> Any:
        return encrypt(json.dumps(value)) if value else ""

    def from_db_value(self, value: str | None, *_: object) -> Any:
        return json.loads(decrypt(value)) if value else {}

    def to_python(self, value: Any) -> Any:
        return json.loads(value) if isinstance(value, str) and value else value or {}

    def value_to_string(self, obj: models.Model) -> str:
        """For a dump: as it is at rest."""
        return str(self.get_prep_value(self.value_from_object(obj)))
