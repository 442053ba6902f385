"""A tenant's Dockerfile, read into instructions and written anew, so that what is checked is what is built.

The engine fetches by itself what a Dockerfile names: images that stages begin with or copy from, and addresses that
ADD names, as seen from the engine's own network. So every image is found here, to be allowed and pinned by who calls,
addresses are refused, and each instruction is written as one line: whatever an engine's parser makes of a line, it
begins no instruction that was not looked at. Pure.
"""

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

LONGEST = 256 * 1024
MOST_INSTRUCTIONS, MOST_STAGES, MOST_IMAGES = 500, 20, 10
SCRATCH = "scratch"
BASE = "thermae/base"  # what ARG BASE means where it says nothing
INSTRUCTIONS = frozenset({
    "FROM", "RUN", "COPY", "ADD", "ENV", "ARG", "LABEL", "USER", "WORKDIR", "EXPOSE", "VOLUME", "ENTRYPOINT", "CMD",
    "SHELL", "STOPSIGNAL", "HEALTHCHECK", "MAINTAINER", "ONBUILD",
})  # fmt: skip
LINE = re.compile(r"([A-Za-z]+)[ \t]+(.*)", re.DOTALL)
CONTINUED = re.compile(r"\\[ \t]*$")
STAGE = re.compile(r"[a-z][a-z0-9._-]*", re.ASCII)
VARIABLE = re.compile(r"\$(?:\{([A-Za-z_]\w*)(?::([-+])([^{}$]*))?\}|([A-Za-z_]\w*))", re.ASCII)
ARGUMENT = re.compile(r"([A-Za-z_]\w*)(?:=(.*))?", re.ASCII)
# Flags of COPY and ADD, in the one way of writing them that cannot be read in two ways.
FLAG = re.compile(r"--(?:from|chown|chmod)=[\w.:/@-]+|--link", re.ASCII)
PLAIN_PATH = re.compile(r"[\w.,+@~*?\[\]=/-]+", re.ASCII)


class BadDockerfile(Exception):
    """This Dockerfile is not taken; the message says where, and what to write."""


@dataclass(frozen=True, slots=True)
class Instruction:
    number: int  # of its first line
    keyword: str
    words: str
    image: str = ""  # of a registry, or of ours, that it begins with or copies from
    begins: str = ""  # of FROM, where that is an earlier stage or nothing
    stage: str = ""  # the name that FROM gives

    def written(self, pinned: Mapping[str, str], label: str = "") -> str:
        if self.keyword == "FROM":
            name = f" AS {self.stage}" if self.stage else ""
            mark = f"\nLABEL {label}" if label else ""
            return f"FROM {pinned[self.image] if self.image else self.begins}{name}{mark}"
        words = self.words.replace(f"--from={self.image}", f"--from={pinned[self.image]}") if self.image else self.words
        return f"{self.keyword} {words}"


@dataclass(frozen=True, slots=True)
class Dockerfile:
    instructions: tuple[Instruction, ...] = ()
    images: tuple[str, ...] = ()  # to be allowed and pinned; never a stage, never scratch

    def written(self, pinned: Mapping[str, str], label: str) -> str:
        """With every image replaced by what it was pinned to, and a label on each stage."""
        return "\n".join(instruction.written(pinned, label) for instruction in self.instructions) + "\n"


def parse(content: bytes) -> Dockerfile:
    """Raises BadDockerfile."""
    instructions = [_instruction(number, line) for number, line in _logical_lines(_text(content))]
    if len(instructions) > MOST_INSTRUCTIONS:
        raise BadDockerfile(f"A Dockerfile may have {MOST_INSTRUCTIONS} instructions.")
    reader = _Reader()
    read = tuple(reader.read(instruction) for instruction in instructions)
    if not reader.stages:
        raise BadDockerfile("There is no FROM: begin with the image that yours is made from, as FROM thermae/base.")
    if len(reader.images) > MOST_IMAGES or reader.stages > MOST_STAGES:
        raise BadDockerfile(f"A Dockerfile may have {MOST_STAGES} stages, from {MOST_IMAGES} images.")
    return Dockerfile(read, tuple(reader.images))


def check_triggers(triggers: list[str]) -> None:
    """Of an image that a stage begins with: what its ONBUILD runs is part of the build. Raises BadDockerfile."""
    reader = _Reader(stages=1)
    for trigger in triggers:
        text = _text(trigger.encode())
        instruction = _instruction(0, text)
        if "\n" in text or instruction.keyword in ("FROM", "ONBUILD") or reader.read(instruction).image:
            raise BadDockerfile(f"An image that it begins with would run “{trigger[:200]}”: choose another.")


