"""A tenant with one row of everything that the admin shows, each carrying a word that can be looked for on a page.

The sweep of the admin (tests/unit/test_admin_sweep.py) walks whatever is registered, and asks here for its rows.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from django.db.models import Model

from frontend.models import Notebook
from interpreters.lifecycle import State
from interpreters.models import (
    EgressDecision,
    Execution,
    InterpreterImage,
    PoolSample,
    RegistryCredential,
    Session,
    SessionPool,
    SessionUsage,
    WebhookEndpoint,
    Workspace,
)
from interpreters.webhooks import outbox
from tenants.audit import Action
from tenants.models import (
    ApiToken,
    Archive,
    AuditEvent,
    IdentityProvider,
    Invitation,
    Membership,
    Role,
    ServiceAccount,
    Tenant,
)

# A year in which nothing else is: a list's years tell of rows too.
LONG_AGO = datetime(2001, 2, 3, 4, 5, tzinfo=UTC)


class Rows:
    """One row of each model, made when it is asked for: `rows["interpreters.Session"]`."""

    def __init__(self, tenant: Tenant, user: Any, word: str, key: int) -> None:
        """`key`: of each row that has a number; no other number of a page is the same."""
        self.tenant, self.user, self.word, self.key = tenant, user, word, key
        self.made: dict[str, Any] = {}

    def __getitem__(self, label: str) -> Any:
        if label not in self.made:
            self.made[label] = MAKERS[label](self)
        return self.made[label]

    def make_all(self) -> "Rows":
        for label in MAKERS:
            assert isinstance(self[label], Model)
        return self

    @property
    def image(self) -> Any:
        return self["interpreters.InterpreterImage"]

    @property
    def pool(self) -> Any:
        return self["interpreters.SessionPool"]

    @property
    def session(self) -> Any:
        return self["interpreters.Session"]


# By label, how to make the row of a tenant. Its word must be in what its list shows.
MAKERS: dict[str, Callable[[Rows], Any]] = {
    "tenants.Tenant": lambda of: of.tenant,
    "tenants.Membership": lambda of: Membership.objects.get(tenant=of.tenant, user=of.user),
    "tenants.ApiToken": lambda of: ApiToken.issue(tenant=of.tenant, user=of.user, name=f"{of.word}-token")[0],
    "tenants.AuditEvent": lambda of: AuditEvent.objects.create(
        pk=of.key, tenant=of.tenant, user=of.user, who=of.user.username, action=Action.POOL_CHANGED,
        name=f"{of.word}-event", at=LONG_AGO,
    ),
    "tenants.Archive": lambda of: Archive.objects.create(tenant=of.tenant, user=of.user, created_at=LONG_AGO),
    "interpreters.InterpreterImage": lambda of: InterpreterImage.objects.create(
        pk=of.key, tenant=of.tenant, name=f"{of.word}-image", language=of.word, reference=f"{of.word}-reference"
    ),
    "interpreters.RegistryCredential": lambda of: RegistryCredential.objects.create(
        pk=of.key, tenant=of.tenant, registry="ghcr.io", username=f"{of.word}-robot", secret=f"{of.word}-secret"
    ),
    "interpreters.SessionPool": lambda of: SessionPool.objects.create(
        pk=of.key, tenant=of.tenant, name=f"{of.word}-pool", image=of.image
    ),
    "interpreters.Session": lambda of: Session.objects.create(
        pool=of.pool, tenant=of.tenant, user=of.user, identifier=f"{of.word}-id", state=State.LEASED,
        created_at=LONG_AGO,
    ),
    "interpreters.Execution": lambda of: Execution.objects.create(
        session=of.session, tenant=of.tenant, user=of.user, code=f"{of.word}-code"
    ),
    "interpreters.EgressDecision": lambda of: EgressDecision.objects.create(
        pk=of.key, tenant=of.tenant, pool=of.pool, session=of.session.pk, host=f"{of.word}.example", port=443,
        allowed=True, at=LONG_AGO,
    ),
    "interpreters.SessionUsage": lambda of: SessionUsage.objects.create(
        session=of.session.pk, tenant=of.tenant, user=of.user, member=f"{of.word}-member", pool=of.pool.name,
        identifier=f"{of.word}-id", cpu=1, memory=1, started_at=LONG_AGO, ended_at=LONG_AGO,
    ),
    "interpreters.WebhookEndpoint": lambda of: WebhookEndpoint.objects.create(
        tenant=of.tenant, url=f"https://{of.word}.example/", description=f"{of.word}-words", events=["session.ended"]
    ),
    "interpreters.WebhookDelivery": lambda of: outbox.write_test(of["interpreters.WebhookEndpoint"]),
    "tenants.Invitation": lambda of: Invitation.issue(of.tenant, Role.MEMBER, by=of.user, note=f"{of.word}-guest")[0],
    "tenants.ServiceAccount": lambda of: ServiceAccount.objects.create(
        tenant=of.tenant, name=f"{of.word}-robot", purpose=of.word
    ),
    "tenants.IdentityProvider": lambda of: IdentityProvider.objects.create(
        tenant=of.tenant, name=f"{of.word}-id", issuer=f"https://{of.word}.example", client_id=of.word
    ),
    "interpreters.Workspace": lambda of: Workspace.objects.create(tenant=of.tenant, identifier=f"{of.word}-kept"),
    "interpreters.PoolSample": lambda of: PoolSample.objects.create(
        pk=of.key, tenant=of.tenant, pool=of.pool, at=LONG_AGO, seconds=60
    ),
    "frontend.Notebook": lambda of: Notebook.objects.create(
        tenant=of.tenant, owner=of.user, title=f"{of.word}-notebook", pool=f"{of.word}-pool",
        document={"cells": [{"source": f"{of.word}-text"}]},
    ),
}  # fmt: skip
