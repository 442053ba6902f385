"""A notebook on stdin becomes a web page on stdout. Run as a program of its own, by exporting.py."""

import resource
import sys

SECONDS = 60
BYTES = 2 * 1024**3


def main() -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (BYTES, BYTES))
    import nbformat
    from nbconvert import HTMLExporter

    notebook = nbformat.reads(sys.stdin.buffer.read().decode(), as_version=4)  # type: ignore[no-untyped-call]
    page, _ = HTMLExporter(template_name="lab").from_notebook_node(notebook)  # type: ignore[no-untyped-call]
    sys.stdout.buffer.write(page.encode(errors="replace"))


if __name__ == "__main__":
    main()
