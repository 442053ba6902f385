"""A request goes to the address that was judged, or nowhere; of what comes back little is read."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from interpreters.egress.addresses import Ground
from interpreters.egress.resolver import Busy
from interpreters.webhooks.posting import MOST_HEAD, NOWHERE, Poster
from interpreters.webhooks.retrying import Answer
from tenants.webhook_urls import WebhookUrl

LOOPBACK = Ground(opened=(ip_network("127.0.0.1/32"),))
CLOSED = Ground()


class Names:
    """A resolver: what each look-up finds, the last for ever."""

    def __init__(self, *answers: str) -> None:
        self.answers = [[ip_address(one) for one in answer.split()] for answer in answers]
        self.asked: list[str] = []

    async def resolve(self, name: str, asker: Any) -> Any:
        self.asked.append(name)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def poster(ground: Ground, *answers: str) -> Poster:
    return Poster(Names(*answers or ("127.0.0.1",)), lambda: ground)  # type: ignore[arg-type]


@asynccontextmanager
async def server(answer: Callable[[Any, Any], Awaitable[None]]) -> AsyncIterator[int]:
    listening = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield listening.sockets[0].getsockname()[1]
    finally:
        listening.close()


def answering(raw: bytes, got: list[bytes] | None = None) -> Callable[[Any, Any], Awaitable[None]]:
    async def answer(reader: Any, writer: Any) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if got is not None:
            got.append(head + await reader.readexactly(2))
        writer.write(raw)
        await writer.drain()
        writer.close()

    return answer


async def post(ground: Ground, raw: bytes, got: list[bytes] | None = None) -> Answer:
    async with server(answering(raw, got)) as port:
        url = WebhookUrl.parse(f"http://hooks.example.org:{port}/a?b", allow_http=True)
        return await poster(ground).post(url, {"webhook-id": "evt_1"}, b"{}", 1)


# --- What it is ---


async def test_it_is_a_post_of_json_to_the_name_that_was_meant() -> None:
    got: list[bytes] = []
    answer = await post(LOOPBACK, b"HTTP/1.1 204 No Content\r\n\r\n", got)
    assert (answer.status, answer.error, answer.taken) == (204, "", True)
    head = got[0].lower()
    assert head.startswith(b"post /a?b http/1.1\r\nhost: hooks.example.org:")
    for line in (b"content-type: application/json", b"content-length: 2", b"webhook-id: evt_1", b"connection: close"):
        assert line in head


async def test_interim_heads_are_passed_over() -> None:
    answer = await post(LOOPBACK, b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n")
    assert answer.status == 200


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("7", 7), ("0", 0), ("-1", None), ("soon", None), ("9" * 30, None), ("\u0667", None)],
)
async def test_retry_after_is_read_where_it_is_a_number(value: str, seconds: float | None) -> None:
    raw = f"HTTP/1.1 429 Slow Down\r\nRetry-After: {value}\r\n\r\n".encode()
    assert (await post(LOOPBACK, raw)).retry_after == seconds


# --- Where it may not go ---


@pytest.mark.parametrize(
    "found",
    ["127.0.0.1", "10.0.0.1", "192.168.1.1", "169.254.169.254", "100.100.100.200", "0.0.0.0", "::1", "fe80::1",
     "fd00:ec2::254", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "224.0.0.1", "255.255.255.255"],
)  # fmt: skip
async def test_a_name_that_leads_to_ourselves_is_nowhere(found: str) -> None:
    async def never(*_: Any) -> None:
        raise AssertionError("connected")

    async with server(never) as port:
        for host in ("hooks.example.org", f"[{found}]" if ":" in found else found):
            url = WebhookUrl.parse(f"http://{host}:{port}/", allow_http=True)
            answer = await poster(CLOSED, found).post(url, {}, b"{}", 1)
            assert (answer.status, answer.error) == (None, NOWHERE)


async def test_a_name_that_is_not_there_is_told_in_the_same_words() -> None:
    names = Names("127.0.0.1")
    names.answers = [[]]
    url = WebhookUrl.parse("https://hooks.example.org/")
    answer = await Poster(names, lambda: CLOSED).post(url, {}, b"{}", 1)  # type: ignore[arg-type]
    assert answer.error == NOWHERE


async def test_of_a_mixed_answer_only_the_good_address_is_used() -> None:
    async with server(answering(b"HTTP/1.1 200 OK\r\n\r\n")) as port:
        url = WebhookUrl.parse(f"http://hooks.example.org:{port}/", allow_http=True)
        answer = await poster(LOOPBACK, "10.0.0.1 169.254.169.254 127.0.0.1").post(url, {}, b"{}", 1)
        assert answer.status == 200


async def test_the_name_is_looked_up_once_so_that_it_cannot_turn() -> None:
    """An answer that is public at the look and ours at the connection is no way in: there is one look."""
    names = Names("127.0.0.2", "127.0.0.1")  # of which only the second is open
    async with server(answering(b"HTTP/1.1 200 OK\r\n\r\n")) as port:
        url = WebhookUrl.parse(f"http://hooks.example.org:{port}/", allow_http=True)
        answer = await Poster(names, lambda: LOOPBACK).post(url, {}, b"{}", 1)  # type: ignore[arg-type]
    assert (answer.error, names.asked) == (NOWHERE, ["hooks.example.org"])


async def test_an_operators_networks_count_and_others_do_not() -> None:
    ground = Ground(opened=(ip_network("10.1.0.0/16"),))
    assert ground.objection(ip_address("10.1.2.3"), named=True) == ""
    assert ground.objection(ip_address("10.2.2.3"), named=True) == "private"


async def test_the_settings_of_sandboxes_open_nothing_for_webhooks(settings: Any) -> None:
    settings.EGRESS_PRIVATE_ALLOW, settings.WEBHOOK_NETWORKS = ["10.1.0.0/16"], ["10.2.0.0/16"]
    settings.EGRESS_DENY = ["203.0.113.7/32"]
    ground = Poster(Names("10.1.0.1"))._ground()  # type: ignore[arg-type]
    words = [ground.objection(ip_address(one), named=True) for one in ("10.1.0.1", "10.2.0.1", "203.0.113.7")]
    assert words == ["private", "", "denied"]


async def test_a_redirect_to_ourselves_is_not_followed() -> None:
    got: list[bytes] = []
    raw = b"HTTP/1.1 307 Elsewhere\r\nLocation: http://169.254.169.254/latest/\r\n\r\n"
    answer = await post(LOOPBACK, raw, got)
    assert (answer.status, len(got)) == (307, 1)


# --- What a receiver may try ---


@pytest.mark.parametrize(
    "raw",
    [b"", b"220 mail.example.org ESMTP\r\n", b"HTTP/1.1 abc\r\n\r\n", b"\x00" * 100, b"HTTP/1.1 200 OK\r\nX: " +
     b"a" * (MOST_HEAD + 10), b"HTTP/1.1 100 Continue\r\n\r\n" * 50, b"SSH-2.0-OpenSSH_9\r\n"],
    ids=["nothing", "mail", "status", "zeros", "long head", "interim for ever", "ssh"],
)  # fmt: skip
async def test_what_is_no_http_is_told_as_such_and_never_shown(raw: bytes) -> None:
    answer = await post(LOOPBACK, raw)
    assert answer.status is None
    assert answer.error in ("What it answers is no HTTP.", "The connection broke.")


async def test_who_answers_drop_by_drop_is_left_in_time(settings: Any) -> None:
    settings.WEBHOOK_TIMEOUT = 0.3

    async def dripping(reader: Any, writer: Any) -> None:
        try:
            while True:
                writer.write(b"H")
                await writer.drain()
                await asyncio.sleep(0.02)
        except OSError:
            pass

    async with server(dripping) as port:
        url = WebhookUrl.parse(f"http://hooks.example.org:{port}/", allow_http=True)
        answer = await poster(LOOPBACK).post(url, {}, b"{}", 1)
    assert answer.error.startswith(("It did not answer within", "What it answers is no HTTP"))
    assert answer.seconds < 5


async def test_nobody_there_is_no_connection() -> None:
    async with server(answering(b"")) as port:
        pass
    url = WebhookUrl.parse(f"http://hooks.example.org:{port}/", allow_http=True)
    answer = await poster(LOOPBACK).post(url, {}, b"{}", 1)
    assert answer.error == "No connection could be made."


async def test_tls_is_demanded_and_certificates_are_checked(tmp_path: Any) -> None:
    async with server(answering(b"HTTP/1.1 200 OK\r\n\r\n")) as port:  # speaks no TLS
        answer = await poster(LOOPBACK).post(WebhookUrl.parse(f"https://hooks.example.org:{port}/"), {}, b"{}", 1)
        assert answer.status is None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(self_signed(tmp_path))
    listening = await asyncio.start_server(answering(b"HTTP/1.1 200 OK\r\n\r\n"), "127.0.0.1", 0, ssl=context)
    port = listening.sockets[0].getsockname()[1]
    asked = poster(LOOPBACK)
    url = WebhookUrl.parse(f"https://hooks.example.org:{port}/")
    assert (await asked.post(url, {}, b"{}", 1)).error.startswith("Its certificate is not valid")
    trusting = poster(LOOPBACK)
    trusting._tls = ssl.create_default_context(cafile=str(tmp_path / "pair.pem"))
    assert (await trusting.post(url, {}, b"{}", 1)).status == 200
    wrong = WebhookUrl.parse(f"https://other.example.org:{port}/")
    assert (await trusting.post(wrong, {}, b"{}", 1)).error.startswith("Its certificate is not valid")
    listening.close()


def self_signed(folder: Any) -> str:
    from datetime import UTC, datetime, timedelta

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "hooks.example.org")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(now - timedelta(hours=1)).not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("hooks.example.org")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    plain = serialization.NoEncryption()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    (folder / "pair.pem").write_bytes(pem + certificate.public_bytes(serialization.Encoding.PEM))
    return str(folder / "pair.pem")


async def test_a_tenant_that_asks_for_too_many_names_is_told_so() -> None:
    class Full:
        async def resolve(self, name: str, asker: Any) -> Any:
            raise Busy

    url = WebhookUrl.parse("https://hooks.example.org/")
    answer = await Poster(Full(), lambda: CLOSED).post(url, {}, b"{}", 1)  # type: ignore[arg-type]
    assert answer.error == "Too many names were being looked up."


async def test_without_knowing_its_own_addresses_nothing_is_sent() -> None:
    def unreadable() -> Ground:
        raise OSError("no netlink")

    url = WebhookUrl.parse("http://127.0.0.1:9999/", allow_http=True)
    answer = await Poster(Names("127.0.0.1"), unreadable).post(url, {}, b"{}", 1)  # type: ignore[arg-type]
    assert answer.status is None
