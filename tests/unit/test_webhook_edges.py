"""Webhooks by REST and in the admin: for who administers the tenant, with secrets that are shown once."""

import re
from typing import Any
from urllib.parse import unquote

import pytest
from asgiref.sync import sync_to_async
from django.test import Client

from interpreters.lifecycle.events import EVENTS
from interpreters.models import WebhookDelivery, WebhookEndpoint
from interpreters.webhooks import outbox
from tenants.models import AuditEvent, Scope
from tests.edges import Caller
from tests.webhooks import endpoint_of

pytestmark = pytest.mark.django_db(transaction=True)
URL = "https://hooks.example.org/a"


@pytest.fixture
def owner(alice: Any, token: Any) -> Caller:
    return Caller(token(alice, scopes=[Scope.ADMIN]))


# --- REST ---


async def test_a_webhook_is_made_changed_and_deleted(owner: Caller) -> None:
    made = await owner.want("POST", "/webhooks", {"url": f" {URL} ", "events": ["session.ended", "session.opened"]})
    assert made["url"] == URL
    assert made["events"] == ["session.opened", "session.ended"]
    assert made["secret"].startswith("whsec_")
    path = f"/webhooks/{made['id']}"
    changed = await owner.want("PATCH", path, {"events": ["pool.degraded"], "pools": ["python"], "description": "x"})
    assert (changed["events"], changed["pools"], changed["url"]) == (["pool.degraded"], ["python"], URL)
    assert await owner.want("GET", path) == changed
    assert await owner.want("GET", "/webhooks") == [changed]
    assert "secret" not in changed
    assert (await owner("DELETE", path)).status_code == 204
    assert await owner.want("GET", "/webhooks") == []


async def test_its_secret_is_rotated_with_an_overlap(owner: Caller) -> None:
    made = await owner.want("POST", "/webhooks", {"url": URL, "events": ["session.ended"]})
    rotated = await owner.want("POST", f"/webhooks/{made['id']}/rotate", {"overlap": 60})
    assert rotated["secret"] != made["secret"]
    endpoint = await WebhookEndpoint.objects.aget()
    assert endpoint.signing_secrets == [rotated["secret"], made["secret"]]
    await owner.want("POST", f"/webhooks/{made['id']}/rotate", {"overlap": 0})
    assert len((await WebhookEndpoint.objects.aget()).signing_secrets) == 1
    for overlap in (-1, 7 * 24 * 3600 + 1):
        assert (await owner("POST", f"/webhooks/{made['id']}/rotate", {"overlap": overlap})).status_code == 400


async def test_deliveries_are_listed_and_sent_again(owner: Caller) -> None:
    made = await owner.want("POST", "/webhooks", {"url": URL, "events": ["session.ended"]})
    sent = await owner.want("POST", f"/webhooks/{made['id']}/test")
    assert (sent["type"], sent["state"], sent["attempts"]) == ("webhook.test", "pending", 0)
    again = f"/webhooks/{made['id']}/deliveries/{sent['id']}/send-again"
    assert (await owner("POST", again)).json()["error"] == "pending"
    await WebhookDelivery.objects.aupdate(state="failed", next_at=None)
    assert (await owner.want("GET", f"/webhooks/{made['id']}/deliveries?state=failed"))[0]["id"] == sent["id"]
    assert await owner.want("GET", f"/webhooks/{made['id']}/deliveries?state=delivered") == []
    assert (await owner.want("POST", again))["state"] == "pending"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"url": "http://hooks.example.org/"}, "https:// only"),
        ({"url": "https://127.1/"}, "no name"),
        ({"url": "https://a@hooks.example.org/"}, "without a user"),
        ({"url": "https://hooks.example.org:25/"}, "Use port 443"),
        ({"events": []}, "one of session.opened"),
        ({"events": ["session.exploded"]}, "events"),
        ({"pools": ["no name!"]}, "names of pools"),
        ({"secret": "mine"}, "secret"),
    ],
)
async def test_what_is_wrong_with_it_is_told(owner: Caller, fields: dict[str, Any], words: str) -> None:
    answer = await owner("POST", "/webhooks", {"url": URL, "events": ["session.ended"], **fields})
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid")
    assert words in answer.json()["message"]
    assert await WebhookEndpoint.objects.acount() == 0


