"""Signing in with real passkeys and an authenticator app, in Chromium with an authenticator of its own."""

import re
import time
from collections.abc import Callable

import pytest
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from playwright.sync_api import Page, expect

from tests.acceptance.axe import faults, too_wide
from tests.acceptance.conftest import NewContext, sign_in
from tests.stack import Stack

pytestmark = [
    pytest.mark.browser, pytest.mark.docker, pytest.mark.redis, pytest.mark.timeout(600, func_only=True),
]  # fmt: skip

NewPage = Callable[[str], Page]


@pytest.fixture
def new_page(stack: Stack, new_context: NewContext) -> NewPage:
    """A browser of a person of its own; passkeys want a name in the address bar."""

    def make(name: str) -> Page:
        stack.console.person(name=name, tenant="acme", role="member", password="secret")
        address = stack.url.replace("127.0.0.1", "localhost")
        return new_context(storage_state=None, base_url=address, reduced_motion="reduce").new_page()

    return make


def add_authenticator(page: Page) -> None:
    """A device that has passkeys and says yes."""
    devtools = page.context.new_cdp_session(page)
    devtools.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True,
        "isUserVerified": True, "automaticPresenceSimulation": True,
    }  # fmt: skip
    devtools.send("WebAuthn.addVirtualAuthenticator", {"options": options})


def check(page: Page) -> None:
    wrong = [*faults(page), *too_wide(page)]
    assert not wrong, "\n".join([page.url, *wrong])
    assert re.match(r"\S.* · Thermae$", page.title())


def confirm(page: Page) -> None:
    """Say who one is once more, where that is asked."""
    page.get_by_role("textbox").and_(page.locator("[name=password]")).fill("secret")
    check(page)
    page.get_by_role("button", name="Go on").click()


def is_signed_in(page: Page) -> None:
    expect(page).to_have_url(re.compile("/notebooks/"))


def sign_out(page: Page) -> None:
    page.goto("/account/")
    check(page)
    page.get_by_role("main").get_by_role("button", name="Sign out").click()
    expect(page).to_have_url(re.compile("/login"))


def use_passkeys(page: Page, name: str) -> None:
    """Add one, sign in with it alone, and by password with it as a second factor; rename it, and remove it."""
    add_authenticator(page)
    sign_in(page, name)
    is_signed_in(page)
    page.goto("/account/passkeys")
    check(page)
    page.get_by_role("link", name="Add a passkey").click()
    confirm(page)
    check(page)
    page.get_by_label("Its name").fill("Laptop")
    page.get_by_role("button", name="Add it").click()
    expect(page.get_by_role("heading", name="Recovery codes")).to_be_visible()
    check(page)
    sign_out(page)
    check(page)
    page.get_by_role("button", name="Use a passkey").click()
    is_signed_in(page)
    sign_out(page)
    sign_in(page, name)
    expect(page.get_by_role("heading", name="Second factor")).to_be_visible()
    check(page)
    page.get_by_role("button", name="Use a passkey").click()
    is_signed_in(page)
    page.goto("/account/passkeys")
    check(page)
    page.get_by_role("link", name="Rename Laptop").click()
    page.get_by_role("button", name="Use a passkey").or_(page.get_by_role("button", name="Go on")).first.wait_for()
    check(page)
    if page.get_by_role("link", name="Use a security key").count():
        page.get_by_role("link", name="Use a security key").click()
        check(page)
    page.get_by_role("button", name="Use a passkey").click()
    check(page)
    page.get_by_label("Name").fill("Work laptop")
    page.get_by_role("button", name="Save").click()
    page.get_by_role("link", name="Remove Work laptop").click()
    check(page)
    page.get_by_role("button", name="Remove it").click()
    expect(page.get_by_text("You have no passkey yet.")).to_be_visible()


def use_an_app(page: Page, name: str) -> None:
    sign_in(page, name)
    is_signed_in(page)
    page.goto("/account/second-factor")
    check(page)
    page.get_by_role("link", name="Set up an app").click()
    confirm(page)
    expect(page.locator("img.qr")).to_be_visible()
    check(page)
    secret = page.locator("code.secret").inner_text()
    page.get_by_label("Code").fill(format_hotp_value(hotp_value(secret, int(time.time()) // 30)))
    page.get_by_role("button", name="Turn it on").click()
    expect(page.get_by_role("heading", name="Recovery codes")).to_be_visible()
    spare = page.locator(".codes code").first.inner_text()
    page.goto("/account/second-factor")
    check(page)
    sign_out(page)
    sign_in(page, name)
    page.get_by_label(re.compile("^Code of your")).fill("000000")
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_role("alert").first).to_contain_text("wrong")
    check(page)
    page.get_by_label(re.compile("^Code of your")).fill(spare)
    page.get_by_role("button", name="Go on").click()
    is_signed_in(page)
    for path in ("/account/password", "/account/sign-ins", "/account/second-factor/app/remove", "/account/identities"):
        page.goto(path)
        check(page)


def refuse_a_passkey(page: Page) -> None:
    """Without one, the page says so in words."""
    page.goto("/login?tenant=nobody")
    check(page)
    page.evaluate(
        "() => { navigator.credentials.get = () => Promise.reject(new DOMException('x', 'NotAllowedError')) }"
    )
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.get_by_role("alert").last).to_contain_text("No passkey was used")
    check(page)


def test_passkeys(new_page: NewPage) -> None:
    use_passkeys(new_page("pia"), "pia")


def test_an_authenticator_app(new_page: NewPage) -> None:
    use_an_app(new_page("theo"), "theo")


def test_a_passkey_that_is_not_there(new_page: NewPage) -> None:
    refuse_a_passkey(new_page("nora"))
