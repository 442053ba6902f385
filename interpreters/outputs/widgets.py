"""What the widgets of an execution last were, as nbformat keeps it: they are drawn when their kernel is gone."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

# The form of an output that is a widget, and the one beside it that says what the widget was.
VIEW = "application/vnd.jupyter.widget-view+json"
STATE = "application/vnd.jupyter.widget-state+json"
# A value in a model's state that names another model begins so.
REFERENCE = "IPY_MODEL_"
# Bytes that the state of one output may have. A bar of tqdm has some 4,000.
LARGEST = 256 * 1024
# What is not state of its own in nbformat: it stands beside it.
CLASS = {"_model_name": "model_name", "_model_module": "model_module", "_model_module_version": "model_module_version"}


class _Buffer(msgspec.Struct):
    path: list[str | int]
    data: str
    encoding: Literal["base64"] = "base64"


class Described(msgspec.Struct):
    """A model as nbformat has it."""

    model_name: str
    model_module: str
    model_module_version: str
    state: dict[str, Any]
    buffers: list[_Buffer] = []


@dataclass(slots=True)
class Model:
    state: dict[str, Any] = field(default_factory=dict)
    # Path into the state → base64 of what belongs there.
    buffers: dict[tuple[Any, ...], str] = field(default_factory=dict)

    def change(self, data: Mapping[str, Any], buffers: Sequence[str]) -> None:
        """Take an update of Jupyter's widget protocol."""
        state, paths = data.get("state"), data.get("buffer_paths")
        later = Model(state if isinstance(state, dict) else {})
        if isinstance(paths, list):
            later.buffers = {tuple(path): each for path, each in zip(paths, buffers, strict=False) if _is_path(path)}
        self.merge(later)

    def merge(self, later: "Model") -> None:
        self.state.update(later.state)
        changed = {*later.state, *(path[0] for path in later.buffers)}
        self.buffers = {path: buffer for path, buffer in self.buffers.items() if path[0] not in changed} | later.buffers

    @classmethod
    def kept(cls, described: Any) -> "Model":
        """Of what `described` told of one. Raises msgspec.ValidationError: code in a sandbox may have written it."""
        told = msgspec.convert(described, Described)
        own = {name: getattr(told, field) for name, field in CLASS.items()}
        return cls({**told.state, **own}, {tuple(buffer.path): buffer.data for buffer in told.buffers if buffer.path})

    def described(self) -> dict[str, Any]:
        own = {field: str(self.state.get(name, "")) for name, field in CLASS.items()}
        state = {name: value for name, value in self.state.items() if name not in CLASS}
        buffers = [{"path": list(path), "encoding": "base64", "data": data} for path, data in self.buffers.items()]
        return {**own, "state": state, **({"buffers": buffers} if buffers else {})}


class Widgets:
    """The models that an execution made. Holds no more than the messages did that it was given."""

    def __init__(self) -> None:
        self._models: dict[str, Model] = {}
        # Of other executions: what this one has changed in them, and which it has closed.
        self._changed_elsewhere: dict[str, Model] = {}
        self._closed_elsewhere: set[str] = set()

    @property
    def concern_others(self) -> bool:
        return bool(self._changed_elsewhere or self._closed_elsewhere)

    def open(self, content: Mapping[str, Any], buffers: Sequence[str]) -> None:
        model, data = Model(), content.get("data")
        model.change(data if isinstance(data, dict) else {}, buffers)
        self._models[str(content.get("comm_id", ""))] = model

    def change(self, content: Mapping[str, Any], buffers: Sequence[str]) -> None:
        name, data = str(content.get("comm_id", "")), content.get("data")
        if isinstance(data, dict) and data.get("method") in ("update", "echo_update"):
            model = self._models.get(name) or self._changed_elsewhere.setdefault(name, Model())
            model.change(data, buffers)

    def close(self, name: str) -> None:
        if self._models.pop(name, None) is None and name:
            self._closed_elsewhere.add(name)
            self._changed_elsewhere.pop(name, None)

    def state_of(self, name: str, limit: int) -> tuple[dict[str, Any] | None, int]:
        """A model with all that it refers to, and its bytes; None if a part is not of this execution, or too large."""
        found: dict[str, Any] = {}
        waiting, left = [name], min(LARGEST, limit)
        size = left
        while waiting:
            if (next_one := waiting.pop()) in found:
                continue
            if (model := self._models.get(next_one)) is None:
                return None, 0
            found[next_one] = described = model.described()
            left -= len(msgspec.json.encode(described))
            if left < 0:
                return None, 0
            waiting.extend(_references(model.state))
        return {"version_major": 2, "version_minor": 0, "state": found}, size - left

    def change_earlier(self, outputs: list[dict[str, Any]]) -> bool:
        """Do the same to what an earlier execution left; whether there was anything to do."""
        kept = [output for output in outputs if shown_by(output) not in self._closed_elsewhere]
        changed = len(kept) < len(outputs)
        outputs[:] = kept
        for output in outputs:
            known = states_in(output)
            for name in known.keys() & self._changed_elsewhere.keys():
                with suppress(msgspec.ValidationError):
                    now = Model.kept(known[name])
                    now.merge(self._changed_elsewhere[name])
                    if len(msgspec.json.encode(described := now.described())) <= LARGEST:
                        known[name], changed = described, True
        return changed


def shown_by(output: Mapping[str, Any]) -> str:
    """The model that an output is a view of, or ""."""
    view = (output.get("data") or {}).get(VIEW)
    name = view.get("model_id") if isinstance(view, dict) else None
    return name if isinstance(name, str) else ""


def closure(states: Mapping[str, Any], roots: Iterable[str]) -> dict[str, Any]:
    """Of states as nbformat has them those of the named models and of all that they refer to."""
    found: dict[str, Any] = {}
    waiting = list(roots)
    while waiting:
        if (name := waiting.pop()) in states and name not in found:
            found[name] = states[name]
            waiting.extend(_references(states[name]))
    return found


def states_in(output: Mapping[str, Any]) -> dict[str, Any]:
    """The states beside an output's view, by model; none if it is nonsense."""
    kept = (output.get("data") or {}).get(STATE)
    states = kept.get("state") if isinstance(kept, dict) else None
    return states if isinstance(states, dict) else {}


def _is_path(path: Any) -> bool:
    return isinstance(path, list) and bool(path) and all(isinstance(step, str | int) for step in path)


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        if value.startswith(REFERENCE):
            yield value.removeprefix(REFERENCE)
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _references(inner)
