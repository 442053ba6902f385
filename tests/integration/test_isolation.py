"""Hostile code in a real sandbox. One sandbox serves the whole module: what it cannot damage need not be made anew."""

import errno
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.test import override_settings

from interpreters.runtime import SandboxSpec
from interpreters.runtime.base import AGENT_UID
from interpreters.runtime.docker import DockerRuntime
from interpreters.runtime.sockets import agent_uid, code_uid, socket_folder
from tests import sandboxes

pytestmark = [pytest.mark.docker, pytest.mark.timeout(900)]

# System calls by number, so that no library stands between the probe and the kernel.
CALL = """
import ctypes, errno, platform
libc = ctypes.CDLL(None, use_errno=True)
X86 = platform.machine() == "x86_64"
PAIR = ctypes.addressof(ctypes.create_string_buffer(8))
def call(x86, arm, *arguments):
    "The error's name, or the result as text."
    ctypes.set_errno(0)
    words = [a if isinstance(a, bytes) else ctypes.c_long(a) for a in arguments]
    result = libc.syscall(ctypes.c_long(x86 if X86 else arm), *words)
    return errno.errorcode[ctypes.get_errno()] if result == -1 else f"allowed: {result}"
"""
NAMESPACES = {
    "time": 0x80, "mount": 0x20000, "cgroup": 0x2000000, "uts": 0x4000000, "ipc": 0x8000000, "user": 0x10000000,
    "pid": 0x20000000, "network": 0x40000000,
}  # fmt: skip
# All that Linux has but Unix, IPv4, IPv6 and Netlink; the numbers stand still.
OTHER_FAMILIES = [family for family in range(46) if family not in (0, 1, 2, 10, 16)]
FORBIDDEN = {
    "unshare a user namespace": "call(272, 97, 0x10000000)",
    "unshare a mount namespace": "call(272, 97, 0x00020000)",
    "clone into a user namespace": "call(56, 220, 0x10000011, 0, 0, 0, 0)",
    "mount": "call(165, 40, b'none', b'/tmp', b'tmpfs', 0, 0)",
    "umount": "call(166, 39, b'/work', 2)",
    "fsopen": "call(430, 430, b'tmpfs', 0)",
    "open_tree": "call(428, 428, -100, b'/', 1)",
    "move_mount": "call(429, 429, -100, b'/tmp', -100, b'/work', 0)",
    "pivot_root": "call(155, 41, b'/tmp', b'/tmp')",
    "chroot": "call(161, 51, b'/tmp')",
    "setns": "call(308, 268, 0, 0)",
    **{f"unshare {name}": f"call(272, 97, {flag})" for name, flag in NAMESPACES.items()},
    # For clone, that of time is a bit of the exit signal and makes no namespace.
    **{f"clone {n}": f"call(56, 220, {flag | 17}, 0, 0, 0, 0)" for n, flag in NAMESPACES.items() if n != "time"},
    # Its flags lie in memory, where no filter looks: whatever they are, it does not exist.
    "clone3": "call(435, 435, ctypes.addressof(ctypes.create_string_buffer(88)), 88)",
    "fsconfig": "call(431, 431, -1, 0, 0, 0, 0)",
    "fsmount": "call(432, 432, -1, 0, 0)",
    "fspick": "call(433, 433, -100, b'/tmp', 0)",
    "mount_setattr": "call(442, 442, -100, b'/work', 0, 0, 0)",
    "bpf": "call(321, 280, 0, 0, 0)",
    "keyctl": "call(250, 219, 0, -3, 1)",
    "add_key": "call(248, 217, b'user', b'x', b'y', 1, -3)",
    "request_key": "call(249, 218, b'user', b'x', 0, -3)",
    "io_uring_setup": "call(425, 425, 8, ctypes.addressof(ctypes.create_string_buffer(256)))",
    "io_uring_enter": "call(426, 426, 0, 0, 0, 0, 0, 0)",
    "io_uring_register": "call(427, 427, 0, 0, 0, 0)",
    "userfaultfd": "call(323, 282, 1)",
    "perf_event_open": "call(298, 241, 0, 0, -1, -1, 0)",
    "ptrace": "call(101, 117, 0, 0, 0, 0)",
    "process_vm_readv": "call(310, 270, 1, 0, 0, 0, 0, 0)",
    "process_vm_writev": "call(311, 271, 1, 0, 0, 0, 0, 0)",
    "process_madvise": "call(440, 440, 0, 0, 0, 0, 0)",
    "pidfd_getfd": "call(438, 438, 0, 0, 0)",
    "kcmp": "call(312, 272, 1, 1, 0, 0, 0)",
    "init_module": "call(175, 105, 0, 0, b'')",
    "finit_module": "call(313, 273, 0, b'', 0)",
    "delete_module": "call(176, 106, b'x', 0)",
    "kexec_file_load": "call(320, 294, 0, 0, 0, 0, 0)",
    "kexec_load": "call(246, 104, 0, 0, 0, 0)",
    "reboot": "call(169, 142, 0xfee1dead, 672274793, 0, 0)",
    "swapon": "call(167, 224, b'/work/x', 0)",
    "swapoff": "call(168, 225, b'/work/x')",
    "name_to_handle_at": "call(303, 264, -100, b'/', 0, 0, 0)",
    "open_by_handle_at": "call(304, 265, -100, 0, 0)",
    "quotactl": "call(179, 60, 0, 0, 0, 0)",
    "syslog": "call(103, 116, 3, 0, 0)",
    "acct": "call(163, 89, b'/work/x')",
    "settimeofday": "call(164, 170, 0, 0)",
    "clock_settime": "call(227, 112, 0, 0)",
    "sethostname": "call(170, 161, b'x', 1)",
    "iopl": "call(172, 9999, 3)",
    "ioperm": "call(173, 9999, 0, 1, 1)",
    "personality that turns address randomisation off": "call(135, 92, 0x0040000)",
    "fanotify_init": "call(300, 262, 0, 0)",
    "fanotify_mark": "call(301, 263, 0, 0, 0, 0, 0)",
    "nfsservctl": "call(180, 42, 0, 0, 0)",
    "vhangup": "call(153, 58)",
    "setdomainname": "call(171, 162, b'x', 1)",
    "adjtimex": "call(159, 171, 0)",
    "clock_adjtime": "call(305, 266, 0, 0)",
    "mbind": "call(237, 235, 0, 0, 0, 0, 0, 0)",
    "move_pages": "call(279, 239, 0, 0, 0, 0, 0, 0)",
    "modify_ldt": "call(154, 9999, 0, 0, 0)",
    "vmsplice": "call(278, 75, 0, 0, 0, 0)",
    "sync of every file system": "call(162, 81)",
    "syncfs": "call(306, 267, 0)",
    "io_setup": "call(206, 0, 8, 0)",
    "lookup_dcookie": "call(212, 18, 0, 0, 0)",
    "AF_ALG": "call(41, 198, 38, 5, 0)",
    "AF_VSOCK": "call(41, 198, 40, 1, 0)",
    "AF_PACKET": "call(41, 198, 17, 3, 0)",
    "AF_BLUETOOTH": "call(41, 198, 31, 3, 0)",
    "AF_NETLINK beyond routes": "call(41, 198, 16, 3, 12)",
    "AF_XDP": "call(41, 198, 44, 3, 0)",
    **{f"a socket of family {family}": f"call(41, 198, {family}, 1, 0)" for family in OTHER_FAMILIES},
    # A pair is refused by most families, but only after their module was loaded.
    **{f"a pair of family {family}": f"call(53, 199, {family}, 1, 0, PAIR)" for family in (2, 10, *OTHER_FAMILIES)},
    "SCTP": "call(41, 198, 2, 1, 132)",
    "SCTP by its type": "call(41, 198, 2, 5, 0)",
    "DCCP": "call(41, 198, 2, 6, 33)",
    "MPTCP": "call(41, 198, 2, 1, 262)",
    "UDP-Lite over IPv6": "call(41, 198, 10, 2, 136)",
    "L2TP": "call(41, 198, 2, 2, 115)",
    "ping without rights": "call(41, 198, 2, 2, 1)",
    "a raw socket": "call(41, 198, 2, 3, 1)",
}
REFUSALS = {"EPERM", "ENOSYS", "EACCES", "EAFNOSUPPORT"}


