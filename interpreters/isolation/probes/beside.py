"""Who code is, and what is beside it: the agent, other tenants, the engine."""

from interpreters.isolation.base import REFUSED, Act, Probe

NO = REFUSED | {"refused"}
NONE = frozenset({"none"})


PROBES = (
    # Who it is.
    Probe("uid", "be root", "uid", "uid", contained=frozenset({"other"})),
    Probe("become root", "setuid(0) and its like", "uid, capabilities", "become_root", contained=NO),
    Probe("su, sudo", "programs that make root", "no-new-privileges", "become_root_by_program", contained=NO),
    Probe("take capabilities", "capset, ambient capabilities", "no capabilities", "take_capabilities", contained=NO),
    Probe(
        "capabilities", "have any", "no capabilities", "status",
        lambda _: {"wanted": dict.fromkeys(("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"), "")},
        frozenset({"so"}),
    ),
    Probe(
        "no new privileges", "gain rights by running a program", "no-new-privileges", "status",
        lambda _: {"wanted": {"NoNewPrivs": "1"}}, frozenset({"so"}),
    ),
    Probe(
        "filter of calls", "make calls without one", "seccomp", "status",
        lambda _: {"wanted": {"Seccomp": "2"}}, frozenset({"so"}),
    ),
    Probe(
        "variables", "what was meant for the agent or is the host's", "clean environment", "environment",
        lambda _: {"names": ["THERMAE_", "DJANGO_", "DOCKER_", "CELERY_", "AWS_"]}, NONE,
    ),
    # The agent.
    Probe("signal the agent", "kill the agent", "uid", "signal_agent", contained=NO),
    Probe("signal pid 1", "kill the first process", "uid", "signal_first", contained=NO),
    Probe("ptrace the agent", "trace it", "uid, seccomp", "trace", contained=NO),
    Probe("memory of the agent", "process_vm_readv", "uid, seccomp", "read_memory", contained=NO),
    Probe(
        "the agent in /proc", "its memory and root", "uid", "open_of_agent",
        lambda _: {"names": ["mem", "root", "cwd"]}, NO,
    ),
    Probe(
        "files of the agent", "what it has open, and where things lie in its memory", "uid", "open_of_agent",
        lambda _: {"names": ["maps", "fd", *(f"fd/{number}" for number in range(16))]}, NO,
    ),
    Probe(
        "environment of the agent", "what it was started with", "uid", "open_of_agent",
        lambda _: {"names": ["environ"]}, NO,
    ),
    Probe(
        "the agent's socket", "speak to the agent", "uid, agent: peer's uid", "agent_socket",
        contained=NO | {"hung up"},
    ),
    Probe(
        "the kernel host's socket", "be taken for the kernel host", "agent: one connection", "host_socket",
        contained=NO | {"ECONNREFUSED"},
    ),
    Probe("the socket's folder", "put another socket in its place", "uid", "agent_folder", contained=NO),
    # Others.
    Probe(
        "other tenants' sockets", "the agent of another tenant's sandbox", "mount namespace", "connect",
        lambda given: {"paths": list(given.neighbours)}, NONE,
    ),
    Probe(
        "the engine's socket", "docker.sock and its like", "mount namespace", "connect",
        lambda given: {"paths": list(given.engine_sockets)}, NONE,
    ),
    Probe("any other socket", "sockets anywhere in the file system", "mount namespace", "find_sockets", contained=NONE),
    Probe(
        "processes of the host", "see the process that runs this check", "pid namespace", "find_process",
        lambda given: {"process": given.process}, NONE,
    ),
    Probe(
        "terminals of the machine", "open its console", "device nodes", "open_terminals", contained=NO,
    ),
    Probe(
        "its own terminal", "TIOCSTI: type on the terminal that it has", "terminals of its own", "type_on_own_terminal",
        contained=NO | {"inside", "EIO"},
    ),
    # The end.
    Probe(
        "kill everybody", "kill -9 -1, then ask the agent", "uid", "kill_everybody", act=Act.LAST,
        contained=frozenset({"agent lives"}),
    ),
)  # fmt: skip
