"""How the secret of an API token is written: `thm_`, 43 random characters, and 6 that check those.

Letters and digits only, so that a double click takes all of it and no shell or URL changes it. The check digits, a
CRC-32 in base 62 as GitHub's tokens have, let a scanner of secrets tell a leaked token from a random word without
asking us, and let us tell a mistyped one from a wrong one without asking the database. They protect nothing else.
"""

import re
import secrets
import string
import zlib

PREFIX = "thm_"
DIGITS = string.digits + string.ascii_letters
RANDOM, CHECK = 43, 6  # characters; 43 of base 62 are 256 bits
LENGTH = len(PREFIX) + RANDOM + CHECK
# For scanners of secrets: docs/security.md names it.
PATTERN = rf"{PREFIX}[0-9A-Za-z]{{{RANDOM + CHECK}}}"


def make() -> str:
    body = PREFIX + "".join(secrets.choice(DIGITS) for _ in range(RANDOM))
    return body + check_digits(body)


def check_digits(body: str) -> str:
    """Of `thm_` and the random characters."""
    number, digits = zlib.crc32(body.encode("ascii")), ""
    for _ in range(CHECK):
        number, digit = divmod(number, len(DIGITS))
        digits = DIGITS[digit] + digits
    return digits


def fault_of(secret: str) -> str:
    """What is wrong with a text that was given as a token, as a sentence; "" for one that may be right."""
    if not secret.startswith(PREFIX):
        return f"This is no token of ours: they begin with {PREFIX}."
    if len(secret) != LENGTH:
        return f"This token was not copied whole: tokens have {LENGTH} characters, and this has {len(secret)}."
    if not re.fullmatch(PATTERN, secret, re.ASCII) or secret[-CHECK:] != check_digits(secret[:-CHECK]):
        return "This token has a mistake in it: copy it again."
    return ""
