"""The proxy against clients of every kind: what is asked for is judged, and only what was judged is connected to."""

import asyncio
from ipaddress import ip_address
from typing import Any

import pytest

from interpreters.egress import proxy, resolver, tunnel
from interpreters.egress.http import parse
from tests.egress import PUBLIC, SESSION, World, connect_to, ground, policy, socks_to

NAMES = {
    "example.org": [PUBLIC],
    "evil.example": ["10.0.0.5"],
    "mixed.example": ["127.0.0.1", PUBLIC, "fd00::1"],
    "two.example": [PUBLIC, "203.0.113.11"],
}


def get(target: str, *fields: str, body: bytes = b"", method: str = "GET", version: str = "1.1") -> bytes:
    return "\r\n".join([f"{method} {target} HTTP/{version}", *fields, "", ""]).encode() + body


@pytest.fixture
async def world() -> World:
    return World(names=NAMES)


# --- What works ---


async def test_connect_is_a_tunnel(world: World) -> None:
    assert await world.say(connect_to("example.org:443", b"early")) == (
        b"HTTP/1.1 200 Connection established\r\n\r\nhello"
    )
    assert world.connected == [(PUBLIC, 443)]
    assert world.received == [b"early"]
    (record,) = world.decisions()
    assert (record.host, record.port, record.address, record.reason) == ("example.org", 443, PUBLIC, "")
    assert (record.bytes_out, record.bytes_in, record.subject.session) == (5, 5, SESSION)


async def test_socks_is_a_tunnel(world: World) -> None:
    answer = await world.say(socks_to("example.org", 22, b"SSH"))
    assert answer == b"\x05\x00" + b"\x05\x00\x00\x01\0\0\0\0\0\0" + b"hello"
    assert (world.connected, world.received) == ([(PUBLIC, 22)], [b"SSH"])


async def test_socks_takes_addresses_of_both_families(world: World) -> None:
    four = b"\x05\x01\x00\x05\x01\x00\x01" + bytes([203, 0, 113, 9]) + b"\x00\x50"
    six = b"\x05\x01\x00\x05\x01\x00\x04" + bytes.fromhex("20010db8" + "0" * 23 + "7") + b"\x00\x50"
    mapped = b"\x05\x01\x00\x05\x01\x00\x04" + bytes.fromhex("0" * 20 + "ffff" + "cb007108") + b"\x00\x50"
    for said in (four, six, mapped):
        assert (await world.say(said)).endswith(b"hello")
    assert world.connected == [("203.0.113.9", 80), ("2001:db8::7", 80), ("203.0.113.8", 80)]
    assert not world.looked_up


async def test_a_plain_request_is_written_anew(world: World) -> None:
    world.until = b"\r\n\r\n"
    world.reply = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhi"
    said = get(
        "http://example.org:8080/a?b=c", "Host: other.example", "User-Agent: me", "Proxy-Authorization: Basic c2VjcmV0",
        "Connection: keep-alive, X-Hop", "X-Hop: 1", "Proxy-Connection: keep-alive", "TE: trailers", "Cookie: a=b",
        "Upgrade: h2c",
    )  # fmt: skip
    assert await world.say(said) == world.reply
    assert world.connected == [(PUBLIC, 8080)]
    (sent,) = world.received
    assert sent.decode().split("\r\n") == [
        "GET /a?b=c HTTP/1.1", "Host: example.org:8080", "User-Agent: me", "Cookie: a=b", "Connection: close", "", "",
    ]  # fmt: skip