@pytest.fixture(scope="module")
def launch() -> Iterator[Callable[..., UUID]]:
    runtime = DockerRuntime()
    handles = []

    def start(**fields: Any) -> UUID:
        installation = f"{os.environ['THERMAE_INSTALLATION']}-isolation"
        limits = {"memory": 384, "disk": 16, "pids": 96} | fields
        image = sandboxes.image("python")
        spec = SandboxSpec(uuid4(), installation, pool=1, revision=1, image=image, kernel="python3", **limits)
        handles.append(runtime.create(spec).handle)
        health = sandboxes.wait_until_ready(spec.session)
        assert health["state"] == "ready", (health, runtime.logs(handles[-1]))
        return spec.session

    with tempfile.TemporaryDirectory(prefix="thm-") as folder, override_settings(SOCKET_DIR=Path(folder) / "s"):
        yield start
        for handle in handles:
            runtime.remove(handle)


@pytest.fixture(scope="module")
def sandbox(launch: Callable[..., UUID]) -> UUID:
    return launch()


def value(session: UUID, code: str) -> Any:
    """Run code that ends by printing one JSON value, and return that."""
    printed = sandboxes.run(session, code)
    try:
        return json.loads(printed)
    except ValueError:
        raise AssertionError(printed) from None


def paths_that(session: UUID, verb: str, *paths: str) -> list[str]:
    """Which of these paths code can `read` or `write`."""
    mode = {"read": "rb", "write": "ab"}[verb]
    code = f"""
import glob, json
done = []
for pattern in {paths!r}:
    for path in glob.glob(pattern) or [pattern]:
        try:
            with open(path, {mode!r}) as file:
                if {verb!r} == "write" or file.read(64).strip(b"\\0"):
                    done.append(path)
        except OSError: pass
print(json.dumps(done))
"""
    found: list[str] = value(session, code)
    return found


