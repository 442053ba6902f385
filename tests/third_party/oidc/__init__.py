"""A certified provider of OpenID Connect on the loopback, by https with a certificate of its own, and its user."""

import datetime
import hashlib
import ipaddress
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin

import requests
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from tests.third_party import KEPT

FOLDER = Path(__file__).parent
CLIENT, SECRET = "thermae", "a secret of at least 32 characters"


@dataclass(frozen=True)
class Provider:
    issuer: str
    ca: Path

    def sign_in(self, address: str, name: str, back: str) -> str:
        """What a person does in a browser: say a name, agree. Where they are sent back to."""
        browser = requests.Session()
        browser.trust_env, browser.verify = False, str(self.ca)
        answer = browser.get(address, allow_redirects=False, timeout=20)
        for _ in range(12):
            if location := answer.headers.get("Location"):
                address = urljoin(answer.url, location)
                if address.startswith(back):
                    return address
                answer = browser.get(address, allow_redirects=False, timeout=20)
                continue
            fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="(\w+)"', answer.text))
            (action,) = re.findall(r'action="([^"]+)"', answer.text)
            form = {**fields, "login": name, "password": "any"}
            answer = browser.post(urljoin(answer.url, action), form, allow_redirects=False, timeout=20)
        raise AssertionError(f"the provider sent nobody back: {answer.status_code} {answer.text[:2000]}")


@contextmanager
def running(folder: Path, redirect_uri: str) -> Iterator[Provider]:
    key, cert = _certificate(folder)
    words = ["node", str(FOLDER / "provider.mjs"), str(_modules()), str(key), str(cert), redirect_uri]
    with (folder / "provider.log").open("w") as log:
        process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            assert process.stdout
            issuer = process.stdout.readline().strip()
            assert issuer, (folder / "provider.log").read_text()
            yield Provider(issuer, cert)
        finally:
            process.kill()
            process.wait(10)


def _modules() -> Path:
    """A folder in which npm has installed what package.json names."""
    wanted = (FOLDER / "package.json").read_bytes()
    folder = KEPT / f"oidc-{hash_of(wanted)}"
    if not (folder / "done").exists():
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(FOLDER / "package.json", folder)
        command = ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", str(folder)]
        subprocess.run(command, check=True, timeout=300, env=os.environ, stdout=sys.stderr)
        (folder / "done").touch()
    return folder


def hash_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:12]


def _certificate(folder: Path) -> tuple[Path, Path]:
    secret = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a provider of tests")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(secret.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(secret, SHA256())
    )
    key, cert = folder / "key.pem", folder / "cert.pem"
    key.write_bytes(secret.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    cert.write_bytes(made.public_bytes(Encoding.PEM))
    return key, cert
