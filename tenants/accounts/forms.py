from typing import Any

from allauth.account.forms import LoginForm

LONGEST_PASSWORD = 4096


class SignInForm(LoginForm):
    """With `username` as the name of the field, which password managers know."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["password"].max_length = LONGEST_PASSWORD

    def add_prefix(self, field_name: str) -> str:
        return "username" if field_name == "login" else str(super().add_prefix(field_name))