def inside(session: UUID, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command in the sandbox by the engine, past agent and kernel."""
    words = ["docker", "exec", "-u", str(code_uid(session)), f"thermae-{session}", *command]
    return subprocess.run(words, capture_output=True, text=True, timeout=30)


# --- who it is, and what it sees -----------------------------------------------------------------------------


def test_code_has_an_uid_of_its_own_and_no_rights(sandbox: UUID) -> None:
    uid = str(code_uid(sandbox))
    code = """
import json
lines = [line.split(":", 1) for line in open("/proc/self/status").read().splitlines() if ":" in line]
print(json.dumps({name: value.strip() for name, value in lines}))
"""
    status = value(sandbox, code)
    assert set(status["Uid"].split()) == {uid}
    assert set(status["Gid"].split()) == {uid}
    assert status["Groups"].split() in ([], [uid])
    assert {status[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")


def test_its_user_has_a_name(sandbox: UUID) -> None:
    code = "import json, os, pwd; print(json.dumps(pwd.getpwuid(os.getuid())[0::5]))"
    assert value(sandbox, code) == ["code", "/work"]
    assert inside(sandbox, "whoami").stdout == "code\n"


def test_it_learns_nothing_of_the_machines_resolvers(sandbox: UUID) -> None:
    lines = inside(sandbox, "cat", "/etc/resolv.conf").stdout.split("\n")
    assert [line for line in lines if line.strip()] == ["nameserver 127.0.0.1"]


def test_there_is_no_network_but_the_loopback(sandbox: UUID) -> None:
    code = """
import json, socket
def reach(family, address):
    with socket.socket(family) as s:
        s.settimeout(2)
        try: s.connect(address)
        except OSError as error: return error.strerror
        return "reached"
answers = [[name for _, name in socket.if_nameindex()]]
answers += [reach(socket.AF_INET, (host, 80)) for host in ("1.1.1.1", "169.254.169.254", "172.17.0.1", "10.0.0.1")]
answers += [reach(socket.AF_INET6, ("2606:4700::1111", 80))]
print(json.dumps(answers))
"""
    interfaces, *answers = value(sandbox, code)
    assert interfaces == ["lo"]
    assert all("unreachable" in answer or "Cannot assign" in answer for answer in answers), answers


def test_the_root_is_read_only_and_its_few_places_are_small(sandbox: UUID) -> None:
    assert (
        paths_that(
            sandbox, "write", "/x", "/etc/passwd", "/usr/bin/x", "/opt/agent/app/agent/x.py", "/dev/x", "/opt/python/x"
        )
        == []
    )
    assert set(paths_that(sandbox, "write", "/work/x", "/tmp/x", "/dev/shm/x")) == {"/work/x", "/tmp/x", "/dev/shm/x"}


def test_it_cannot_change_or_read_the_machine_through_proc_and_sys(sandbox: UUID) -> None:
    assert paths_that(
        sandbox, "write", "/proc/sysrq-trigger", "/proc/sys/kernel/core_pattern", "/proc/sys/vm/drop_caches",
        "/proc/sys/kernel/hostname", "/sys/kernel/uevent_helper", "/sys/fs/cgroup/*/release_agent",
        "/sys/fs/cgroup/*/cgroup.procs", "/sys/fs/cgroup/cgroup.procs", "/sys/fs/cgroup/*/memory.limit_in_bytes",
        "/dev/kmsg", "/dev/mem",
    ) == []  # fmt: skip
    assert paths_that(
        sandbox, "read", "/proc/kcore", "/proc/kallsyms", "/proc/config.gz", "/proc/cmdline", "/proc/keys",
        "/proc/interrupts", "/proc/modules", "/proc/timer_list", "/proc/sched_debug", "/sys/firmware/*", "/dev/kmsg",
        "/dev/mem", "/sys/kernel/debug/*", "/sys/class/dmi/id/*", "/proc/diskstats", "/proc/iomem", "/proc/locks",
        "/proc/partitions", "/proc/zoneinfo", "/sys/kernel/btf/*", "/sys/kernel/notes", "/sys/module/*/*",
        "/sys/block/*/size",
    ) == []  # fmt: skip


def test_no_socket_of_the_engine_and_nothing_of_the_host_is_there(sandbox: UUID) -> None:
    code = """
import json, os
sockets = [os.path.join(folder, name) for top in ("/run", "/var", "/work", "/tmp") for folder, _, names in os.walk(top)
           for name in names if name.endswith(".sock")]
print(json.dumps([sockets, [name for name in os.environ if name.startswith(("THERMAE", "DOCKER", "DJANGO"))]]))
"""
    sockets, names = value(sandbox, code)
    assert (sockets, names) == ([], [])
    mounts = inside(sandbox, "cat", "/proc/self/mountinfo").stdout
    from_host = [line.split()[4] for line in mounts.splitlines() if f"/{sandbox} " in line]
    assert from_host == ["/run/thermae"]


# --- system calls --------------------------------------------------------------------------------------------


def test_no_forbidden_system_call_is_let_through(sandbox: UUID) -> None:
    probes = "".join(f"answers[{name!r}] = {probe}\n" for name, probe in FORBIDDEN.items())
    answers = value(sandbox, f"{CALL}\nimport json\nanswers = {{}}\n{probes}\nprint(json.dumps(answers))")
    # What does not exist on an architecture, or fails on its arguments before it is asked, is not a refusal.
    assert {name: answer for name, answer in answers.items() if answer not in REFUSALS} == {}


def test_32_bit_calls_end_the_process(sandbox: UUID) -> None:
    """They are numbered otherwise, so a filter that lets them pass filters nothing."""
    code = """
import ctypes, json, mmap, os, platform
if platform.machine() != "x86_64":
    print("31")
else:
    child = os.fork()
    if not child:
        page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
        page.write(bytes.fromhex("b814000000cd80c3"))  # getpid by int 0x80
        ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()
        os._exit(0)
    print(json.dumps(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) * -1))
