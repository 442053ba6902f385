"""JSON as every database, browser and notebook tool can hold it: what a file or a browser sends is made so first."""

import json
import math
import re
from typing import Any

DEEPEST = 100
# U+0000 is refused by PostgreSQL; half a surrogate pair is no text and has no UTF-8. Both can stand in JSON as escapes.
UNHOLDABLE = re.compile("[\x00\ud800-\udfff]")


class NotPlain(ValueError):
    """It is no JSON that can be kept; the message says why."""


def read(raw: bytes) -> tuple[Any, bool]:
    """What the bytes say, and whether something in it cannot be held and was replaced. Raises NotPlain."""
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise NotPlain(f"It is not UTF-8 text (byte {error.start}): save it as UTF-8.") from error
    try:
        said = json.loads(text)
        held = hold(said)
        return held, held != said
    except RecursionError as error:
        raise NotPlain(TOO_DEEP) from error
    except ValueError as error:
        if isinstance(error, NotPlain):
            raise
        where = f" (line {error.lineno}: {error.msg})" if isinstance(error, json.JSONDecodeError) else ""
        raise NotPlain(f"It is not JSON{where}.") from error


TOO_DEEP = f"It is nested more than {DEEPEST} levels deep: no notebook needs that."


def hold(value: Any, levels: int = DEEPEST) -> Any:
    """The value with U+FFFD for what no text can hold, and null for NaN and infinity. Raises NotPlain."""
    if isinstance(value, str):
        return UNHOLDABLE.sub("\ufffd", value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if not isinstance(value, dict | list):
        return value
    if levels == 0:
        raise NotPlain(TOO_DEEP)
    if isinstance(value, list):
        return [hold(each, levels - 1) for each in value]
    return {hold(key): hold(each, levels - 1) for key, each in value.items()}
