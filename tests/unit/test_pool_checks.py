"""What a pool may say: each fault is told at its field, with what to do."""

from typing import Any

import pytest
from django.core.exceptions import ValidationError

from interpreters.images.facts import facts
from interpreters.models import InterpreterImage, SessionPool
from tenants.models import Tenant

pytestmark = pytest.mark.django_db


@pytest.fixture
def own(python_image: Any, acme: Any) -> SessionPool:
    return SessionPool.objects.create(tenant=acme, name="own", image=python_image, ready_instances=1, max_concurrent=4)


def faults(pool: SessionPool, **changes: Any) -> dict[str, list[str]]:
    for name, value in changes.items():
        setattr(pool, name, value)
    try:
        pool.full_clean()
    except ValidationError as error:
        return dict(error.message_dict)
    return {}


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"ready_instances": 5}, "ready_instances", "keep at most 4 ready, or allow more"),
        ({"cooldown": 500, "max_alive": 400}, "cooldown", "make the cooldown shorter"),
        ({"cooldown": 9}, "cooldown", "greater than or equal to 10"),
        ({"disk": 600}, "disk", "at most half of it"),
        ({"cpu": float("nan")}, "cpu", "number of cores"),
        ({"cpu": 9.0}, "cpu", "at most 4 cores"),
        ({"memory": 10_000}, "memory", "at most 8192 MiB"),
        ({"pids": 5000}, "pids", "at most 4096 processes"),
        ({"max_concurrent": 101}, "max_concurrent", "at most 100 sandboxes here: 100 are left"),
        ({"oci_runtime": "kata"}, "oci_runtime", "one that is allowed"),
    ],
)
def test_a_fault_is_told_at_its_field(own: SessionPool, changes: Any, field: str, words: str) -> None:
    found = faults(own, **changes)
    assert list(found) == [field]
    assert words in " ".join(found[field])


def test_a_shared_pool_takes_no_nonsense_for_a_number_either(pool: Any) -> None:
    assert list(faults(pool, cpu=float("inf"))) == ["cpu"]


def test_memory_is_at_least_what_the_image_needs(own: SessionPool, python_image: Any) -> None:
    python_image.least_memory = 1500
    assert faults(own) == {"memory": ["The image python needs at least 1500 MiB: give it as much."]}
    assert faults(own, memory=1500) == {}


@pytest.mark.parametrize(
    ("state", "words"), [("absent", "wait until it is ready"), ("building", "wait"), ("failed", "see its log")]
)
def test_an_image_is_there_before_a_pool_is_made_of_it(own: SessionPool, acme: Any, state: str, words: str) -> None:
    image = InterpreterImage.objects.create(tenant=acme, name="new", kernel="k", state=state)
    assert words in faults(SessionPool(tenant=acme, name="second", image=image))["image"][0]
    assert words in faults(own, image=image)["image"][0]


def test_an_image_that_fails_later_keeps_nobody_from_changing_the_pool(own: SessionPool, python_image: Any) -> None:
    InterpreterImage.objects.filter(pk=python_image.pk).update(state="failed", reference="")
    own.refresh_from_db()
    assert faults(own, cooldown=60) == {}


def test_a_pool_of_code_stays_one(own: SessionPool, acme: Any) -> None:
    app = InterpreterImage.objects.create(tenant=acme, name="app", kind="custom", state="ready", reference="r")
    assert "make a new pool for the other" in faults(own, image=app, target_port=80)["image"][0]


QUOTAS = [
    ({"max_cpu": 0.5}, "cpu", "Acme has at most 0.5 cores"),
    ({"max_memory": 1000}, "memory", "Acme has at most 1000 MiB of memory"),
    ({"max_disk": 200}, "disk", "Acme has at most 200 MiB of disk"),
    ({"max_disk": 300}, "ready_instances", "all its ready instances would have 512"),
    ({"max_ready": 1}, "ready_instances", "at most 1 instances ready in all its own pools: 0 are left"),
]


@pytest.mark.parametrize(("quota", "field", "words"), QUOTAS)
def test_a_pool_of_which_the_tenants_quotas_allow_no_session_is_refused(
    own: SessionPool, python_image: Any, acme: Any, quota: Any, field: str, words: str
) -> None:
    Tenant.objects.filter(pk=acme.pk).update(**quota)
    second = SessionPool(tenant=Tenant.objects.get(pk=acme.pk), name="second", image=python_image, ready_instances=1)
    assert words in faults(second)[field][0]


# --- What an image needs ---


@pytest.mark.parametrize(
    ("label", "least"),
    [("512", 512), ("16", 16), ("15", None), ("9999999", None), ("-1", None), ("5e9", None), ("", None), ("٥١٢", None)],
)
def test_an_image_says_by_a_label_what_it_needs(label: str, least: int | None) -> None:
    about = {"Id": "sha256:x", "Size": 1, "Config": {"Labels": {"thermae.least_memory": label}}}
    assert facts(about).get("least_memory") == least


def test_what_an_image_does_not_say_stays_as_its_owner_said(acme: Any) -> None:
    image = InterpreterImage.objects.create(tenant=acme, name="x", least_memory=300)
    image.begin()
    image.succeeded(**facts({"Id": "sha256:x", "Size": 1, "Config": {"Labels": None}}))
    image.refresh_from_db()
    assert image.least_memory == 300