"""
    assert value(sandbox, code) == 31  # SIGSYS


def test_x32_calls_end_the_process(sandbox: UUID) -> None:
    """The third numbering of x86: the same table, above bit 30."""
    code = """
import ctypes, json, os, platform
if platform.machine() != "x86_64":
    print("31")
else:
    child = os.fork()
    if not child:
        ctypes.CDLL(None).syscall(ctypes.c_long(0x40000000 | 39))
        os._exit(0)
    print(json.dumps(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) * -1))
"""
    assert value(sandbox, code) == 31  # SIGSYS


def test_no_program_gives_back_rights(sandbox: UUID) -> None:
    found = value(
        sandbox,
        """
import json, subprocess
find = "find / -xdev -perm /6000 -type f 2>/dev/null"
found = subprocess.run(find, shell=True, capture_output=True, text=True).stdout
su = subprocess.run(["su", "-c", "id"], capture_output=True, stdin=subprocess.DEVNULL)
print(json.dumps([found, su.returncode]))
""",
    )
    assert found[0] == ""
    assert found[1] != 0


# --- the agent beside it -------------------------------------------------------------------------------------


def test_it_cannot_replace_the_agents_socket(sandbox: UUID) -> None:
    code = """
import errno, json, os, socket
def attempt(action, *words):
    try: action(*words)
    except OSError as error: return errno.errorcode[error.errno]
    return "done"
