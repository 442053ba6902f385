"""WebSockets of notebooks (docs/protocol.md §6): who is here, who edits, what is typed, and looking on at a session."""
