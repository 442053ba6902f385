"""A notebook as a file for elsewhere: .ipynb, a web page, or a program."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import BoundedSemaphore
from typing import Any

from frontend import plotly_html
from frontend.documents import Document, forget_cleared
from interpreters.outputs import widgets

# As Jupyter writes them: a text of several lines is a list of lines, so that version control shows lines.
MULTILINE_MIMES = re.compile(r"text/|image/svg\+xml|application/javascript")
# Characters that some file system does not take, and what a shell would have to be told of.
UNWRITABLE = re.compile(r'[\x00-\x1f\x7f/\\:*?"<>|\ud800-\udfff\u202a-\u202e\u2066-\u2069]+')
# language → ending of its programs, and what begins a comment.
PROGRAMS = {
    "python": ("py", "#"),
    "r": ("R", "#"),
    "typescript": ("ts", "//"),
    "javascript": ("js", "//"),
    "bash": ("sh", "#"),
    "sql": ("sql", "--"),
    "octave": ("m", "%"),
}
HTML_SECONDS = 30
HTML_BYTES = 32 * 1024 * 1024
# A conversion takes a second of a core and some hundred MB.
_rooms = BoundedSemaphore(2)


class CannotExport(Exception):
    """It cannot be made now; the message says why, `status` how to say so."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def file_name(title: str, ending: str) -> str:
    """The title as a file's name on any system."""
    stem = " ".join(UNWRITABLE.sub(" ", title).split()).strip(" .")
    while len(stem.encode()) > 200:  # most file systems take 255 bytes
        stem = stem[:-1]
    return f"{stem.strip(' .') or 'notebook'}.{ending}"


def as_ipynb(document: Document) -> bytes:
    """The file as Jupyter itself would write it."""
    forget_cleared(document["cells"])
    gather_widgets(document)
    for cell in document["cells"]:
        cell["source"] = _lines(cell["source"])
        for output in cell.get("outputs", []):
            if "text" in output:
                output["text"] = _lines(output["text"])
            for mime, content in output.get("data", {}).items():
                if MULTILINE_MIMES.match(mime):
                    output["data"][mime] = _lines(content)
    return (json.dumps(document, indent=1, ensure_ascii=False, sort_keys=True) + "\n").encode()


def gather_widgets(document: Document) -> None:
    """Move what widgets were to where Jupyter looks for it: from beside the outputs into the notebook's metadata.

    Of what the notebook came with stays what an output still shows.
    """
    states: dict[str, Any] = {}
    brought: list[str] = []
    for cell in document["cells"]:
        for output in cell.get("outputs", []):
            view, found = widgets.shown_by(output), widgets.states_in(output)
            if view and found:
                states |= found
                del output["data"][widgets.STATE]
            elif view:
                brought.append(view)
    if not states:
        return
    own = document["metadata"].get("widgets")
    own = own if isinstance(own, dict) else {}
    former = widgets.states_in({"data": own})
    now = {"version_major": 2, "version_minor": 0, "state": {**widgets.closure(former, brought), **states}}
    document["metadata"]["widgets"] = {**own, widgets.STATE: now}


def _lines(text: Any) -> Any:
    return text.splitlines(keepends=True) if isinstance(text, str) else text


def as_program(document: Document, language: str) -> tuple[str, str]:
    """The code as a program with the text as comments, and its file's ending."""
    ending, comment = PROGRAMS.get(language.lower(), ("txt", "#"))
    return "\n\n".join(_blocks(document, comment)).rstrip() + "\n", ending


def _blocks(document: Document, comment: str) -> Iterator[str]:
    for cell in document["cells"]:
        source = "".join(cell["source"])
        if not source.strip():
            continue
        if cell["cell_type"] == "code":
            yield f"{comment} %%\n" + "\n".join(
                # Magics and commands of the shell mean something to a kernel only.
                f"{comment} {line}" if comment == "#" and re.match(r"\s*[%!]", line) else line
                for line in source.split("\n")
            )
        else:
            yield f"{comment} %% [{cell['cell_type']}]\n" + "\n".join(
                f"{comment} {line}".rstrip() for line in source.split("\n")
            )


def as_html(document: Document, title: str) -> bytes:
    """A page of its own, by nbconvert. Raises CannotExport.

    In a process of its own, which is ended when it takes too long: a notebook can be written to make a highlighter
    or a Markdown reader go on for hours, and nothing ends a thread.
    """
    forget_cleared(document["cells"])
    plotly_html.give_html(document["cells"])
    document["metadata"] = {**document["metadata"], "title": title}
    raw = json.dumps(document).encode()
    if len(raw) > HTML_BYTES:
        raise CannotExport(413, f"It is too large for a web page (at most {HTML_BYTES >> 20} MiB): clear some outputs.")
    if not _rooms.acquire(timeout=HTML_SECONDS):
        raise CannotExport(503, "Other notebooks are being exported: try again in a minute.")
    try:
        program = Path(__file__).with_name("html_page.py")
        done = subprocess.run(
            [sys.executable, "-I", str(program)], input=raw, capture_output=True, timeout=HTML_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise CannotExport(
            504, "Making the web page took too long: export the .ipynb and convert it yourself."
        ) from error
    finally:
        _rooms.release()
    if done.returncode != 0:
        raise CannotExport(500, "The web page could not be made of this notebook: export the .ipynb instead.")
    return done.stdout
