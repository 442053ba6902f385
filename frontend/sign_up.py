"""An account for who has been invited and has none. The one place where the product makes accounts by itself."""

from collections.abc import Callable

from allauth.account.utils import perform_login
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.forms import UserCreationForm
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.http import HttpRequest


def is_open() -> bool:
    return bool(settings.INVITED_SIGN_UP)


class SignUpForm(UserCreationForm[User]):
    """Name and password, by Django's validators."""

    class Meta:
        model = get_user_model()
        fields = ("username",)


def sign_up(request: HttpRequest, form: SignUpForm, welcome: Callable[[User], bool]) -> User | None:
    """Make the account of a valid form and sign it in, if `welcome` lets it in; else nothing is made.

    None: it was not, and the form says why if it is the form's fault.
    """
    user: User = form.save(commit=False)  # which hashes the password: not within the transaction
    try:
        with transaction.atomic():
            user.save()
            if not welcome(user):
                transaction.set_rollback(True)
                return None
    except IntegrityError:
        form.add_error("username", "Somebody has just taken this name: choose another one.")
        return None
    perform_login(request, user)
    return user
