"""Operator, owner, admin and member do what docs/walkthrough.md tells, and the next one finds it done."""

import uuid

import pytest
from playwright.sync_api import BrowserContext

from tests.acceptance.conftest import NewContext, sign_in
from tests.acceptance.walkthrough import Walk
from tests.stack import Stack

pytestmark = [pytest.mark.docker, pytest.mark.redis, pytest.mark.browser, pytest.mark.timeout(300)]


def test_an_organisation_from_its_making_to_its_audit_log(new_context: NewContext, stack: Stack) -> None:
    mark = f"-{uuid.uuid4().hex[:4]}"
    stack.console.operator(name=f"operator{mark}", password="secret")

    def signed_in(name: str, password: str) -> BrowserContext:
        context = new_context(storage_state=None)
        sign_in(context.new_page(), name, password)
        return context

    Walk(signed_in, lambda: new_context(storage_state=None), lambda name, page: None, mark).whole()
