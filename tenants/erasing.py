"""Erasing a tenant, or what one person has in it: begun in one transaction, and gone on with by the clock.

First nobody gets in any more: as it begins memberships end, tokens and invitations are revoked and providers turned
off, and no membership is made until it is done (`Membership.check_joins`). Then, kind by kind, what takes time
(sandboxes, files) is ended, and then the rows go, counted in the transaction in which they do. Whoever dies in between
has left rows that the next one finds; two who meet count nothing twice. The tenant's own row is the last, and frees its
short name.
"""

import logging
from typing import Any

from django.contrib.auth import get_user_model
from django.db import IntegrityError, transaction
from django.dispatch import Signal
from django.utils import timezone

from tenants.audit import Action, record
from tenants.models import ApiToken, Erasure, IdentityProvider, Invitation, Membership, Tenant
from tenants.owned import Kind, Subject, kinds

logger = logging.getLogger(__name__)

# Sent after commit: there is something to erase.
asked = Signal()


class CannotErase(Exception):
    """The message says why, and what to do."""


def begin(tenant: Tenant, *, user: Any = None, by: Any = None) -> Erasure:
    """From here on nobody of whom it is gets in. Raises CannotErase."""
    with transaction.atomic():
        Tenant.objects.select_for_update().get(pk=tenant.pk)
        members = Membership.objects.filter(tenant=tenant, **({"user": user} if user is not None else {}))
        if user is not None:
            _check_may_go(tenant, members.first())
        people = list(members.values_list("user", flat=True))
        erasure = Erasure(
            tenant_key=tenant.pk, tenant_name=tenant.name, tenant_slug=tenant.slug, people=people,
            user_key=user.pk if user is not None else None, asked_by=by.get_username() if by is not None else "",
        )  # fmt: skip
        if user is not None and by is not None and by.pk == user.pk:
            erasure.asked_by = ""  # whose name this would be
        try:
            with transaction.atomic():
                erasure.save(force_insert=True)
        except IntegrityError:
            raise CannotErase("It is being erased already.") from None
        _shut_out(erasure, members)
        for kind in kinds():
            if kind.counted_first:
                erasure.count(kind.name, kind.rows(Subject(tenant, user)).count())
        about = {"person": erasure.user_key} if user is not None else {}
        record(Action.ERASURE_BEGAN, tenant=tenant, about=erasure, name=str(erasure), new=about)
        transaction.on_commit(lambda: asked.send_robust(Erasure))
    return erasure


def _check_may_go(tenant: Tenant, member: Membership | None) -> None:
    if member is None:
        raise CannotErase(f"They are no member of {tenant}.")
    if member.is_last_owner:
        raise CannotErase(f"They are the last owner of {tenant}: make another owner first, or erase the tenant.")


def _shut_out(erasure: Erasure, members: Any) -> None:
    tokens = ApiToken.objects.filter(tenant=erasure.tenant_key, revoked_at=None)
    invitations = Invitation.objects.open().filter(tenant=erasure.tenant_key)
    providers = IdentityProvider.objects.filter(tenant=erasure.tenant_key, enabled=True)
    if erasure.user_key is not None:
        tokens, invitations = tokens.filter(user=erasure.user_key), invitations.filter(invited_by=erasure.user_key)
        providers = providers.none()
    for token in tokens:
        token.revoke()
    for invitation in invitations:
        invitation.revoke()
    for provider in providers:
        provider.enabled = False
        provider.save(update_fields=["enabled"])
    erasure.count("members", members.count())
    for member in members:
        member.delete()


def go_on(erasure: Erasure) -> bool:
    """As far as it goes now. True once it is done."""
    tenant = Tenant.objects.filter(pk=erasure.tenant_key).first()
    if tenant is not None:
        user = get_user_model().objects.filter(pk=erasure.user_key).first() if erasure.user_key else None
        if erasure.user_key is None or user is not None:
            for kind in kinds():
                if not kind.stays and not _erase(erasure, kind, Subject(tenant, user)):
                    return False
    with transaction.atomic():
        if not Erasure.objects.select_for_update().filter(pk=erasure.pk, finished_at=None).exists():
            return True
        if tenant is not None and erasure.user_key is None:
            tenant.delete()
        erasure.count("accounts", _drop_accounts(erasure))
        erasure.finished_at, erasure.waits_for = timezone.now(), ""
        erasure.save(update_fields=["finished_at", "waits_for"])
        record(Action.ERASURE_DONE, tenant=erasure.tenant_key, about=erasure, name=str(erasure), new=erasure.counts)
    logger.info("erased %s: %s", erasure, erasure.counts)
    return True


def _erase(erasure: Erasure, kind: Kind, subject: Subject) -> bool:
    waits_for = kind.prepare(subject) if kind.prepare else ""
    if waits_for:
        erasure.wait_for(waits_for)
        return False
    label = kind.model._meta.label
    with transaction.atomic():
        Erasure.objects.select_for_update().get(pk=erasure.pk)  # one at a time counts
        _, gone = kind.rows(subject).delete()
        erasure.count(kind.name, 0 if kind.counted_first else gone.get(label, 0))
    return True


def _drop_accounts(erasure: Erasure) -> int:
    """Of those who are of no tenant any more. Operators stay."""
    unneeded = get_user_model().objects.filter(pk__in=erasure.people, memberships=None, is_superuser=False)
    dropped = 0
    for user in unneeded:
        user.delete()
        dropped += 1
    return dropped


def go_on_with_all() -> None:
    """Each on its own, so that one that is stuck holds up no other."""
    for erasure in Erasure.objects.filter(finished_at=None).order_by("asked_at"):
        try:
            go_on(erasure)
        except Exception:
            logger.exception("erasure %s goes on later", erasure.pk)
            erasure.wait_for("an error: see the worker's log")
