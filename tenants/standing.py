"""Notices when somebody's rights change: by token, membership, account or sign-in, whoever changes them.

`QuerySet.update` is not seen here: who uses it for any of these sends `standing_changed` too. What nobody sends is
found by the next look, a few seconds later.
"""

from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.signals import user_logged_out
from django.db.models.signals import post_delete, post_save
from django.dispatch import receiver

from tenants.models import ApiToken, Membership, ServiceAccount
from tenants.signals import sign_in_ended, standing_changed, token_revoked

# What is written at each sign-in.
NO_RIGHTS = {"last_login"}


@receiver(post_save, sender=ApiToken)
def token_saved(sender: Any, instance: ApiToken, created: bool, raw: bool = False, **_: Any) -> None:
    if created or raw:
        return
    if instance.revoked_at is not None:
        token_revoked.send(sender, token=instance)
    standing_changed.send(sender, user=instance.user_id)


@receiver(post_delete, sender=ApiToken)
def token_deleted(sender: Any, instance: ApiToken, **_: Any) -> None:
    token_revoked.send(sender, token=instance)
    standing_changed.send(sender, user=instance.user_id)


def place_saved(sender: Any, instance: Any, created: bool, raw: bool = False, **_: Any) -> None:
    if not (created or raw):
        standing_changed.send(sender, user=instance.user_id)


def place_lost(sender: Any, instance: Any, **_: Any) -> None:
    standing_changed.send(sender, user=instance.user_id)


def person_saved(sender: Any, instance: Any, created: bool, update_fields: Any = None, **_: Any) -> None:
    """Also a new password: sign-ins by the old one are over."""
    if not created and set(update_fields or ("all",)) - NO_RIGHTS:
        standing_changed.send(sender, user=instance.pk)


def person_deleted(sender: Any, instance: Any, **_: Any) -> None:
    standing_changed.send(sender, user=instance.pk)


for place in (Membership, ServiceAccount):
    post_save.connect(place_saved, sender=place)
    post_delete.connect(place_lost, sender=place)
post_save.connect(person_saved, sender=get_user_model())
post_delete.connect(person_deleted, sender=get_user_model())


@receiver(user_logged_out)
def signed_out(sender: Any, user: Any, **_: Any) -> None:
    if user is not None:
        sign_in_ended.send(sender, user=user)


@receiver(sign_in_ended)
def over(sender: Any, user: Any, **_: Any) -> None:
    standing_changed.send(sender, user=user.pk)