async def test_a_tenant_has_only_so_many(owner: Caller, settings: Any) -> None:
    settings.MAX_WEBHOOKS_PER_TENANT = 2
    body = {"url": URL, "events": ["session.ended"]}
    codes = [(await owner("POST", "/webhooks", body)).status_code for _ in range(3)]
    assert codes == [201, 201, 409]


async def test_who_does_not_administer_the_tenant_is_refused(acme: Any, bob: Any, member: Any, token: Any) -> None:
    endpoint = await sync_to_async(endpoint_of)(acme)
    for person in (bob, await sync_to_async(member)(acme, "vera", "viewer")):
        caller = Caller(await sync_to_async(token)(person, scopes=list(Scope.values)))
        for method, path in (("GET", "/webhooks"), ("GET", f"/webhooks/{endpoint.pk}"), ("POST", "/webhooks")):
            answer = await caller(method, path, {"url": URL, "events": ["session.ended"]} if method == "POST" else None)
            assert (answer.status_code, answer.json()["error"]) == (403, "scope_missing")


async def test_a_test_of_one_that_is_off_says_so(owner: Caller, acme: Any) -> None:
    endpoint = await sync_to_async(endpoint_of)(acme, enabled=False)
    assert (await owner("POST", f"/webhooks/{endpoint.pk}/test")).json()["error"] == "disabled"


async def test_a_delivery_is_found_by_its_own_webhook_only(owner: Caller, acme: Any, other: Any) -> None:
    def prepare() -> tuple[Any, Any]:
        return endpoint_of(acme), outbox.write_test(endpoint_of(other))

    ours, theirs = await sync_to_async(prepare)()
    await WebhookDelivery.objects.aupdate(state="failed")
    answer = await owner("POST", f"/webhooks/{ours.pk}/deliveries/{theirs.pk}/send-again")
    assert answer.status_code == 404
    assert (await WebhookDelivery.objects.aget()).state == "failed"


async def test_what_is_done_to_it_is_audited_without_its_secret(owner: Caller) -> None:
    made = await owner.want("POST", "/webhooks", {"url": URL, "events": ["session.ended"]})
    await owner.want("PATCH", f"/webhooks/{made['id']}", {"enabled": False})
    rotated = await owner.want("POST", f"/webhooks/{made['id']}/rotate", {})
    await owner("DELETE", f"/webhooks/{made['id']}")
    rows = [event async for event in AuditEvent.objects.filter(action__startswith="webhook.").order_by("pk")]
    assert [row.action.removeprefix("webhook.") for row in rows] == ["created", "changed", "changed", "deleted"]
    assert rows[0].who == "alice"
    assert (rows[1].old, rows[1].new) == ({"enabled": True}, {"enabled": False})
    assert rows[2].new == {"secret": "(changed)"}
    written = str([(row.old, row.new) for row in rows])
    assert made["secret"] not in written
    assert rotated["secret"] not in written
    assert "gAAAA" not in written


# --- The admin ---


@pytest.fixture
def browser(alice: Any) -> Client:
    client = Client()
    client.force_login(alice)
    return client


PAGE = "/admin/interpreters/webhookendpoint/"


def form(tenant: Any, **fields: Any) -> dict[str, Any]:
    return {
        "tenant": tenant.pk,
        "url": URL,
        "events": ["session.ended"],
        "pools": "python\n",
        "enabled": "on",
        **fields,
    }


def test_an_owner_makes_one_and_sees_its_secret_once(browser: Client, acme: Any) -> None:
    answer = browser.post(f"{PAGE}add/", form(acme), follow=True)
    made = WebhookEndpoint.objects.get()
    assert (made.tenant, made.pools, made.events) == (acme, ["python"], ["session.ended"])
    assert made.secret in answer.content.decode()
    for page in (PAGE, f"{PAGE}{made.pk}/change/", f"{PAGE}{made.pk}/history/"):
        assert made.secret not in browser.get(page).content.decode()


