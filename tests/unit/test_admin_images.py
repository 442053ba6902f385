"""The admin of images and credentials: a form for each origin, secrets that only go in, and the operator's list."""

from pathlib import Path
from typing import Any

import pytest
from django.contrib.admin import site
from django.contrib.messages import get_messages
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpRequest, HttpResponse, HttpResponseForbidden
from django.test import Client
from django.urls import path, reverse

from interpreters.admin_images import kept
from interpreters.catalog import credentials
from interpreters.models import InterpreterImage, RegistryCredential
from interpreters.models.uploads import upload_path
from tenants import storage
from tenants.models import Tenant
from tenants.storage import MIB, StorageFull

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]
urlpatterns = [path("admin/", site.urls)]

ADD = "admin:interpreters_interpreterimage_add"


def handler403(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Plain, so that these tests need no front end."""
    return HttpResponseForbidden()


@pytest.fixture(autouse=True)
def place(settings: Any, tmp_path: Path) -> None:
    settings.UPLOAD_DIR = tmp_path / "uploads"
    settings.ALLOWED_REGISTRIES = ["ghcr.io"]


@pytest.fixture
def staff(alice: Any) -> Client:
    """Alice, owner of acme, as staff with every permission there is, and no superuser."""
    client = Client()
    client.force_login(alice)
    return client


@pytest.fixture
def add(staff: Client, acme: Any) -> Any:
    def post(**fields: Any) -> HttpResponse:
        form = {"tenant": acme.pk, "name": "app", "kind": "custom", "origin": "registry"} | fields
        return staff.post(reverse(ADD), form)  # type: ignore[return-value]

    return post


def test_an_image_by_reference_is_asked_for(add: Any) -> None:
    answer = add(registry_reference="ghcr.io/app:1")
    assert answer.status_code == 302
    assert "A worker makes it now" in " ".join(map(str, get_messages(answer.wsgi_request)))
    assert InterpreterImage.objects.wanted().get().registry_reference == "ghcr.io/app:1"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"registry_reference": "evil.example/app"}, "may not be taken from evil.example"),
        ({"registry_reference": ""}, "Name an image"),
        ({"origin": "archive"}, "Upload a file"),
        ({"origin": "dockerfile"}, "Upload a file"),
        ({"origin": "archive", "dockerfile": "FROM x"}, "origin of its own"),
        ({"registry_reference": "ghcr.io/app", "dockerfile": "FROM x"}, "choose that as the origin"),
        ({"origin": "source"}, "makes images for code"),
    ],
)
def test_a_form_says_what_to_correct(add: Any, fields: Any, words: str) -> None:
    answer = add(**fields)
    assert answer.status_code == 200
    assert words in answer.content.decode()
    assert not InterpreterImage.objects.exists()


@pytest.mark.parametrize("how", ["file", "dockerfile"])
def test_an_upload_is_kept_and_asked_for(add: Any, how: str) -> None:
    given = {"file": SimpleUploadedFile("x.tar", b"FROM x"), "dockerfile": "FROM x"}
    assert add(origin="dockerfile", **{how: given[how]}).status_code == 302
    image = InterpreterImage.objects.wanted().get()
    assert upload_path(image.upload).read_bytes() == b"FROM x"


def test_an_upload_that_is_too_large_is_told(add: Any, settings: Any) -> None:
    settings.MAX_IMAGE_UPLOAD_BYTES = 3
    assert "Send at most 3 bytes" in add(origin="dockerfile", dockerfile="FROM x").content.decode()
    assert not InterpreterImage.objects.exists()
    assert list(settings.UPLOAD_DIR.glob("*")) == []


# --- What a tenant may have, as by REST ---


@pytest.fixture
def full(acme: Any) -> InterpreterImage:
    """An image of a tenant that may store a MiB and stores more."""
    Tenant.objects.filter(pk=acme.pk).update(max_stored=1)
    return InterpreterImage.objects.create(tenant=acme, name="old", kind="custom", size=2 * MIB, reference="r")


@pytest.mark.parametrize(
    "how", [{"registry_reference": "ghcr.io/app:1"}, {"origin": "dockerfile", "dockerfile": "FROM x"}]
)
def test_a_tenant_at_its_quota_stores_nothing_here_either(add: Any, full: Any, settings: Any, how: Any) -> None:
    words = add(**how).content.decode()
    assert "Acme may store 1 MiB; 2.0 MiB are stored" in words
    assert InterpreterImage.objects.count() == 1
    assert list(settings.UPLOAD_DIR.glob("*")) == []


def test_at_its_quota_an_image_is_renamed_and_not_uploaded_anew(
    full: Any, staff: Client, acme: Any, settings: Any
) -> None:
    form = {"tenant": acme.pk, "name": "new", "kind": "custom", "origin": "dockerfile"}
    change = reverse("admin:interpreters_interpreterimage_change", args=[full.pk])
    assert "may store 1 MiB" in staff.post(change, {**form, "dockerfile": "FROM x"}).content.decode()
    assert staff.post(change, form).status_code == 302
    full.refresh_from_db()
    assert (full.name, full.upload, list(settings.UPLOAD_DIR.glob("*"))) == ("new", "", [])


def test_what_others_stored_since_the_form_was_looked_at_counts(acme: Any, full: Any, settings: Any) -> None:
    with pytest.raises(StorageFull):
        kept([b"FROM x"], acme, 6)
    assert list(settings.UPLOAD_DIR.glob("*")) == []


def test_an_upload_counts_until_nothing_is_made_from_it(add: Any, staff: Client, acme: Any, settings: Any) -> None:
    add(origin="dockerfile", dockerfile="FROM x")
    image = InterpreterImage.objects.get()
    image.begin()
    image.failed("It could not be built.")
    assert storage.stored(acme)["images"] == 6, "a rebuild needs it"
    change = reverse("admin:interpreters_interpreterimage_change", args=[image.pk])
    form = {"tenant": acme.pk, "name": "app", "kind": "custom", "origin": "registry"}
    assert staff.post(change, {**form, "registry_reference": "ghcr.io/app:1"}).status_code == 302
    assert (InterpreterImage.objects.get().upload, list(settings.UPLOAD_DIR.glob("*"))) == ("", [])


def test_uploads_go_with_images_that_are_deleted_together(add: Any, staff: Client, settings: Any) -> None:
    add(origin="dockerfile", dockerfile="FROM x")
    chosen = {"action": "delete_selected", "_selected_action": [InterpreterImage.objects.get().pk], "post": "yes"}
    staff.post(reverse("admin:interpreters_interpreterimage_changelist"), chosen)
    assert not InterpreterImage.objects.exists()
    assert list(settings.UPLOAD_DIR.glob("*")) == []


def test_images_and_credentials_are_bounded_in_number(
    add: Any, staff: Client, acme: Any, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.MAX_IMAGES_PER_TENANT = 1
    monkeypatch.setattr(credentials, "MOST", 1)
    page = reverse("admin:interpreters_registrycredential_add")
    form = {"tenant": acme.pk, "registry": "ghcr.io", "password": "s"}
    for name, code in (("one", 302), ("two", 200)):
        answers = (add(name=name, registry_reference="ghcr.io/app"), staff.post(page, {**form, "username": name}))
        assert [answer.status_code for answer in answers] == [code] * 2
    assert all("delete one" in answer.content.decode() for answer in answers)
    assert (InterpreterImage.objects.count(), RegistryCredential.objects.count()) == (1, 1)
    settings.MAX_IMAGES_PER_TENANT = 0
    one = InterpreterImage.objects.get()
    form = {"tenant": acme.pk, "name": "renamed", "kind": "custom", "origin": "registry"}
    change = reverse("admin:interpreters_interpreterimage_change", args=[one.pk])
    assert staff.post(change, {**form, "registry_reference": "ghcr.io/app"}).status_code == 302, "it is there already"


def test_words_alone_change_nothing_that_is_made(add: Any, staff: Client, acme: Any) -> None:
    add(registry_reference="ghcr.io/app:1")
    InterpreterImage.objects.update(requested_at=None, build_log="<b>bold</b>", error="because")
    image = InterpreterImage.objects.get()
    change = reverse("admin:interpreters_interpreterimage_change", args=[image.pk])
    page = staff.get(change).content.decode()
    assert "&lt;b&gt;bold" in page
    assert "because" in page
    form = {"tenant": acme.pk, "name": "renamed", "kind": "custom", "origin": "registry"}
    staff.post(change, {**form, "registry_reference": "ghcr.io/app:1"})
    assert InterpreterImage.objects.get().name == "renamed"
    assert not InterpreterImage.objects.wanted().exists()
    staff.post(change, {**form, "registry_reference": "ghcr.io/app:2"})
    assert InterpreterImage.objects.wanted().exists()


def test_a_secret_goes_in_and_never_comes_out(staff: Client, acme: Any) -> None:
    add = reverse("admin:interpreters_registrycredential_add")
    form = {"tenant": acme.pk, "registry": "GHCR.io", "username": "robot"}
    assert "Give the password" in staff.post(add, form).content.decode()
    assert staff.post(add, {**form, "password": "hush-hush "}).status_code == 302
    credential = RegistryCredential.objects.get()
    assert (credential.registry, credential.secret) == ("ghcr.io", "hush-hush ")
    change = reverse("admin:interpreters_registrycredential_change", args=[credential.pk])
    pages = [staff.get(change), staff.get(reverse("admin:interpreters_registrycredential_changelist"))]
    for page in pages:
        assert "hush" not in page.content.decode()
    staff.post(change, {**form, "username": "other"})
    credential = RegistryCredential.objects.get()
    assert (credential.username, credential.secret) == ("other", "hush-hush ")


def test_a_secret_is_not_carried_over_to_another_registry(staff: Client, acme: Any) -> None:
    credential = RegistryCredential.objects.create(tenant=acme, registry="ghcr.io", username="robot", secret="hush")
    change = reverse("admin:interpreters_registrycredential_change", args=[credential.pk])
    form = {"tenant": acme.pk, "registry": "quay.io", "username": "robot"}
    assert "enter the secret again" in staff.post(change, form).content.decode()
    assert RegistryCredential.objects.get().registry == "ghcr.io"
    assert staff.post(change, {**form, "password": "new"}).status_code == 302
    assert RegistryCredential.objects.get().secret == "new"


def test_only_a_superuser_says_where_images_may_come_from(staff: Client, admin_client: Client, acme: Any) -> None:
    change = reverse("admin:tenants_tenant_change", args=[acme.pk])
    inline = {"memberships-TOTAL_FORMS": 0, "memberships-INITIAL_FORMS": 0}
    form = {"name": "Acme", "slug": "acme", "allowed_registries": '["*"]', **inline}
    staff.post(change, form)
    acme.refresh_from_db()
    assert acme.allowed_registries == []
    assert 'name="allowed_registries"' not in staff.get(change).content.decode()
    assert "no registry" in admin_client.post(change, {**form, "allowed_registries": '["a b"]'}).content.decode()
    assert admin_client.post(change, form).status_code == 302
    acme.refresh_from_db()
    assert acme.allowed_registries == ["*"]


def test_an_image_of_another_tenant_is_not_made(add: Any, other: Any) -> None:
    assert add(tenant=other.pk, registry_reference="ghcr.io/app").status_code == 200
    assert add(tenant="", registry_reference="ghcr.io/app").status_code == 200
    theirs = RegistryCredential.objects.create(tenant=other, registry="ghcr.io", username="r", secret="s")
    assert add(registry_reference="ghcr.io/app", credential=theirs.pk).status_code == 200
    assert not InterpreterImage.objects.exists()