async def test_a_body_goes_along_and_nothing_after_it(world: World) -> None:
    second = get("http://evil.example/")
    world.until = b"END"
    await world.say(get("http://example.org/", "Content-Length: 5", method="POST", body=b"12END" + second))
    assert world.received[0].endswith(b"Content-Length: 5\r\nConnection: close\r\n\r\n12END")
    world.until = b"0\r\n\r\n"
    chunks = b"3;ext=1\r\nabc\r\n0A\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n"
    await world.say(get("http://example.org/", "Transfer-Encoding: chunked", method="PUT", body=chunks + second))
    assert world.received[1].endswith(b"\r\n\r\n3\r\nabc\r\na\r\n0123456789\r\n0\r\n\r\n")
    assert world.looked_up == ["example.org", "example.org"]
    assert world.connected == [(PUBLIC, 80)] * 2


@pytest.mark.parametrize(
    ("target", "first"),
    [
        ("http://example.org", "GET / HTTP/1.1"),
        ("http://example.org?q", "GET /?q HTTP/1.1"),
        ("HTTP://EXAMPLE.org.:/x", "GET /x HTTP/1.1"),
        ("http://[2001:db8::1]:81//x@y:z", "GET //x@y:z HTTP/1.1"),
    ],
)
def test_targets_have_one_form(target: str, first: str) -> None:
    lines = parse(get(target, "Host: x")).opening.decode().split("\r\n")
    assert lines[0] == first
    assert lines[1] in ("Host: example.org", "Host: [2001:db8::1]:81")


async def test_the_next_address_is_tried_when_one_does_not_answer(world: World) -> None:
    world.unreachable = {PUBLIC}
    assert (await world.say(connect_to("two.example:443"))).endswith(b"hello")
    assert world.connected == [(PUBLIC, 443), ("203.0.113.11", 443)]
    world.unreachable |= {"203.0.113.11"}
    assert (await world.say(connect_to("two.example:443"))).startswith(b"HTTP/1.1 502 ")
    assert [record.reason for record in world.decisions()] == ["", "unreachable"]


# --- What is refused ---


@pytest.mark.parametrize(
    ("destination", "reason"),
    [
        ("evil.example:443", "private"),
        ("10.0.0.5:443", "private"),
        ("127.0.0.1:80", "loopback"),
        ("169.254.169.254:80", "metadata"),
        ("[::1]:80", "loopback"),
        ("[::ffff:10.0.0.5]:80", "private"),
        ("[64:ff9b::a00:5]:80", "private"),
        ("[fd00::5]:80", "unique-local"),
        ("none.example:443", "no address"),
    ],
)
async def test_a_refused_destination_is_never_connected_to(world: World, destination: str, reason: str) -> None:
    host, _, port = destination.rpartition(":")
    status = b"502" if reason == "no address" else b"403"
    for said in (connect_to(destination, b"secret"), get(f"http://{destination}/", "Cookie: secret")):
        assert (await world.say(said)).startswith(b"HTTP/1.1 " + status)
    assert (await world.say(socks_to(host.strip("[]"), int(port)))) == (
        b"\x05\x00" + bytes([5, 4 if reason == "no address" else 2]) + b"\x00\x01\0\0\0\0\0\0"
    )
    assert world.connected == []
    (record,) = world.decisions()
    assert (record.reason, record.count) == (reason, 3)


async def test_of_a_mixed_answer_only_the_public_is_connected_to(world: World) -> None:
    assert (await world.say(connect_to("mixed.example:443"))).endswith(b"hello")
    assert world.connected == [(PUBLIC, 443)]