def _text(content: bytes) -> str:
    if len(content) > LONGEST:
        raise BadDockerfile(f"A Dockerfile may have {LONGEST // 1024} KiB.")
    try:
        text = content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError:
        raise BadDockerfile("A Dockerfile is text in UTF-8.") from None
    if found := re.search(r"[\x00-\x08\x0b-\x1f\x7f\x85\u2028\u2029]", text):
        raise BadDockerfile(f"There is a control character in it: {found[0]!r}.")
    return text


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines that hold an instruction each, as the engine joins them: comments and empty lines are left out."""
    begun, parts = 0, list[str]()
    for number, line in enumerate(text.split("\n"), 1):
        stripped = line.strip(" \t")
        if re.match(r"#\s*escape\s*=", stripped, re.IGNORECASE):
            raise BadDockerfile(f"Line {number}: leave out “# escape”, and continue lines with a backslash.")
        if not stripped or stripped.startswith("#"):
            continue
        begun = begun or number
        parts.append(CONTINUED.sub("", line if parts else line.lstrip(" \t")))
        if not CONTINUED.search(line):
            yield begun, "".join(parts).strip(" \t")
            begun, parts = 0, []
    if parts and "".join(parts).strip(" \t"):
        yield begun, "".join(parts).strip(" \t")


def _instruction(number: int, line: str) -> Instruction:
    found = LINE.fullmatch(CONTINUED.sub("", line))
    keyword = found[1].upper() if found else ""
    if found is None or keyword not in INSTRUCTIONS:
        raise BadDockerfile(f"Line {number}: “{line[:60]}” is no instruction that is known.")
    # Its last character may not join it to the next line.
    return Instruction(number, keyword, found[2].strip(" \t").rstrip("\\").rstrip(" \t"))


@dataclass(slots=True)
class _Reader:
    """Reads instructions in their order: what a name means depends on those before."""

    stages: int = 0
    names: set[str] = field(default_factory=set)
    arguments: dict[str, str] = field(default_factory=dict)
    images: dict[str, None] = field(default_factory=dict)

    def read(self, instruction: Instruction) -> Instruction:
        match instruction.keyword:
            case "FROM":
                return self._from(instruction)
            case "ARG" if not self.stages:
                self._argument(instruction)
            case _ if not self.stages:
                raise _bad(instruction, "only ARG may come before FROM.")
            case "COPY" | "ADD":
                return self._copy(instruction)
            case "RUN" if instruction.words.startswith("--"):
                raise _bad(instruction, "flags of RUN are not taken.")
            case "ONBUILD":
                inner = _instruction(instruction.number, instruction.words)
                if inner.keyword in ("FROM", "ONBUILD") or self._copy_of(inner):
                    raise _bad(instruction, "it may not name an image.")
        return instruction

    def _copy_of(self, inner: Instruction) -> str:
        return self._copy(inner).image if inner.keyword in ("COPY", "ADD") else ""

    def _argument(self, instruction: Instruction) -> None:
        try:
            words = shlex.split(instruction.words)
        except ValueError:
            raise _bad(instruction, "a quote is not closed.") from None
        for word in words:
            found = ARGUMENT.fullmatch(word)
            if found is None:
                raise _bad(instruction, "write it as ARG NAME=value.")
            value = found[2]
            if value is None:
                value = BASE if found[1] == "BASE" else ""
            self.arguments[found[1]] = self._expanded(instruction, value)

    def _expanded(self, instruction: Instruction, text: str) -> str:
        def value(found: re.Match[str]) -> str:
            given = self.arguments.get(found[1] or found[4], "")
            if found[2] == "+":
                return found[3] if given else ""
            return given or (found[3] or "")

        expanded = VARIABLE.sub(value, text)
        if "$" in expanded:
            raise _bad(
                instruction, f"{text[:80]!r}: use $NAME, ${{NAME}} or ${{NAME:-default}}, set by ARG before FROM."
            )
        return expanded

    def _from(self, instruction: Instruction) -> Instruction:
        words = instruction.words.split()
        if words and words[0].startswith("--platform="):
            words = words[1:]  # it is always the engine's own
        named = len(words) == 3 and words[1].upper() == "AS"
        stage = words[2].lower() if named else ""
        if not (len(words) == 1 or named) or words[0].startswith("--") or (named and not STAGE.fullmatch(stage)):
            raise _bad(instruction, "write it as FROM image, or FROM image AS name.")
        image = self._expanded(instruction, words[0])
        begins = image.lower() if image.lower() in self.names or image == SCRATCH else ""
        if not begins:
            self.images[image] = None
        self.stages += 1
        if stage:
            self.names.add(stage)
        return replace(instruction, image="" if begins else image, begins=begins, stage=stage)

    def _copy(self, instruction: Instruction) -> Instruction:
        words = instruction.words.split()
        flags = [word for word in words if word.startswith("--")]
        sources = words[len(flags) :]
        # The engine takes flags only before the first source.
        if words[: len(flags)] != flags or not all(FLAG.fullmatch(flag) for flag in flags):
            raise _bad(instruction, "of flags, only plain --from=, --chown=, --chmod= and --link are taken.")
        if instruction.keyword == "ADD" and not _are_plain(" ".join(sources)):
            raise _bad(instruction, "ADD takes plain paths of the context here, and no addresses: use COPY.")
        origins = [flag.removeprefix("--from=") for flag in flags if flag.startswith("--from=")]
        if len(origins) > 1 or (origins and instruction.keyword == "ADD"):
            raise _bad(instruction, "name one image or stage to copy from.")
        if not origins or origins[0].isdigit() or origins[0].lower() in self.names:
            return instruction
        self.images[origins[0]] = None
        return replace(instruction, image=origins[0])


def _are_plain(sources: str) -> bool:
    """Whether sources are paths and nothing that an engine could turn into an address."""
    paths: list[Any] = sources.split()
    if sources.startswith("["):
        try:
            paths = json.loads(sources)
        except (ValueError, RecursionError):
            return False
    plain = [isinstance(path, str) and PLAIN_PATH.fullmatch(path) and "//" not in path for path in paths]
    return bool(plain) and all(plain)


def _bad(instruction: Instruction, words: str) -> BadDockerfile:
    return BadDockerfile(f"Line {instruction.number}: {instruction.keyword}: {words}")
