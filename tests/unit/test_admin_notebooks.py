"""A tenant's staff see their tenant's notebooks in the admin, and nobody else's."""

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from frontend.models import Notebook, WaitingRun
from tenants.models import Membership, Role, Tenant

pytestmark = pytest.mark.django_db


def staff_of(tenant: Tenant, name: str) -> User:
    user = User.objects.create_user(name, password="a sound password")
    Membership.objects.create(tenant=tenant, user=user, role=Role.ADMIN)
    return user


def test_staff_see_only_notebooks_of_the_tenants_they_run(client: Client) -> None:
    ours, theirs = (Tenant.objects.create(name=name, slug=name) for name in ("ours", "theirs"))
    us, them = staff_of(ours, "us"), staff_of(theirs, "them")
    mine = Notebook.objects.create(tenant=ours, owner=us, title="our figures", pool="python", document={})
    foreign = Notebook.objects.create(tenant=theirs, owner=them, title="their secret", pool="python", document={})
    client.force_login(us)
    listed = client.get(reverse("admin:frontend_notebook_changelist")).content.decode()
    assert "our figures" in listed
    assert "their secret" not in listed
    assert client.get(reverse("admin:frontend_notebook_change", args=[mine.pk])).status_code == 200
    hidden = client.get(reverse("admin:frontend_notebook_change", args=[foreign.pk]), follow=True)
    assert "their secret" not in hidden.content.decode()
    assert client.post(reverse("admin:frontend_notebook_delete", args=[foreign.pk]), {"post": "yes"}).status_code == 302
    assert Notebook.objects.filter(pk=foreign.pk).exists()


def test_it_says_what_waits_for_a_place(client: Client) -> None:
    ours = Tenant.objects.create(name="ours", slug="ours")
    us = staff_of(ours, "us")
    notebook = Notebook.objects.create(tenant=ours, owner=us, title="figures", pool="python", document={})
    client.force_login(us)
    address = reverse("admin:frontend_notebook_change", args=[notebook.pk])
    assert ">none<" in client.get(address).content.decode()
    WaitingRun.objects.create(notebook=notebook, user=us, run=notebook.pk, cell="a", code="secret")
    shown = client.get(address).content.decode()
    assert "1, since" in shown
    assert "secret" not in shown