def bind(path):
    socket.socket(socket.AF_UNIX).bind(path)
def connect():
    socket.socket(socket.AF_UNIX).connect(folder + "/agent.sock")
folder = "/run/thermae"
print(json.dumps([
    attempt(os.unlink, folder + "/agent.sock"), attempt(os.rename, folder + "/agent.sock", folder + "/x"),
    attempt(os.symlink, "/work", folder + "/link"), attempt(bind, folder + "/host.sock"), attempt(connect),
    attempt(os.mkdir, folder + "/x"), attempt(os.chmod, folder, 0o777), attempt(os.listdir, folder),
]))
"""
    answers = value(sandbox, code)
    assert set(answers) <= {"EACCES", "EPERM"}, answers


def test_it_cannot_look_into_the_agent(sandbox: UUID) -> None:
    code = f"""
import errno, json, os
def look(path):
    if path.endswith("fd"): os.listdir(path)
    elif path.endswith(("root", "cwd")): os.readlink(path)
    else: open(path, "rb").read(1)
answers = {{}}
for pid in (int(name) for name in os.listdir("/proc") if name.isdecimal()):
    if os.stat(f"/proc/{{pid}}").st_uid == {agent_uid()}:
        for name in ("environ", "mem", "maps", "fd", "root", "cwd"):
            path = f"/proc/{{pid}}/{{name}}"
            try: look(path)
            except OSError as error: answers[path] = errno.errorcode[error.errno]
            else: answers[path] = "read"
        try: os.kill(pid, 9)
        except OSError as error: answers[f"kill {{pid}}"] = errno.errorcode[error.errno]
        else: answers[f"kill {{pid}}"] = "done"
print(json.dumps(answers))
"""
    answers = value(sandbox, code)
    assert len(answers) >= 14  # the init and the agent
    assert set(answers.values()) <= {"EACCES", "EPERM"}, answers


def test_the_kernel_host_lets_nobody_take_its_place(sandbox: UUID) -> None:
    assert [path.name for path in socket_folder(sandbox).iterdir()] == ["agent.sock"]
    assert oct((socket_folder(sandbox)).stat().st_mode & 0o777) == "0o700"
    assert socket_folder(sandbox).stat().st_uid in (AGENT_UID, os.geteuid())
    code = """
import json, socket
try: socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET).connect("\\0/run/thermae/host")
except OSError as error: print(json.dumps(error.strerror))
"""
    assert value(sandbox, code) == "Connection refused"


# --- limits --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("folder", "megabytes"), [("/work", 16), ("/tmp", 64), ("/dev/shm", 64)])
def test_a_full_disk_is_an_error_and_no_more(sandbox: UUID, folder: str, megabytes: int) -> None:
    code = f"""
import errno, json, os
written, path = 0, "{folder}/filling"
try:
    with open(path, "wb", buffering=0) as file:
        while written < {megabytes * 2} << 20: written += file.write(bytes(1 << 20))
    answer = "no end"
except OSError as error: answer = errno.errorcode[error.errno]
os.unlink(path)
print(json.dumps([answer, written >> 20]))
"""
    answer, written = value(sandbox, code)
    assert answer == errno.errorcode[errno.ENOSPC]
    assert written <= megabytes


@pytest.mark.parametrize("folder", ["/work", "/dev/shm"])
def test_inodes_run_out_before_the_kernels_memory(sandbox: UUID, folder: str) -> None:
    code = f"""
