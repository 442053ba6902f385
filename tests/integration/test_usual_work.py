"""The filter of system calls and the limits refuse what nobody needs: each language's usual work is done."""

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from django.test import override_settings

from interpreters.images import sources
from interpreters.runtime import SandboxSpec
from interpreters.runtime.docker import DockerRuntime
from tests import sandboxes

pytestmark = [pytest.mark.docker, pytest.mark.timeout(1500)]  # images are built where they are missing

PYTHON = """
import asyncio, multiprocessing, multiprocessing.shared_memory, os, signal, socket, sqlite3, subprocess, sys, tempfile
import threading, time
done = []
def square(x): return x * x
with multiprocessing.get_context("fork").Pool(3) as pool: done.append(sum(pool.map(square, range(10))) == 285)
shared = multiprocessing.shared_memory.SharedMemory(create=True, size=4096); shared.buf[:2] = b"ok"
done.append(bytes(shared.buf[:2]) == b"ok"); shared.close(); shared.unlink()
async def talk():
    async def answer(reader, writer): writer.write((await reader.readline()).upper()); writer.close()
    answers = []
    for start, connect in (
        (lambda: asyncio.start_server(answer, "127.0.0.1", 0), lambda s: asyncio.open_connection(*s.sockets[0].getsockname()[:2])),
        (lambda: asyncio.start_unix_server(answer, "/tmp/s"), lambda s: asyncio.open_unix_connection("/tmp/s")),
    ):
        async with await start() as server:
            reader, writer = await connect(server); writer.write(b"hello\\n"); answers.append(await reader.read()); writer.close()
    child = await asyncio.create_subprocess_exec("sh", "-c", "echo $((6*7))", stdout=asyncio.subprocess.PIPE)
    return answers == [b"HELLO\\n"] * 2 and (await child.communicate())[0] == b"42\\n"
def in_a_thread(): done.append(asyncio.run(talk()))
thread = threading.Thread(target=in_a_thread); thread.start(); thread.join()
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as a: a.bind(("127.0.0.1", 0)); done.append(a.getsockname()[1] > 0)
done.append([name for _, name in socket.if_nameindex()] == ["lo"])
import numpy
done.append(numpy.allclose(numpy.linalg.inv(numpy.eye(300)) @ numpy.ones(300), 1))
mapped = numpy.memmap("/work/map", dtype="f8", mode="w+", shape=(1000,)); mapped[:] = 1; mapped.flush(); done.append(mapped.sum() == 1000)
with sqlite3.connect("/work/db") as db:
    db.execute("pragma journal_mode=wal"); db.execute("create table t(x)"); db.executemany("insert into t values(?)", [(i,) for i in range(99)])
done.append(sqlite3.connect("/work/db").execute("select count(*) from t").fetchone() == (99,))
done.append(subprocess.run([sys.executable, "-c", "import concurrent.futures as f; print(list(f.ProcessPoolExecutor(2).map(abs, [-1, -2])))"], capture_output=True, text=True).stdout == "[1, 2]\\n")
git = "cd $(mktemp -d) && git init -q && echo x > f && git add f && git -c user.name=a -c user.email=a@b commit -qm m && git log --format=%s"
done.append(subprocess.run(git, shell=True, capture_output=True, text=True).stdout == "m\\n")
signal.setitimer(signal.ITIMER_REAL, 0)
print([index for index, well in enumerate(done) if not well], len(done))
"""  # noqa: E501 -- programs of users, not ours
BASH = """
cd "$(mktemp -d)"
git init -q . && echo hello > file && git add .
git -c user.name=a -c user.email=a@b commit -qm first && git log --format=%s
seq 1 100000 | sort -n --parallel=2 -S 4M | tail -1
diff <(echo a) <(echo a) && echo same
sqlite3 d.db 'pragma journal_mode=wal; create table t(x); insert into t values(7); select x from t' | tail -1
(flock 9; echo locked) 9> lock
mkfifo pipe && (echo through > pipe &) && cat pipe
tar cJf a.tar.xz file && tar xOJf a.tar.xz
printf 'all:\\n\\t@echo made\\n' > Makefile && make -j2
openssl dgst -sha256 file | cut -c1-7
timeout 5 sleep 0.1; nice -n 5 sh -c 'echo nice'
sync; id -un; ls -l file | cut -c1-10
"""
BASH_SAYS = [
    "first",
    "100000",
    "same",
    "7",
    "locked",
    "through",
    "hello",
    "made",
    "SHA2-25",
    "nice",
    "code",
    "-rw-r--r--",
]
R = """
x <- parallel::mclapply(1:4, function(i) i^2, mc.cores = 2); cat(sum(unlist(x)), "")
cat(system("git --version | cut -c1-3", intern = TRUE), "")
write.csv(mtcars, "/work/m.csv"); cat(nrow(read.csv("/work/m.csv")), "")
m <- matrix(runif(10000), 100); cat(max(abs(solve(m) %*% m - diag(100))) < 1e-6, "")
saveRDS(mtcars, "/work/m.rds"); cat(ncol(readRDS("/work/m.rds")), "")
cluster <- parallel::makePSOCKcluster(1)
cat(unlist(parallel::clusterEvalQ(cluster, 1 + 1)), ""); parallel::stopCluster(cluster)
data.table::fwrite(mtcars, "/work/t.csv"); cat(nrow(data.table::fread("/work/t.csv")), "\\n")
"""
DENO = """
const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, () => new Response("served"));
const answer = await (await fetch(`http://127.0.0.1:${server.addr.port}/`)).text();
await server.shutdown();
const source = "self.onmessage = (e) => { self.postMessage(e.data * 2); self.close(); }";
const worker = new Worker("data:application/javascript," + encodeURIComponent(source), { type: "module" });
const doubled = await new Promise((done) => { worker.onmessage = (e) => done(e.data); worker.postMessage(21); });
const { stdout } = await new Deno.Command("git", { args: ["--version"] }).output();
await Deno.writeTextFile("/work/x", "kept");
const module = new WebAssembly.Module(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]));
const hash = await crypto.subtle.digest("SHA-256", new Uint8Array(8));
console.log(answer, doubled, new TextDecoder().decode(stdout).slice(0, 3), await Deno.readTextFile("/work/x"), module instanceof WebAssembly.Module, hash.byteLength);
"""  # noqa: E501


