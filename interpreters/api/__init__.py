"""REST v1 (docs/protocol.md §4): each view parses, calls one verb of `interpreters.sessions`, and renders."""
