"""Requests to an address that a tenant's admin wrote, and to those that the provider there names: all of it hostile.

By https only, to public addresses (or those that OIDC_PRIVATE_ALLOW opens), which are judged after the name was looked
up and then connected to as they are. No redirect is followed, no proxy or password of the environment is used, and an
answer has a bounded size and time.
"""

import contextlib
import socket
import threading
from collections.abc import Callable
from functools import partial
from ipaddress import ip_address
from typing import Any

import requests
from django.conf import settings
from requests.adapters import HTTPAdapter
from urllib3 import HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPSConnection
from urllib3.exceptions import NewConnectionError

from interpreters.egress.addresses import Ground
from interpreters.egress.surroundings import Surroundings

CONNECT_WITHIN = 5.0  # seconds
ANSWER_WITHIN = 10.0
MOST_BYTES = 512 * 1024
MOST_ADDRESSES = 4
# The same whether the name is not there or leads to a machine of ours: neither is a tenant's to find out.
NOWHERE = "leads to no address that may be asked"


class TooLarge(requests.RequestException):
    """More than MOST_BYTES."""


class _Connection(HTTPSConnection):
    """To an address that was judged."""

    def __init__(self, *args: Any, opened: list[HTTPSConnection], ground: Callable[[], Ground], **options: Any) -> None:
        super().__init__(*args, **options)
        self._ground = ground
        opened.append(self)

    def _new_conn(self) -> socket.socket:
        for address in self._addresses():
            with contextlib.suppress(OSError):
                return socket.create_connection((address, self.port), CONNECT_WITHIN)
        raise NewConnectionError(self, NOWHERE)

    def _addresses(self) -> list[str]:
        try:
            found = socket.getaddrinfo(self._dns_host, self.port, type=socket.SOCK_STREAM)
            ground = self._ground()
            addresses = dict.fromkeys(str(entry[4][0]).partition("%")[0] for entry in found)
            good = [text for text in addresses if not ground.objection(ip_address(text), named=True)]
        except (OSError, ValueError):  # a name that is none is a UnicodeError, which is one
            good = []
        return good[:MOST_ADDRESSES]


class _Adapter(HTTPAdapter):
    def __init__(self, ground: Callable[[], Ground]) -> None:
        self.opened: list[HTTPSConnection] = []
        self.was_cut = False
        self._ground = ground
        super().__init__(max_retries=0)

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        class Pool(HTTPSConnectionPool):
            ConnectionCls = partial(_Connection, opened=self.opened, ground=self._ground)  # type: ignore[assignment]

        self.poolmanager = PoolManager(*args, **options)
        self.poolmanager.pool_classes_by_scheme = {"https": Pool}

    def cut(self) -> None:
        self.was_cut = True
        for connection in self.opened:
            if isinstance(connection.sock, socket.socket):
                with contextlib.suppress(OSError):
                    socket.socket.shutdown(connection.sock, socket.SHUT_RDWR)


class GuardedSession(requests.Session):
    def __init__(self, ground: Callable[[], Ground] | None = None) -> None:
        super().__init__()
        self.trust_env = False
        self.max_redirects = 0
        self.verify = settings.OIDC_CA_BUNDLE or True
        self.adapters.clear()
        self._adapter = _Adapter(ground or Surroundings(opened=settings.OIDC_PRIVATE_ALLOW).ground)
        self.mount("https://", self._adapter)

    def request(self, *args: Any, **options: Any) -> requests.Response:
        watch = threading.Timer(ANSWER_WITHIN, self._adapter.cut)
        watch.daemon = True
        watch.start()
        try:
            response = super().request(*args, **{**options, "stream": True, "timeout": CONNECT_WITHIN})
            with contextlib.closing(response):
                response._content = _read(response)
        finally:
            watch.cancel()
        if self._adapter.was_cut:  # the end of a head that never came looks like its end
            raise requests.Timeout(f"The answer took more than {ANSWER_WITHIN} s.")
        return response


def _read(response: requests.Response) -> bytes:
    content = b""
    for part in response.iter_content(16 * 1024):
        content += part
        if len(content) > MOST_BYTES:
            raise TooLarge(f"The answer has more than {MOST_BYTES} bytes.")
    return content