def test_the_page_of_one_sends_a_test_and_rotates(browser: Client, acme: Any) -> None:
    made = endpoint_of(acme, pools=["python"])
    page = f"{PAGE}{made.pk}/change/"
    assert 'name="_test"' in browser.get(page).content.decode()
    browser.post(page, {**form(acme, url=f"{URL}/new"), "_test": "1"})
    delivery = WebhookDelivery.objects.get()
    assert (delivery.type, delivery.endpoint.url) == ("webhook.test", f"{URL}/new"), "what was changed is saved first"
    answer = browser.post(page, {**form(acme), "_rotate": "1"}, follow=True)
    shown = re.findall(r"whsec_[A-Za-z0-9+/=]+", answer.content.decode())
    assert shown == [WebhookEndpoint.objects.get().secret]


def test_its_secret_goes_through_no_cookie(browser: Client, acme: Any) -> None:
    made = browser.post(f"{PAGE}add/", form(acme))
    endpoint = WebhookEndpoint.objects.get()
    answers = [(made, endpoint.secret)]
    chosen = {"action": "rotate", "_selected_action": [str(endpoint.pk)]}
    for page, more in ((f"{PAGE}{endpoint.pk}/change/", {**form(acme), "_rotate": "1"}), (PAGE, chosen)):
        answers.append((browser.post(page, more), WebhookEndpoint.objects.get().secret))
    assert len({secret for _, secret in answers}) == 3
    for answer, secret in answers:
        assert secret in answer.content.decode()
        assert "no-store" in answer["Cache-Control"]
        assert not any(secret in unquote(morsel.value) for morsel in browser.cookies.values())
        assert not any(secret in str(value) for value in browser.session.values())
    assert AuditEvent.objects.filter(action="admin.action", name__startswith="rotate").exists()


def test_bad_addresses_are_refused_in_words(browser: Client, acme: Any) -> None:
    answer = browser.post(f"{PAGE}add/", form(acme, url="http://localhost/"))
    assert "https:// only" in answer.content.decode()
    assert WebhookEndpoint.objects.count() == 0


def test_nobody_makes_more_in_the_admin_than_by_rest(browser: Client, acme: Any, settings: Any) -> None:
    settings.MAX_WEBHOOKS_PER_TENANT = 1
    endpoint_of(acme)
    assert "delete one" in browser.post(f"{PAGE}add/", form(acme)).content.decode()
    assert WebhookEndpoint.objects.count() == 1


def test_an_owner_can_neither_give_nor_take_another_tenants(browser: Client, acme: Any, other: Any) -> None:
    theirs = endpoint_of(other, description="theirs")
    assert browser.post(f"{PAGE}add/", form(other)).status_code == 200
    assert WebhookEndpoint.objects.count() == 1, "the tenant is none of the choices"
    assert browser.get(f"{PAGE}{theirs.pk}/change/").status_code == 302
    browser.post(PAGE, {"action": "rotate", "_selected_action": [str(theirs.pk)]})
    assert WebhookEndpoint.objects.get().secret == theirs.secret
    assert "theirs" not in browser.get(PAGE).content.decode()


def test_deliveries_are_read_and_sent_again_in_the_admin(browser: Client, acme: Any, other: Any) -> None:
    ours, theirs = outbox.write_test(endpoint_of(acme)), outbox.write_test(endpoint_of(other, url="https://b.example/"))
    attempt = {"at": "2026-01-01T00:00:00", "status": 500, "error": "<b>It did not take it.</b>", "seconds": 0.1}
    WebhookDelivery.objects.update(state="failed", next_at=None, log=[attempt])
    page = "/admin/interpreters/webhookdelivery/"
    text = browser.get(page).content.decode()
    assert "hooks.example.org" in text
    assert "b.example" not in text
    assert "<b>It" not in text
    shown = browser.get(f"{page}{ours.pk}/change/").content.decode()
    assert ours.message_id in shown
    assert "&lt;b&gt;It did not take it." in shown
    browser.post(page, {"action": "send_again", "_selected_action": [str(ours.pk), str(theirs.pk)]})
    assert set(WebhookDelivery.objects.filter(state="pending")) == {ours}


def test_a_member_has_no_admin_of_them(bob: Any, acme: Any) -> None:
    endpoint_of(acme)
    client = Client()
    client.force_login(bob)
    assert client.get(PAGE).status_code == 302


def test_the_events_of_rest_are_those_that_there_are() -> None:
    from typing import get_args

    from interpreters.api.webhook_schemas import Event

    assert list(get_args(Event)) == list(EVENTS)
