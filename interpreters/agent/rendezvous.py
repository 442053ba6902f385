"""Where the agent and its kernel host find each other.

An abstract name, which belongs to the sandbox's network namespace: nothing of it is in the folder that the sandbox
shares with its machine, which code may then be shut out of altogether. A socket in that folder would be one of the
machine's under gVisor, and could not carry the open files that the host hands over.
"""


def address(socket_dir: str) -> str:
    """Named after the folder, so that agents outside of any sandbox do not meet."""
    return f"\0{socket_dir}/host"
