"""Webhooks, on the wire. The secret goes out once."""

from typing import Any, Literal
from uuid import UUID

from ninja import Field, Schema
from pydantic import ConfigDict

from interpreters.lifecycle.events import EVENTS
from interpreters.models import WebhookDelivery, WebhookEndpoint

Event = Literal[
    "session.opened", "session.ended", "session.failed", "pool.degraded", "pool.recovered", "quota.near",
    "quota.reached",
]  # fmt: skip
State = Literal["pending", "delivered", "failed"]


class ChangeWebhook(Schema):
    model_config = ConfigDict(extra="forbid")

    url: str = Field("", max_length=500, examples=["https://hooks.example.org/thermae"])
    description: str = Field("", max_length=200)
    events: list[Event] = Field([], max_length=len(EVENTS), description="At least one.")
    pools: list[str] = Field([], description="Names of the only pools it is told of; empty: all.")
    enabled: bool = True


class CreateWebhook(ChangeWebhook):
    url: str = Field(max_length=500, examples=["https://hooks.example.org/thermae"])
    events: list[Event] = Field(max_length=len(EVENTS), description="At least one.")


class Webhook(Schema):
    id: UUID
    url: str
    description: str
    events: list[str]
    pools: list[str]
    enabled: bool
    disabled_why: str = Field(description="Why we have switched it off, if it was us.")
    created_at: float
    former_until: float | None = Field(description="Until when the former secret signs too.")
    last_attempt_at: float | None
    last_status: int | None = Field(description="What it answered last; null: nothing.")
    last_error: str
    failing_since: float | None = Field(description="Since when nothing has arrived.")

    @classmethod
    def of(cls, endpoint: WebhookEndpoint, **more: Any) -> Any:
        same = ("id", "url", "description", "events", "pools", "enabled", "disabled_why", "last_status", "last_error")
        moments = ("created_at", "former_until", "last_attempt_at", "failing_since")
        shown: dict[str, Any] = {name: getattr(endpoint, name) for name in same}
        for name in moments:
            moment = getattr(endpoint, name)
            shown[name] = moment.timestamp() if moment else None
        return cls(**shown, **more)


class NewSecret(Webhook):
    secret: str = Field(description="What signs, as `whsec_…`. It is shown this once.")


class Rotation(Schema):
    overlap: int = Field(86400, description="Seconds for which the former secret signs too; 0: none.")


class Delivery(Schema):
    id: UUID
    event: str = Field(description="What `webhook-id` says: the same for every attempt.")
    type: str
    payload: dict[str, Any]
    state: State
    attempts: int
    created_at: float
    next_at: float | None = Field(description="When it is tried next.")
    finished_at: float | None
    log: list[dict[str, Any]] = Field(description="Its attempts, oldest first: `at`, `status`, `error`, `seconds`.")

    @classmethod
    def of(cls, delivery: WebhookDelivery) -> "Delivery":
        same = ("id", "type", "payload", "state", "attempts", "log")
        shown: dict[str, Any] = {name: getattr(delivery, name) for name in same}
        for name in ("created_at", "next_at", "finished_at"):
            moment = getattr(delivery, name)
            shown[name] = moment.timestamp() if moment else None
        return cls(event=delivery.message_id, **shown)