import errno, json, os, shutil
os.mkdir("{folder}/many")
made = 0
try:
    while made < 100_000:
        os.mkdir(f"{folder}/many/{{made}}"); made += 1
    answer = "no end"
except OSError as error: answer = errno.errorcode[error.errno]
shutil.rmtree("{folder}/many")
print(json.dumps([answer, made]))
"""
    answer, made = value(sandbox, code)
    assert answer == errno.errorcode[errno.ENOSPC]
    assert made <= 4096


def test_what_the_kernel_counts_for_a_user_is_not_shared(launch: Callable[..., UUID], sandbox: UUID) -> None:
    greedy = launch()
    assert code_uid(greedy) != code_uid(sandbox)
    take = """
import ctypes, json, os
libc = ctypes.CDLL(None)
held = []
while (fd := libc.inotify_init()) >= 0 and len(held) < 4000: held.append(fd)
print(json.dumps(len(held)))
"""
    bound = int(Path("/proc/sys/fs/inotify/max_user_instances").read_text())
    assert value(greedy, take) <= bound
    assert value(sandbox, f"{take}\nfor fd in held: os.close(fd)") > bound // 2


def test_a_fork_bomb_is_bounded_and_the_neighbour_does_not_feel_it(launch: Callable[..., UUID], sandbox: UUID) -> None:
    neighbour = sandbox
    bombed = launch()
    code = """
import json, os, signal, time
children = []
try:
    while len(children) < 1000:
        pid = os.fork()
        if not pid:
            time.sleep(60); os._exit(0)
        children.append(pid)
    answer = "no end"
except OSError as error: answer = error.strerror
print(json.dumps([answer, len(children)]), flush=True)
"""
    answer, made = value(bombed, code)
    assert (answer, made < 96) == ("Resource temporarily unavailable", True)
    started = time.monotonic()
    assert sandboxes.run(neighbour, "import subprocess; print(subprocess.run('true').returncode)") == "0\n"
    assert time.monotonic() - started < 3
    assert sandboxes.health(bombed)["state"] == "ready"


def test_memory_runs_out_for_code_and_the_agent_says_so(launch: Callable[..., UUID]) -> None:
    session = launch()
    record = sandboxes.run_to_the_end(session, "x = []\nwhile True: x.append(bytearray(1 << 24))")
    assert (record["state"], record["reason"]) == ("lost", "out_of_memory")
    # Another kernel takes its place in the same sandbox.
    assert sandboxes.ask(session, "POST", "/contexts/default/restart", timeout=30)[0] == 200
    assert sandboxes.run(session, "print('again')") == "again\n"


def test_memory_taken_through_files_is_counted_too(launch: Callable[..., UUID]) -> None:
    """Three file systems in memory together leave room for the agent and a kernel."""
    session = launch()
    code = """
for folder in ("/work", "/tmp", "/dev/shm"):
    try:
        with open(folder + "/x", "wb", buffering=0) as file:
            while True: file.write(bytes(1 << 20))
    except OSError as error: print(error.strerror)
"""
    assert sandboxes.run(session, code) == "No space left on device\n" * 3
    assert sandboxes.run(session, "print(sum(range(10)))") == "45\n"


def test_killing_everything_leaves_the_agent_which_says_so(launch: Callable[..., UUID]) -> None:
    session = launch()
    record = sandboxes.run_to_the_end(session, "import os; os.kill(-1, 9)")
    assert record["state"] == "lost"
    assert sandboxes.health(session)["state"] in ("ready", "failed")
    running = subprocess.run(
        ["docker", "inspect", "-f", "{{.State.Running}}", f"thermae-{session}"],
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert running.stdout == "true\n"


def test_user_code_writes_nothing_to_the_engines_log(sandbox: UUID) -> None:
    sandboxes.run(sandbox, "import os; print('canary'); os.write(1, b'canary\\n'); os.write(2, b'canary\\n')")
    assert "canary" not in DockerRuntime().logs(f"thermae-{sandbox}", lines=1000)
