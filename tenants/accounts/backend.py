"""Passwords."""

from typing import Any

from allauth.account.auth_backends import AuthenticationBackend
from django.contrib.auth import get_user_model


class PasswordBackend(AuthenticationBackend):
    """Of the account with exactly this name: `Alice` is not `alice`."""

    def _authenticate_by_username(self, username: str, password: str) -> Any:
        found = get_user_model()._default_manager.filter(username=username).first()
        return self._check_password(found, password)
