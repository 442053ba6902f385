"""WebSockets (docs/protocol.md §3): parse, authorise, call one verb, render."""
