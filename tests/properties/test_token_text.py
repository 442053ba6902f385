"""Tokens as text: every one that we make is right, and hardly anything else is."""

import re
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tenants import token_text

MADE = st.builds(token_text.make)


@given(MADE)
def test_what_we_make_is_right_and_scanners_find_it(secret: str) -> None:
    assert token_text.fault_of(secret) == ""
    assert re.findall(token_text.PATTERN, f"export TOKEN='{secret}';") == [secret]


@given(MADE, st.integers(4, token_text.LENGTH - 1), st.sampled_from(token_text.DIGITS))
def test_one_wrong_character_is_told(secret: str, at: int, other: str) -> None:
    wrong = secret[:at] + other + secret[at + 1 :]
    assert (token_text.fault_of(wrong) == "") == (wrong == secret)


@given(MADE, st.integers(0, token_text.LENGTH - 2))
def test_two_neighbours_that_changed_places_are_told(secret: str, at: int) -> None:
    swapped = secret[:at] + secret[at + 1] + secret[at] + secret[at + 2 :]
    assert (token_text.fault_of(swapped) == "") == (swapped == secret)


@given(st.text())
def test_any_text_is_answered_by_a_sentence(text: str) -> None:
    for asked in (text, token_text.PREFIX + text):
        fault = token_text.fault_of(asked)
        assert fault.endswith(".")  # nobody writes 43 characters with their check by chance


def test_what_the_documents_tell_scanners_is_so() -> None:
    document = (Path(__file__).resolve().parents[2] / "docs" / "tokens.md").read_text()
    pattern = re.findall(r"```\n(.*)\n```", document)[0]
    told: dict[str, Any] = {}
    exec(re.findall(r"```python\n(.*?)```", document, re.DOTALL)[0], told)
    for _ in range(50):
        secret = token_text.make()
        assert re.findall(pattern, f"T={secret};") == [secret]
        assert re.findall(pattern, f"{secret}0") == []
        assert told["is_thermae_token"](secret)
        assert not told["is_thermae_token"](secret[:-1] + ("a" if secret[-1] != "a" else "b"))
