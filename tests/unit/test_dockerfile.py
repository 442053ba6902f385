"""A tenant's Dockerfile: every image that it names is found, no address is fetched, and no line hides another."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interpreters.images import dockerfile
from interpreters.images.dockerfile import INSTRUCTIONS, BadDockerfile, parse


def images(text: str) -> tuple[str, ...]:
    return parse(text.encode()).images


def written(text: str) -> str:
    recipe = parse(text.encode())
    return recipe.written({name: f"<{name}>" for name in recipe.images}, "k=v")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("FROM debian", ("debian",)),
        ("from debian as a\nFROM alpine AS b", ("debian", "alpine")),
        ("FROM debian AS a\nFROM a", ("debian",)),
        ("FROM debian AS Build\nFROM scratch\nCOPY --from=build /a /b", ("debian",)),
        ("FROM scratch\nCOPY --from=0 /a /b", ()),
        ("FROM scratch\nCOPY --from=nginx:1 /a /b", ("nginx:1",)),
        ("FROM scratch\nCOPY --from=later /a /b\nFROM debian AS later", ("later", "debian")),
        ("FROM --platform=$BUILDPLATFORM debian", ("debian",)),
        ("ARG V=12\nFROM debian:$V", ("debian:12",)),
        ("ARG V\nFROM debian:${V:-11}", ("debian:11",)),
        ("ARG A=x\nARG B=${A}y\nFROM r.io/$B", ("r.io/xy",)),
        ('ARG M="two words"\nFROM debian', ("debian",)),
        ("ARG R=evil.io/\nFROM ${R}app", ("evil.io/app",)),
        ("ARG BASE\nFROM ${BASE}", ("thermae/base",)),
        ("ARG BASE=debian\nFROM ${BASE}", ("debian",)),
        ("\ufeff# a comment\n\nFROM \\\n# within\n\n  debian \\\n AS a\n", ("debian",)),
        ("FROM debian\nRUN echo FROM evil", ("debian",)),
        ("FROM debian\nRUN echo a \\\n FROM evil", ("debian",)),
        ("FROM debian\r\nRUN a\r\n", ("debian",)),
        ("# syntax=evil.io/frontend\nFROM debian", ("debian",)),
    ],
)
def test_every_image_that_is_named_is_found(text: str, found: tuple[str, ...]) -> None:
    assert images(text) == found


def test_it_is_written_with_what_was_pinned_and_a_mark_on_each_stage() -> None:
    text = "ARG V=12\nFROM debian:$V AS a\nRUN one \\\n  # said\n  two\nFROM a\nCOPY --from=nginx --chown=1:1 /a /b\n"
    assert written(text) == (
        "ARG V=12\nFROM <debian:12> AS a\nLABEL k=v\nRUN one   two\n"
        "FROM a\nLABEL k=v\nCOPY --from=<nginx> --chown=1:1 /a /b\n"
    )


def test_directives_are_not_written() -> None:
    assert written("# syntax=evil.io/frontend\nFROM debian\n").startswith("FROM <debian>")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no FROM"),
        ("RUN x\nFROM debian", "only ARG"),
        ("FROM", "no instruction"),
        ("FROM debian:$", "ARG before FROM"),
        ("FROM ${X:?no}", "ARG before FROM"),
        ("FROM debian:${V#1}", "ARG before FROM"),
        ("FROM a b c d", "FROM image AS name"),
        ("FROM debian AS ../x", "FROM image AS name"),
        ("FROM --load debian", "FROM image AS name"),
        ("FROM debian\nINCLUDE x", "Line 2"),
        ("FROM debian\nADD http://169.254.169.254/latest /x", "no addresses"),
        ("FROM debian\nADD https://evil.io/x /x", "no addresses"),
        ("FROM debian\nARG U=http://x/y\nADD $U /x", "no addresses"),
        ("FROM debian\nADD ht''tp://x/y /x", "no addresses"),
        ("FROM debian\nADD h\\ttp://x/y /x", "no addresses"),
        ('FROM debian\nADD ["http://x/y", "/x"]', "no addresses"),
        ('FROM debian\nADD ["\\u0068ttp://x/y", "/x"]', "no addresses"),
        ("FROM debian\nADD [broken /x", "no addresses"),
        ("FROM debian\nADD git@github.com:a/b.git /x", "no addresses"),
        ("FROM debian\nADD --checksum=sha256:1 a /x", "flags"),
        ("FROM debian\nCOPY --from=$X /a /b", "flags"),
        ('FROM debian\nCOPY --fr"om"=evil /a /b', "flags"),
        ("FROM debian\nCOPY --fr\\om=evil /a /b", "flags"),
        ("FROM debian\nCOPY /a --from=evil /b", "flags"),
        ("FROM debian\nCOPY --from=a --from=b /a /b", "one image"),
        ("FROM debian\nADD --from=evil a b", "one image"),
        ("FROM debian\nRUN --mount=type=bind,from=evil x", "flags of RUN"),
        ("FROM debian\nRUN --network=host x", "flags of RUN"),
        ("FROM debian\nONBUILD COPY --from=evil /a /b", "ONBUILD"),
        ("FROM debian\nONBUILD ADD http://x/y /x", "no addresses"),
        ("FROM debian\nONBUILD FROM evil", "ONBUILD"),
        ("# escape=`\nFROM debian `\nFROM evil", "escape"),
        ("#ESCAPE = `\nFROM debian", "escape"),
        ("FROM debian\nRUN a\x0bFROM evil", "control character"),
        ("FROM debian\nRUN a\rFROM evil", "control character"),
        ("FROM debian\nRUN a\u2028FROM evil", "control character"),
        ("FROM debian\n" + "RUN x\n" * 501, "500 instructions"),
        ("\n".join(f"FROM r.io/{n}" for n in range(11)), "10 images"),
        ("FROM debian\n" + "#" * 300_000, "KiB"),
    ],
)
def test_what_could_reach_further_is_refused(text: str, words: str) -> None:
    with pytest.raises(BadDockerfile, match=words):
        parse(text.encode())


def test_what_is_no_text_is_refused() -> None:
    with pytest.raises(BadDockerfile, match="UTF-8"):
        parse(b"FROM debian\nRUN \xff\xfe")


def test_an_engine_that_knows_here_documents_finds_no_instruction_that_was_not_looked_at() -> None:
    """Its terminator may end with a backslash, which joins lines for who does not know it."""
    text = "FROM debian\nRUN <<'E\\'\nRUN x\nE\\\nFROM evil\n"
    try:
        lines = written(text).splitlines()
    except BadDockerfile:
        return
    assert [line for line in lines if line.startswith("FROM")] == ["FROM <debian>"]


@given(st.text(alphabet="FROMrunCPYad \\\n\t#=-<>$\"'`{}[]:/\x0b\r", max_size=80))
def test_each_line_that_is_written_is_an_instruction_that_was_read(noise: str) -> None:
    try:
        recipe = parse(f"FROM debian\n{noise}".encode())
    except BadDockerfile:
        return
    lines = recipe.written(dict.fromkeys(recipe.images, "pinned"), "k=v").removesuffix("\n").split("\n")
    assert len(lines) == len(recipe.instructions) + sum(each.keyword == "FROM" for each in recipe.instructions)
    for line in lines:
        assert line.split(" ")[0] in INSTRUCTIONS
        assert not line.rstrip().endswith("\\")


@pytest.mark.parametrize(
    "trigger",
    [
        "COPY --from=evil /a /b",
        "ADD http://x/y /z",
        "FROM evil",
        "ONBUILD RUN x",
        "RUN a\nCOPY --from=evil a b",
        "nonsense",
    ],
)
def test_a_base_that_would_run_something_of_the_kind_is_refused(trigger: str) -> None:
    with pytest.raises(BadDockerfile):
        dockerfile.check_triggers(["RUN true", trigger])


def test_a_base_that_runs_harmless_steps_is_taken() -> None:
    dockerfile.check_triggers(["COPY . /app", "RUN make"])


def test_instructions_keep_their_words(tmp_path: Any) -> None:
    text = 'FROM debian\nENV A="b c" D=$E\nCMD ["a", "b"]\nLABEL x=y\nHEALTHCHECK --interval=5s CMD true\n'
    assert written(text).splitlines()[2:] == text.splitlines()[1:]
