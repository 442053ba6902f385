"""The scheme of standardwebhooks.com: what a receiver checks to know that we sent it, and when."""

import base64
import hashlib
import hmac
from collections.abc import Iterable

from interpreters.models.webhook import SECRET_PREFIX


def headers(message: str, timestamp: int, body: bytes, secrets: Iterable[str]) -> dict[str, str]:
    """One signature for each secret: a receiver that knows any of them is satisfied."""
    signed = f"{message}.{timestamp}.".encode() + body
    signatures = (f"v1,{_signature(secret, signed)}" for secret in secrets)
    return {
        "webhook-id": message,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(signatures),
    }


def _signature(secret: str, signed: bytes) -> str:
    key = base64.b64decode(secret.removeprefix(SECRET_PREFIX))
    return base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
