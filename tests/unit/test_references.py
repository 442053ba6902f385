"""What people write to name an image, and which registries a tenant may use."""

from typing import Any

import pytest
from django.core.exceptions import ValidationError
from hypothesis import given
from hypothesis import strategies as st

from interpreters import references
from interpreters.images.explain import explain
from interpreters.models import InterpreterImage, RegistryCredential
from interpreters.references import BadReference, Reference, parse
from tenants import registries
from tenants.registries import BadRegistry

DIGEST = "sha256:" + "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("debian", Reference("docker.io", "library/debian", "latest")),
        ("debian:12", Reference("docker.io", "library/debian", "12")),
        ("docker.io/debian", Reference("docker.io", "library/debian", "latest")),
        ("index.docker.io/library/debian", Reference("docker.io", "library/debian", "latest")),
        ("team/app", Reference("docker.io", "team/app", "latest")),
        ("ghcr.io/team/app:1.2", Reference("ghcr.io", "team/app", "1.2")),
        ("GHCR.io/team/app:V1", Reference("ghcr.io", "team/app", "V1")),
        ("localhost/app", Reference("localhost", "app", "latest")),
        ("localhost:5000/app", Reference("localhost:5000", "app", "latest")),
        ("127.0.0.1:5000/a/b/c:t", Reference("127.0.0.1:5000", "a/b/c", "t")),
        ("[::1]:5000/app:1", Reference("[::1]:5000", "app", "1")),
        ("[2001:db8::1]/app", Reference("[2001:db8::1]", "app", "latest")),
        (f"ghcr.io/app@{DIGEST}", Reference("ghcr.io", "app", "", DIGEST)),
        (f"ghcr.io/app:1@{DIGEST}", Reference("ghcr.io", "app", "1", DIGEST)),
        ("  ghcr.io/app:1\n", Reference("ghcr.io", "app", "1")),
        ("r.example/a.b_c__d-e---f", Reference("r.example", "a.b_c__d-e---f", "latest")),
        ("HOST/app", Reference("host", "app", "latest")),
    ],
)
def test_references_are_read_as_an_engine_reads_them(text: str, read: Reference) -> None:
    assert parse(text) == read


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "Name an image"),
        ("   ", "Name an image"),
        ("https://ghcr.io/app", "https"),
        ("Debian", "small letters"),
        ("ghcr.io/Team/app", "small letters"),
        ("ghcr.io/app:", "no tag"),
        ("ghcr.io/app:-x", "no tag"),
        ("ghcr.io/app:" + "x" * 129, "no tag"),
        ("ghcr.io/app:tag name", "no tag"),
        ("ghcr.io/app:tag\nFROM evil", "no tag"),
        ("ghcr.io/app:²", "no tag"),
        ("ghcr.io/app@sha256:abc", "digest"),
        (f"ghcr.io/app@{DIGEST.upper()}", "digest"),
        (f"ghcr.io/app@{DIGEST}@{DIGEST}", "digest"),
        ("ghcr.io/app@md5:" + "0" * 32, "digest"),
        ("ghcr.io/", "no name"),
        ("/app", "no name"),
        ("ghcr.io//app", "no name"),
        ("ghcr.io/../app", "no name"),
        ("ghcr.io/app/", "no name"),
        ("ghcr.io/_app", "no name"),
        ("ghcr.io/a..b", "no name"),
        ("ghcr.io/app\0", "no name"),
        ("ghcr.io/äpp", "no name"),
        ("ghcr.io:0/app", "no registry"),
        ("ghcr.io:99999/app", "no registry"),
        ("ghcr.io:05000/app", "no registry"),
        ("user@ghcr.io/app", "digest"),
        ("user:pass@ghcr.io/app", "digest"),
        ("-x.io/app", "no registry"),
        ("[::zz]/app", "no registry"),
        ("[::1/app", "no registry"),
        ("1.2.3/app", "no registry"),
        ("127.1/app", "no registry"),
        ("--help", "no name"),
        (DIGEST, "id of an image"),
        (DIGEST[7:], "id of an image"),
        ("thermae/python", "own images"),
        ("docker.io/thermae-upload/x/1", "own images"),
        ("a/" * 130 + "a", "at most"),
        ("x" * 1000, "Name an image"),
    ],
)
def test_nonsense_is_refused_with_what_to_correct(text: str, words: str) -> None:
    with pytest.raises(BadReference, match=words):
        parse(text)


@given(st.text(max_size=120))
def test_what_is_read_is_written_as_something_that_is_read_the_same(text: str) -> None:
    try:
        read = parse(text)
    except BadReference:
        return
    assert parse(str(read)) == read
    assert parse(read.engine_name).name == read.name
    assert read.engine_name.isascii()
    assert not set(" \n\t$'\"\\") & set(read.engine_name)


def test_an_engine_is_told_a_tag_or_a_digest_and_never_both() -> None:
    assert parse(f"ghcr.io/app:1@{DIGEST}").engine_name == f"ghcr.io/app@{DIGEST}"
    assert parse("ghcr.io/app").engine_name == "ghcr.io/app:latest"


