from uuid import UUID

from ninja import Router, Status

from interpreters.api.caller import Request
from interpreters.api.schemas import ERRORS
from interpreters.api.webhook_schemas import (
    ChangeWebhook,
    CreateWebhook,
    Delivery,
    NewSecret,
    Rotation,
    State,
    Webhook,
)
from interpreters.sessions import webhooks

router = Router(tags=["webhooks"])


@router.get("/webhooks", response={200: list[Webhook], **ERRORS}, summary="Your tenant's webhooks, without secrets")
async def list_webhooks(request: Request) -> list[Webhook]:
    return [Webhook.of(each) for each in await webhooks.list_of(request.auth)]


@router.post("/webhooks", response={201: NewSecret, **ERRORS}, summary="An address that is told of events")
async def create_webhook(request: Request, wanted: CreateWebhook) -> Status[NewSecret]:
    made = await webhooks.create(request.auth, wanted.model_dump())
    return Status(201, NewSecret.of(made, secret=made.secret))


@router.get("/webhooks/{uuid:webhook}", response={200: Webhook, **ERRORS}, summary="One of them, and how it goes")
async def get_webhook(request: Request, webhook: UUID) -> Webhook:
    return Webhook.of(await webhooks.get(request.auth, webhook))  # type: ignore[no-any-return]


@router.patch(
    "/webhooks/{uuid:webhook}",
    response={200: Webhook, **ERRORS},
    summary="Change one",
    description="What is left out stays. To turn it on again forgets that it failed.",
)
async def change_webhook(request: Request, webhook: UUID, change: ChangeWebhook) -> Webhook:
    changed = await webhooks.change(request.auth, webhook, change.model_dump(exclude_unset=True))
    return Webhook.of(changed)  # type: ignore[no-any-return]


@router.delete("/webhooks/{uuid:webhook}", response={204: None, **ERRORS}, summary="Delete one with its deliveries")
async def delete_webhook(request: Request, webhook: UUID) -> Status[None]:
    await webhooks.delete(request.auth, webhook)
    return Status(204, None)


@router.post("/webhooks/{uuid:webhook}/rotate", response={201: NewSecret, **ERRORS}, summary="A new secret")
async def rotate_webhook(request: Request, webhook: UUID, wanted: Rotation) -> Status[NewSecret]:
    made = await webhooks.rotate(request.auth, webhook, wanted.overlap)
    return Status(201, NewSecret.of(made, secret=made.secret))


@router.post("/webhooks/{uuid:webhook}/test", response={202: Delivery, **ERRORS}, summary="Send it a test event")
async def test_webhook(request: Request, webhook: UUID) -> Status[Delivery]:
    return Status(202, Delivery.of(await webhooks.test(request.auth, webhook)))


@router.get(
    "/webhooks/{uuid:webhook}/deliveries",
    response={200: list[Delivery], **ERRORS},
    summary="What it was told, and how that went",
    description=f"The newest {webhooks.LISTED}, newest first.",
)
async def list_deliveries(request: Request, webhook: UUID, state: State | None = None) -> list[Delivery]:
    return [Delivery.of(each) for each in await webhooks.deliveries(request.auth, webhook, state or "")]


@router.post(
    "/webhooks/{uuid:webhook}/deliveries/{uuid:delivery}/send-again",
    response={202: Delivery, **ERRORS},
    summary="Send one again",
    description="With the same `webhook-id`, and with all attempts before it.",
)
async def send_again(request: Request, webhook: UUID, delivery: UUID) -> Status[Delivery]:
    return Status(202, Delivery.of(await webhooks.send_again(request.auth, webhook, delivery)))