async def test_a_name_that_changes_its_mind_is_connected_to_where_it_was_judged(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DNS rebinding: each connection looks once, and goes where that look led."""
    monkeypatch.setattr(resolver, "KEPT", 0.0)
    answers = iter([[PUBLIC], ["169.254.169.254"], ["127.0.0.1"]])

    class Changing(dict[str, Any]):
        def get(self, name: str, default: Any = None) -> Any:
            return next(answers)

    world.names = Changing()
    assert (await world.say(connect_to("rebind.example:80"))).endswith(b"hello")
    assert (await world.say(connect_to("rebind.example:80"))).startswith(b"HTTP/1.1 403")
    assert (await world.say(get("http://rebind.example/"))).startswith(b"HTTP/1.1 403")
    assert world.connected == [(PUBLIC, 80)]
    assert len(world.looked_up) == 3


async def test_a_name_that_is_not_listed_is_not_looked_up(world: World) -> None:
    world.policy = policy("allow_list", "example.org")
    for said in (connect_to("c2VjcmV0.evil.example:443"), get("http://c2VjcmV0.evil.example/")):
        assert b"does not name this destination" in await world.say(said)
    assert await world.say(socks_to("c2VjcmV0.evil.example", 443))
    assert (world.looked_up, world.connected) == ([], [])


async def test_this_machine_is_refused_by_whatever_name(world: World) -> None:
    world.ground = ground(own=frozenset({ip_address(PUBLIC)}))
    assert b"this machine" in await world.say(connect_to("example.org:443"))
    assert b"this machine" in await world.say(connect_to(f"{PUBLIC}:22"))
    assert world.connected == []


async def test_without_knowing_this_machine_nothing_is_allowed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> Any:
        raise OSError("no interfaces")

    monkeypatch.setattr(world, "read_ground", fail)
    assert (await world.say(connect_to("example.org:443"))).startswith(b"HTTP/1.1 503")
    assert world.connected == []


async def test_a_session_that_has_ended_reaches_nothing(world: World) -> None:
    world.ended = True
    assert b"session has ended" in await world.say(connect_to("example.org:443"))
    assert (await world.say(socks_to("example.org", 443)))[2:4] == b"\x05\x02"
    assert (world.looked_up, world.connected) == ([], [])


HOSTILE = {
    "userinfo": get("http://user:secret@example.org/"),
    "userinfo that looks like a host": get("http://example.org@evil.example/"),
    "userinfo in CONNECT": connect_to("user@example.org:443"),
    "backslash": get("http://example.org\\@evil.example/"),
    "no port": connect_to("example.org"),
    "port 0": connect_to("example.org:0"),
    "huge port": connect_to("example.org:443443"),
    "two ports": connect_to("example.org:443:80"),
    "unbracketed IPv6": connect_to("2001:db8::1:443"),
    "odd IPv4": connect_to("127.1:80"),
    "hex IPv4": connect_to("0x7f000001:80"),
    "octal IPv4": connect_to("0177.0.0.1:80"),
    "decimal IPv4": connect_to("2130706433:80"),
    "single label": connect_to("localhost:80"),
    "fullwidth": "CONNECT １２７.0.0.1:80 HTTP/1.1\r\n\r\n".encode(),
    "zone": connect_to("[fe80::1%25eth0]:80"),
    "https in absolute form": get("https://example.org/"),
    "ftp": get("ftp://example.org/"),
    "origin form": get("/", "Host: example.org"),
    "asterisk": get("*", method="OPTIONS"),
    "authority form": get("example.org:80"),
    "fragment": get("http://example.org/#x"),
    "empty host": get("http:///path"),
    "HTTP/2": get("http://example.org/", version="2.0"),
    "HTTP/0.9": b"GET http://example.org/\r\n\r\n",
    "lower-case method": get("http://example.org/", method="get"),
    "two spaces": b"GET  http://example.org/ HTTP/1.1\r\n\r\n",
    "tab": b"GET\thttp://example.org/ HTTP/1.1\r\n\r\n",
    "bare line feeds": b"CONNECT example.org:443 HTTP/1.1\nHost: a\n\nCONNECT evil.example:1 HTTP/1.1\r\n\r\n",
    "bare line feed in a field": get("http://example.org/", "A: b\nHost: evil.example"),
    "bare carriage return": get("http://example.org/", "A: b\rHost: evil.example"),
    "NUL": get("http://example.org/", "A: \0"),
    "NUL in the target": get("http://exam\0ple.org/"),
    "folded field": get("http://example.org/", "A: b", " c"),
    "space before colon": get("http://example.org/", "Content-Length : 5"),
    "no colon": get("http://example.org/", "nonsense"),
    "two lengths": get("http://example.org/", "Content-Length: 5", "Content-Length: 6", method="POST"),
    "length list": get("http://example.org/", "Content-Length: 5, 5", method="POST"),
    "signed length": get("http://example.org/", "Content-Length: +5", method="POST"),
    "length and chunks": get("http://example.org/", "Content-Length: 5", "Transfer-Encoding: chunked", method="POST"),
    "other coding": get("http://example.org/", "Transfer-Encoding: gzip, chunked", method="POST"),
    "coding twice": get("http://example.org/", *["Transfer-Encoding: chunked"] * 2, method="POST"),
    "chunks in HTTP/1.0": get("http://example.org/", "Transfer-Encoding: chunked", method="POST", version="1.0"),
    "CONNECT with a body": get("example.org:443", "Content-Length: 5", method="CONNECT", body=b"12345"),
    "CONNECT with chunks": get("example.org:443", "Transfer-Encoding: chunked", method="CONNECT"),
    "many fields": get("http://example.org/", *[f"A{n}: b" for n in range(101)]),
    "long head": get("http://example.org/", *["A: " + "b" * 1000] * 17),
    "long line": get("http://example.org/" + "a" * 9000),
    "endless head": b"GET http://example.org/ HTTP/1.1\r\n" + b"A: b\r\n" * 20000,
    "no end": b"CONNECT example.org:443 HTTP/1.1\r\nHost: exam",
}  # fmt: skip


@pytest.mark.parametrize("said", HOSTILE.values(), ids=HOSTILE)
async def test_what_has_two_readings_is_refused_whole(world: World, said: bytes) -> None:
    assert (await world.say(said)).startswith(b"HTTP/1.1 400 ")
    assert (world.looked_up, world.connected) == ([], [])
    assert [record.reason for record in world.decisions()] == ["malformed"]


SOCKS_NONSENSE = {
    "SOCKS4": (b"\x04\x01\x00\x50\x7f\x00\x00\x01\x00", b""),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc", b""),
    "zeros": (b"\0" * 100, b""),
    "only with a password": (b"\x05\x01\x02", b"\x05\xff"),
    "no method": (b"\x05\x00", b"\x05\xff"),
    "cut off in the methods": (b"\x05\xff\x00", b""),
    "bind": (b"\x05\x01\x00\x05\x02\x00\x01\x7f\x00\x00\x01\x00\x50", b"\x05\x00\x05\x07"),
    "udp": (b"\x05\x01\x00\x05\x03\x00\x01\x7f\x00\x00\x01\x00\x50", b"\x05\x00\x05\x07"),
    "wrong version": (b"\x05\x01\x00\x04\x01\x00\x01\x7f\x00\x00\x01\x00\x50", b"\x05\x00\x05\x01"),
    "reserved": (b"\x05\x01\x00\x05\x01\x01\x01\x7f\x00\x00\x01\x00\x50", b"\x05\x00\x05\x01"),
    "unknown kind": (b"\x05\x01\x00\x05\x01\x00\x02\x7f\x00\x00\x01\x00\x50", b"\x05\x00\x05\x08"),
    "empty name": (socks_to("", 80), b"\x05\x00\x05\x02"),
    "port 0": (socks_to("example.org", 0), b"\x05\x00\x05\x02"),
    "no text": (socks_to(b"\xff\xfe.org", 80), b"\x05\x00\x05\x02"),
    "NUL": (socks_to(b"example.org\0.evil.net", 80), b"\x05\x00\x05\x02"),
    "odd IPv4": (socks_to("127.1", 80), b"\x05\x00\x05\x02"),
    "cut off in the name": (b"\x05\x01\x00\x05\x01\x00\x03\x20exam", b"\x05\x00"),
}


@pytest.mark.parametrize(("said", "answer"), SOCKS_NONSENSE.values(), ids=SOCKS_NONSENSE)
async def test_nonsense_is_answered_as_far_as_it_can_be(world: World, said: bytes, answer: bytes) -> None:
    heard = await world.say(said)
    assert heard[: len(answer) or None] == answer
    assert (world.looked_up, world.connected) == ([], [])


async def test_who_only_looks_whether_somebody_listens_leaves_no_trace(world: World) -> None:
    assert await world.say(b"") == b""
    assert world.decisions() == []


async def test_bad_chunks_end_the_connection(world: World) -> None:
    long = (b"1" * 40000, b"0\r\n" + b"A: b\r\n" * 200)
    for chunks in (b"zz\r\n", b"-1\r\n", b"3\r\nabcd\r\n0\r\n\r\n", b"3\nabc\n0\n\n", *long):
        await world.say(get("http://example.org/", "Transfer-Encoding: chunked", method="POST", body=chunks))
        assert b"abcd" not in world.received[-1]
    for task in world.tasks:
        await asyncio.wait_for(task, 5)


# --- Bounds ---


async def test_who_says_nothing_is_hung_up_on(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proxy, "HEAD_DEADLINE", 0.1)
    for said in (b"", b"CONN", b"\x05", b"\x05\x01\x00"):
        heard = await world.say(said, hang_up=False)
        assert heard in (b"", b"\x05\x00")
    assert world.connected == []


async def test_a_tunnel_in_which_nothing_moves_ends(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tunnel, "RECHECK", 0.05)
    world.idle = 0.2
    assert (await world.say(connect_to("example.org:443"), hang_up=False)).endswith(b"hello")


async def test_a_tunnel_ends_when_the_policy_does_not_allow_it_any_more(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tunnel, "RECHECK", 0.05)
    reader, writer = await world.open()
    writer.write(connect_to("example.org:443"))
    assert await reader.readuntil(b"hello")
    world.policy = policy("allow_list", "other.example")
    assert await asyncio.wait_for(reader.read(-1), 5) == b""
    writer.close()


async def test_each_side_may_end_its_sending_and_still_hear_the_other(world: World) -> None:
    async def patient(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard = await reader.read(-1)
        writer.write(b"heard " + heard)
        writer.close()

    world.destination = patient
    assert (await world.say(connect_to("example.org:443", b"all"))).endswith(b"\r\n\r\nheard all")


async def test_a_destination_that_sends_for_ever_waits_for_a_sandbox_that_does_not_read(world: World) -> None:
    sent = 0

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        while True:
            writer.write(b"x" * 65536)
            await writer.drain()
            sent += 65536

    world.destination = flood
    reader, writer = await world.open()
    writer.write(connect_to("example.org:443"))
    before = -1
    while before != sent:  # until it stands still
        before = sent
        await asyncio.sleep(0.1)
    assert 0 < sent < 4 << 20
    assert await reader.readexactly(1 << 20)
    writer.close()
    for task in world.tasks:
        task.cancel()


async def test_slow_names_of_one_sandbox_do_not_hold_up_another(monkeypatch: pytest.MonkeyPatch) -> None:
    import threading

    stuck = threading.Event()
    found = resolver.Resolver(lambda name: (stuck.wait(5) and ()) or (), patience=0.2)
    asked = [asyncio.create_task(found.resolve(f"{n}.evil.example", "hostile")) for n in range(resolver.SHARE)]
    await asyncio.sleep(0)
    with pytest.raises(resolver.Busy):
        await found.resolve("one-more.example", "hostile")
    assert await asyncio.gather(*asked) == [()] * resolver.SHARE
    with pytest.raises(resolver.Busy):  # the threads are still stuck, though nobody waits any more
        await found.resolve("again.example", "hostile")
    assert await found.resolve("example.org", "other") == ()
    stuck.set()
    found.close()
