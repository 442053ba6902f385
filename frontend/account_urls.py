"""The addresses of signing in and of one's account: of django-allauth's pages those that we want, and no other.

There is no sign-up, and nothing that needs e-mail. The names are django-allauth's, by which its pages find each other.
"""

from allauth.account import views as account
from allauth.mfa.base import views as factors
from allauth.mfa.recovery_codes import views as codes
from allauth.mfa.totp import views as totp
from allauth.mfa.webauthn import views as passkeys
from allauth.socialaccount import views as social
from django.urls import path, re_path

from frontend.identity import views as identity
from frontend.views import account as ours
from frontend.views.account import by_oneself

sign_in = ours.SignInView.as_view()
KEY = "(?P<uidb36>[0-9A-Za-z]{1,12})-(?P<key>[0-9A-Za-z-]{1,200})"

entrance = [
    path("login", sign_in, name="login"),
    path("login", sign_in, name="account_login"),
    path("login/second-factor", factors.authenticate, name="mfa_authenticate"),
    path("login/passkey", passkeys.login_webauthn, name="mfa_login_webauthn"),
    path("login/inactive", account.account_inactive, name="account_inactive"),
    path("login/cancelled", social.login_cancelled, name="socialaccount_login_cancelled"),
    path("login/with/<uuid:provider_id>", identity.start, name="openid_connect_login"),
    path("login/with/<uuid:provider_id>/callback", identity.back, name="openid_connect_callback"),
    # Links to it are made by `manage.py password_link`.
    re_path(f"^login/password/{KEY}$", account.password_reset_from_key, name="account_reset_password_from_key"),
    path("login/password/done", account.password_reset_from_key_done, name="account_reset_password_from_key_done"),
    path("logout", account.logout, name="logout"),
    path("logout", account.logout, name="account_logout"),
]
own = [
    path("account/", ours.account, name="account"),
    path("account/sign-ins", ours.sign_ins, name="usersessions_list"),
    path("account/sign-ins/<int:pk>/end", ours.end_sign_in, name="end_sign_in"),
    path("account/password", by_oneself(account.password_change), name="account_change_password"),
    path("account/password/first", by_oneself(account.password_set), name="account_set_password"),
    path("account/identities", by_oneself(ours.IdentitiesView.as_view()), name="socialaccount_connections"),
    path("account/confirm", by_oneself(account.reauthenticate), name="account_reauthenticate"),
    path("account/confirm/code", by_oneself(factors.reauthenticate), name="mfa_reauthenticate"),
    path("account/confirm/passkey", by_oneself(passkeys.reauthenticate_webauthn), name="mfa_reauthenticate_webauthn"),
    path("account/second-factor", by_oneself(ours.SecondFactorView.as_view()), name="mfa_index"),
    path("account/second-factor/app", by_oneself(totp.activate_totp), name="mfa_activate_totp"),
    path("account/second-factor/app/remove", by_oneself(totp.deactivate_totp), name="mfa_deactivate_totp"),
    path("account/second-factor/codes", by_oneself(codes.view_recovery_codes), name="mfa_view_recovery_codes"),
    path(
        "account/second-factor/codes/new", by_oneself(codes.generate_recovery_codes), name="mfa_generate_recovery_codes"
    ),
    path(
        "account/second-factor/codes.txt", by_oneself(codes.download_recovery_codes), name="mfa_download_recovery_codes"
    ),
    path("account/passkeys", by_oneself(passkeys.list_webauthn), name="mfa_list_webauthn"),
    path("account/passkeys/add", by_oneself(passkeys.add_webauthn), name="mfa_add_webauthn"),
    path("account/passkeys/<int:pk>/remove", by_oneself(passkeys.remove_webauthn), name="mfa_remove_webauthn"),
    path("account/passkeys/<int:pk>/rename", by_oneself(passkeys.edit_webauthn), name="mfa_edit_webauthn"),
]
urlpatterns = [*entrance, *own]