# --- Which registries ---


@pytest.mark.parametrize(
    ("host", "allowed", "may"),
    [
        ("ghcr.io", ["ghcr.io"], True),
        ("docker.io", ["ghcr.io"], False),
        ("evil-ghcr.io", ["ghcr.io"], False),
        ("ghcr.io.evil.example", ["ghcr.io"], False),
        ("ghcr.io:5000", ["ghcr.io"], False),
        ("ghcr.io", [], False),
        ("registry.example.org", ["*"], True),
        ("8.8.8.8", ["*"], True),
        ("127.0.0.1:5000", ["*"], False),
        ("169.254.169.254", ["*"], False),
        ("10.1.2.3", ["*"], False),
        ("[::1]:5000", ["*"], False),
        ("[fd00::1]", ["*"], False),
        ("[::ffff:127.0.0.1]", ["*"], False),
        ("localhost", ["*"], False),
        ("localhost:5000", ["*"], False),
        ("redis", ["*"], False),
        ("metadata.google.internal", ["*"], False),
        ("127.0.0.1:5000", ["*", "127.0.0.1:5000"], True),
    ],
)
def test_only_listed_registries_are_allowed_and_a_star_means_public_ones(
    host: str, allowed: list[str], may: bool
) -> None:
    assert registries.allows(host, allowed) is may


def test_lists_are_normalised_and_nonsense_in_them_is_refused() -> None:
    assert registries.checked_list(["Index.Docker.io", "*", "GHCR.io:443"]) == ["docker.io", "*", "ghcr.io:443"]
    for bad in (["https://ghcr.io"], ["ghcr.io/team"], ["*.io"], [""], [1], "ghcr.io", {"a": 1}):
        with pytest.raises(BadRegistry):
            registries.checked_list(bad)


@pytest.mark.django_db
def test_a_tenants_own_list_replaces_that_of_the_installation(acme: Any, settings: Any) -> None:
    settings.ALLOWED_REGISTRIES = ["docker.io"]
    assert acme.registries == ["docker.io"]
    acme.allowed_registries = ["GHCR.io"]
    acme.full_clean()
    assert acme.registries == ["ghcr.io"]
    acme.allowed_registries = ["http://x"]
    with pytest.raises(ValidationError, match="no registry"):
        acme.full_clean()


@pytest.mark.django_db
def test_an_image_is_checked_against_its_tenants_list_and_credential(acme: Any, other: Any) -> None:
    ours = RegistryCredential.objects.create(tenant=acme, registry="ghcr.io", username="robot", secret="s")
    theirs = RegistryCredential.objects.create(tenant=other, registry="ghcr.io", username="robot", secret="s")

    def errors(**fields: Any) -> set[str]:
        image = InterpreterImage(tenant=acme, name="app", kind="custom", origin="registry", **fields)
        try:
            image.full_clean()
        except ValidationError as error:
            return set(error.message_dict)
        return set()

    assert errors(registry_reference="ghcr.io/app", credential=ours) == set()
    assert errors(registry_reference="evil.example/app") == {"registry_reference"}
    assert errors(registry_reference="nonsense:") == {"registry_reference"}
    assert errors(registry_reference="quay.io/app", credential=ours) == {"credential"}
    assert errors(registry_reference="ghcr.io/app", credential=theirs) == {"credential"}


@pytest.mark.django_db
def test_a_login_is_given_to_its_own_registry_only(acme: Any) -> None:
    credential = RegistryCredential.objects.create(tenant=acme, registry="ghcr.io", username="robot", secret="hush")
    image = InterpreterImage(tenant=acme, name="app", credential=credential)
    assert image.login_for("ghcr.io") == {"username": "robot", "password": "hush"}
    assert image.login_for("ghcr.io:443") == {}
    assert image.login_for("docker.io") == {}


# --- What the engine says ---


@pytest.mark.parametrize(
    ("said", "login", "words"),
    [
        ("Get https://r.example/v2/: no basic auth credentials", False, "choose a credential"),
        ("unauthorized: authentication required", True, "does not accept this username"),
        ("pull access denied for x, repository does not exist or may require 'docker login'", False, "credential"),
        ("manifest for r.example/app:1 not found: manifest unknown: manifest unknown", False, "tag '1'"),
        ("name unknown: repository name not known to registry", False, "no image named app"),
        ("no matching manifest for linux/arm64 in the manifest list entries", False, "platform"),
        ("toomanyrequests: You have reached your pull rate limit", False, "takes no more requests"),
        ("Get https://r.example/v2/: dial tcp: lookup r.example: no such host", False, "no registry at r.example"),
        ("x509: certificate signed by unknown authority", False, "certificate"),
        ("dial tcp 127.0.0.1:1: connect: connection refused", False, "does not answer"),
        ("write /var/lib/docker/tmp/x: no space left on device", False, "disk is full"),
        ("something new", False, "something new"),
    ],
)
def test_an_engines_words_become_what_to_do(said: str, login: bool, words: str) -> None:
    assert words in explain(said, references.parse("r.example/app:1"), login=login)