GVISOR = pytest.param("runsc", marks=pytest.mark.runsc)


@pytest.fixture(params=["", GVISOR], ids=["default", "runsc"])
def oci_runtime(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def run(oci_runtime: str) -> Iterator[Callable[[str, str], str]]:
    """Run code in a new sandbox of a language's image, with the limits of a small pool; what it printed."""
    runtime = DockerRuntime()
    handles = []

    def work(name: str, code: str) -> str:
        source = sources.load(name)
        installation = f"{os.environ['THERMAE_INSTALLATION']}-usual"
        limits = {"memory": max(768, source.least_memory), "pids": 128, "oci_runtime": oci_runtime}
        spec = SandboxSpec(uuid4(), installation, 1, 1, sandboxes.image(name), source.kernel, **limits)
        handles.append(runtime.create(spec).handle)
        assert sandboxes.wait_until_ready(spec.session)["state"] == "ready"
        return sandboxes.run(spec.session, code, timeout=90)

    with (
        tempfile.TemporaryDirectory(prefix="thm-") as folder,
        override_settings(SOCKET_DIR=Path(folder) / "s", ALLOWED_OCI_RUNTIMES=["runsc"]),
    ):
        yield work
        for handle in handles:
            runtime.remove(handle)


def test_python(run: Callable[[str, str], str]) -> None:
    assert run("python", PYTHON) == "[] 10\n"


def test_bash(run: Callable[[str, str], str], oci_runtime: str) -> None:
    said = run("bash", BASH).split("\n")[:-1]
    if oci_runtime and "Invalid argument" in said[-1]:
        said[-1] = BASH_SAYS[-1]  # `ls` of Debian 12 in a gVisor of 2022, see docs/gvisor.md
    assert said == BASH_SAYS


def test_r(run: Callable[[str, str], str]) -> None:
    assert run("r", R).split() == ["30", "git", "32", "TRUE", "11", "2", "32"]


def test_deno(run: Callable[[str, str], str]) -> None:
    assert run("deno", DENO) == "served 42 git kept true 32\n"
