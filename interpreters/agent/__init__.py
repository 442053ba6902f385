"""The agent: the one program of ours inside every sandbox. It needs Python 3.11 and nothing else.

It starts Jupyter kernels, keeps what they say in a numbered log, and offers all of it over one Unix socket;
`docs/protocol.md` §1-2 is its contract. It is two processes: the agent itself (`python -m agent`) and the kernel
host (`python -m agent.host`), a small one that runs as the user's uid and does everything that belongs to the user.

Memory is counted here, since it is multiplied by every ready instance: that is why HTTP, WebSocket and ZMTP are
spoken by a few hundred lines of our own and not by libraries of 20 MB.
"""
