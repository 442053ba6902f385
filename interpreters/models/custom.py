"""What a pool of custom containers may say, each fault with what to do about it. Pure but for the settings."""

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.crypto import salted_hmac

from interpreters.agent.egress import PORT as EGRESS_PORT
from interpreters.models import probes
from interpreters.runtime.base import AGENT_UID, SHARING_RUNTIMES

if TYPE_CHECKING:
    from interpreters.models.pool import SessionPool

# Beside an application, which may write nowhere else. The first is given half of the disk.
WRITABLE = ("/tmp", "/run", "/var/tmp", "/var/run", "/var/cache", "/var/log")  # noqa: S108 - the sandbox's own
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
USER = re.compile(r"(\d{1,9})(?::\d{1,9})?")
PATH = re.compile(r"(/[A-Za-z0-9._@+-]+)+")
MOST_WORDS, MOST_WORD_BYTES = 100, 8 * 1024
MOST_PATHS, LONGEST_PATH = 20, 200
MOST_VARIABLES, MOST_VALUE_BYTES, MOST_VARIABLE_BYTES = 200, 32 * 1024, 128 * 1024
# The kernel's own; the engine bounds what is in them.
KERNEL_FOLDERS = ("/proc", "/sys", "/dev")
# A fragment of a secret as short as this is in every text.
SHORTEST_REDACTED = 4


def writable_by_default() -> list[str]:
    return list(WRITABLE)


def is_environment(value: object) -> bool:
    """Variables that every system takes: plain names, text without NUL, bounded in number and size."""
    if not isinstance(value, dict) or len(value) > MOST_VARIABLES:
        return False
    if not all(isinstance(name, str) and NAME.fullmatch(name) for name in value):
        return False
    if not all(isinstance(text, str) and _fits(text, MOST_VALUE_BYTES) for text in value.values()):
        return False
    return sum(len(name) + len(text.encode()) for name, text in value.items()) <= MOST_VARIABLE_BYTES


def faults(pool: "SessionPool") -> dict[str, str | list[str]]:
    """By field, what a form must not save."""
    return _custom_faults(pool) if pool.image.custom else _code_faults(pool)


def merged_secrets(known: Mapping[str, str], change: Mapping[str, str | None]) -> dict[str, str]:
    """Secrets after a change, in which null removes one. What is not named stays."""
    after = {**known, **change}
    return {name: value for name, value in after.items() if value is not None}


def redacted(text: str, secrets: Mapping[str, str]) -> str:
    """`text`, such as a container's last words, without the secrets that it was given."""
    for value in sorted(secrets.values(), key=len, reverse=True):
        if len(value) >= SHORTEST_REDACTED:
            text = text.replace(value, "•••")
    return text


def made_from(pool: "SessionPool") -> list[Any]:
    """What else a custom sandbox is made of, for the pool's revision; secrets only by a keyed hash."""
    known = json.dumps(pool.readable_secrets, sort_keys=True)
    secrets = salted_hmac("thermae.pool.secrets", known, algorithm="sha256")
    return [
        *("custom", pool.command, pool.args, secrets.hexdigest(), pool.target_port, pool.probes),
        *(pool.writable_paths, pool.run_as),
    ]


def _code_faults(pool: "SessionPool") -> dict[str, str | list[str]]:
    """A sandbox of code is ours in all of this."""
    given = {
        "command": pool.command,
        "args": pool.args,
        "secrets": pool.readable_secrets,
        "target_port": pool.target_port is not None,
        "probes": pool.probes,
        "lifecycle": pool.lifecycle != pool.Lifecycle.TIMED,
        "writable_paths": pool.writable_paths not in ([], writable_by_default()),
        "run_as": pool.run_as,
        "shell": pool.shell,
    }
    why = "This is for images of kind custom: leave it as it was, or choose such an image."
    return {name: why for name, value in given.items() if value}


def _custom_faults(pool: "SessionPool") -> dict[str, str | list[str]]:
    found: dict[str, str | list[str]] = {}
    for name in ("command", "args"):
        if not _are_words(getattr(pool, name)):
            found[name] = f'Give words as a list, as ["python", "app.py"]: at most {MOST_WORDS}, each below 8 KiB.'
    if not is_environment(pool.readable_secrets):
        found["secrets"] = 'Give secrets as text, as {"NAME": "value"}; names are letters, digits and _.'
    elif both := sorted(
        set(pool.readable_secrets) & set(pool.environment if isinstance(pool.environment, dict) else ())
    ):
        found["secrets"] = f"{', '.join(both)[:200]} is in the environment too: give it once."
    if pool.target_port is None:
        hint = f"; its image exposes {pool.image.exposed_port}" if pool.image.exposed_port else ""
        found["target_port"] = f"Name the port that the container's server listens at{hint}."
    elif not 1 <= pool.target_port <= 65535 or pool.target_port == EGRESS_PORT:
        found["target_port"] = f"A port is a number from 1 to 65535, and not {EGRESS_PORT}."
    try:
        probes.check(pool.probes)
    except ValidationError as error:
        found["probes"] = error.messages
    if pool.oci_runtime not in SHARING_RUNTIMES:
        found["oci_runtime"] = (
            f"A custom container shares its loopback with our relay, which {pool.oci_runtime} cannot do: leave it "
            f"empty, or put an interpreter of kind code into that runtime."
        )
    found |= _user_fault(pool.run_as) | _paths_fault(pool.writable_paths, pool.disk)
    return found


def _are_words(value: object) -> bool:
    if not isinstance(value, list) or len(value) > MOST_WORDS:
        return False
    return all(isinstance(word, str) and _fits(word, MOST_WORD_BYTES - 1) for word in value)


def _user_fault(run_as: str) -> dict[str, str | list[str]]:
    if not run_as:
        return {}
    user = USER.fullmatch(run_as)
    if user is None:
        return {"run_as": "Give numbers, as 1000 or 1000:1000: a name may stand for any user of the image."}
    if int(user[1]) == 0 and not settings.ALLOW_ROOT_CONTAINERS:
        return {"run_as": "Containers do not run as root here: choose another number."}
    if int(user[1]) == AGENT_UID:
        return {"run_as": f"{AGENT_UID} is the user of our own agents: choose another number."}
    return {}


def _paths_fault(paths: object, disk: int | None) -> dict[str, str | list[str]]:
    if not isinstance(paths, list) or not all(isinstance(path, str) and is_writable_path(path) for path in paths):
        return {
            "writable_paths": "Give absolute paths of folders as a list, as "
            '["/tmp", "/data"]: of letters, digits and . _ @ + -, not /, and nothing in /proc, /sys or /dev.'
        }
    if len(paths) > MOST_PATHS:
        return {"writable_paths": f"At most {MOST_PATHS} folders can be writable."}
    if disk is not None and disk < 2 * len(set(paths)):
        return {"writable_paths": f"{disk} MiB of disk are too little for {len(set(paths))} folders: 2 MiB for each."}
    return {}


def is_writable_path(path: str) -> bool:
    """Whether a memory file system may be put there."""
    if len(path) > LONGEST_PATH or not PATH.fullmatch(path) or {".", ".."} & set(path.split("/")):
        return False
    return not any(path == folder or path.startswith(f"{folder}/") for folder in KERNEL_FOLDERS)


def _fits(text: str, most: int) -> bool:
    """Whether it can be handed to a program at all, and is not too long."""
    try:
        return "\0" not in text and len(text.encode()) <= most
    except UnicodeEncodeError:
        return False
