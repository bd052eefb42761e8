from datetime import UTC, date, datetime, time
from typing import Any

from django.contrib import admin
from django.utils.translation import pgettext, pgettext_lazy
from unfold.contrib.filters.admin import (
    BooleanRadioFilter,
    ChoicesDropdownFilter,
)
from unfold.decorators import display
from unfold.enums import ActionVariant

from billing.desk.columns import label_column, link_column
from billing.desk.facts import facts_in
from billing.desk.figures import as_pages_write, link
from billing.desk.forms import ActionForm, date_field
from billing.desk.model_admin import BigReadOnly, ReadOnly
from billing.desk.page_actions import PageAction, Told
from billing.desk.panels import Panel
from billing.events.admin import STATE_COLORS, EventAdmin
from billing.webhooks import actions
from billing.webhooks.models import WebhookDelivery, WebhookEndpoint

WEBHOOKS = Panel(
    "Webhooks",
    rows=lambda event: event.webhook_deliveries.select_related("endpoint").order_by("id"),
    columns={
        "Sent to": lambda delivery: link(delivery, delivery.endpoint.url),
        "State": lambda delivery: delivery.get_state_display(),
        "Attempts": lambda delivery: delivery.attempts,
        "Last error": lambda delivery: as_pages_write(delivery.last_error) or None,
    },
    when_empty="No endpoint asked for it.",
)

EventAdmin.extend(panels=[WEBHOOKS])


class EndpointAction(PageAction):
    permission = "events.change_webhookendpoint"


class Test(EndpointAction):
    name = "test"
    label = "Send a test"
    explanation = pgettext_lazy(
        "desk",
        "Sends a test event with the next tick. It means nothing to the shop, and you will see it "
        "below.",
    )
    icon = "send"
    variant = ActionVariant.PRIMARY

    def is_offered(self, obj: WebhookEndpoint) -> bool:
        return obj.is_enabled

    def run(self, obj: WebhookEndpoint, *, as_of: date, actor: str, **asked: Any) -> str:
        event = actions.test(obj, as_of=as_of, actor=actor)
        return f"{event.public_id} is on its way."


class TurnOn(EndpointAction):
    name = "turn-on"
    label = "Turn on"
    explanation = pgettext_lazy(
        "desk",
        "The endpoint is told what happens from now on. Press Send what was missed to send "
        "the rest.",
    )
    icon = "play_arrow"
    variant = ActionVariant.PRIMARY

    def is_offered(self, obj: WebhookEndpoint) -> bool:
        return not obj.is_enabled

    def run(self, obj: WebhookEndpoint, *, as_of: date, actor: str, **asked: Any) -> str:
        actions.enable(obj, as_of=as_of, actor=actor)
        return "Turned on."


class TurnOff(EndpointAction):
    name = "turn-off"
    label = "Turn off"
    explanation = pgettext_lazy(
        "desk",
        "The endpoint is told nothing more. What was on its way is given up, and can be "
        "sent later.",
    )
    icon = "pause"
    variant = ActionVariant.DANGER

    def is_offered(self, obj: WebhookEndpoint) -> bool:
        return obj.is_enabled

    def run(self, obj: WebhookEndpoint, *, as_of: date, actor: str, **asked: Any) -> str:
        actions.disable(obj, as_of=as_of, actor=actor)
        return "Turned off."


class SinceForm(ActionForm):
    since = date_field(
        label=pgettext_lazy("desk", "Since"),
        help_text=pgettext_lazy("desk", "The first day, in UTC."),
    )


class SendMissed(EndpointAction):
    name = "send-missed"
    label = "Send what was missed"
    explanation = pgettext_lazy(
        "desk",
        "Sends what this endpoint has asked for and not received since a "
        "certain day: what was given up, and what happened while it was turned "
        "off. Each event keeps its id.",
    )
    icon = "replay"
    form_class = SinceForm

    def is_offered(self, obj: WebhookEndpoint) -> bool:
        return obj.is_enabled

    def run(self, obj: WebhookEndpoint, *, as_of: date, actor: str, **asked: Any) -> str:
        count = actions.replay(obj, since=datetime.combine(asked["since"], time(), UTC))
        return f"Events on their way: {count}."


class RotateSecret(EndpointAction):
    name = "rotate-secret"
    label = "New secret"
    explanation = pgettext_lazy(
        "desk", "The new secret is shown once. For 24 hours the old one signs as well."
    )
    icon = "key"

    def run(self, obj: WebhookEndpoint, *, as_of: date, actor: str, **asked: Any) -> str:
        _, secret = actions.rotate_secret(obj, as_of=as_of, actor=actor)
        said = pgettext("desk", "The new secret, shown only here: %(secret)s")
        return Told("Made a new secret.", shown=said % {"secret": secret})


LATEST = Panel(
    "Latest",
    rows=lambda endpoint: endpoint.deliveries.select_related("event").order_by("-id"),
    columns={
        "Event": lambda delivery: link(delivery, delivery.event.type),
        "Object": lambda delivery: delivery.subject,
        "No.": lambda delivery: delivery.sequence,
        "State": lambda delivery: delivery.get_state_display(),
        "Attempts": lambda delivery: delivery.attempts,
        "Last error": lambda delivery: as_pages_write(delivery.last_error) or None,
    },
    list_of=WebhookDelivery,
    list_by="endpoint__id__exact",
)


@admin.register(WebhookEndpoint)
class WebhookEndpointAdmin(ReadOnly):
    kept_sentences = ("disabled_reason",)
    list_display = ("url", "seller", "standing", "asked_for", "failing_since")
    list_filter = (("is_enabled", BooleanRadioFilter),)
    search_fields = ("url__icontains", "seller__exact", "public_id__exact")
    fields = (
        ("url", "seller"),
        ("types", "description"),
        ("is_enabled", "disabled_reason"),
        ("failing_since", "old_secret_until"),
        ("public_id", "recorded_at"),
    )
    readonly_fields = ("public_id", "recorded_at")
    page_actions = (Test(), TurnOn(), SendMissed(), RotateSecret(), TurnOff())
    panels = (LATEST,)

    @display(
        description="state",
        ordering="is_enabled",
        label={"on": "success", "failing": "warning", "off": "danger"},
    )
    def standing(self, endpoint: WebhookEndpoint) -> tuple[str, str]:
        if not endpoint.is_enabled:
            return "off", pgettext("desk", "Turned off")
        if endpoint.failing_since:
            return "failing", pgettext("desk", "Failing")
        return "on", pgettext("desk", "Turned on")

    @admin.display(description="types")
    def asked_for(self, endpoint: WebhookEndpoint) -> str:
        return ", ".join(endpoint.types)


class SendAgain(PageAction):
    name = "send-again"
    label = "Send again"
    explanation = pgettext_lazy(
        "desk",
        "Sends the same content under the same id, with attempts for three more days if needed.",
    )
    permission = "events.change_webhookdelivery"
    icon = "replay"
    variant = ActionVariant.PRIMARY
    is_for_many = True

    def is_offered(self, obj: WebhookDelivery) -> bool:
        return obj.state != WebhookDelivery.State.PENDING

    def run(self, obj: WebhookDelivery, *, as_of: date, actor: str, **asked: Any) -> str:
        actions.send_again(obj)
        return "On its way again."


ATTEMPTS = Panel(
    "Attempts",
    rows=lambda delivery: delivery.attempt_log.order_by("-id"),
    columns={
        "Began": lambda attempt: attempt.began_at,
        "Status": lambda attempt: attempt.status,
        "Milliseconds": lambda attempt: attempt.milliseconds,
        "Answer": lambda attempt: attempt.answer or None,
        "Error": lambda attempt: as_pages_write(attempt.error) or None,
    },
    when_empty="None yet, or more than a month ago.",
)


@admin.register(WebhookDelivery)
class WebhookDeliveryAdmin(BigReadOnly):
    kept_sentences = ("last_error",)
    list_display = (
        "event",
        "sequence",
        "endpoint_link",
        "progress",
        "attempts",
        "next_attempt_at",
        "last_error",
    )
    list_filter = (("state", ChoicesDropdownFilter),)
    list_select_related = ("event", "endpoint")
    search_fields = (
        *("event__subject__exact", "event__public_id__exact"),
        "endpoint__public_id__exact",
    )
    search_help_text = pgettext_lazy("desk", "The public id of an object, an event or an endpoint.")
    fields = (
        ("event", "endpoint"),
        ("subject", "sequence"),
        ("state", "attempts"),
        ("first_attempt_at", "next_attempt_at", "ended_at"),
        "last_error",
        "body",
    )
    readonly_fields = ("body",)
    page_actions = (SendAgain(),)
    panels = (ATTEMPTS,)

    progress = label_column("state", STATE_COLORS)
    endpoint_link = link_column("endpoint", ordering="endpoint__url")

    @admin.display(description="what is sent")
    def body(self, delivery: WebhookDelivery) -> str:
        written = getattr(delivery.event, "body", None)
        return facts_in(written.text) if written else pgettext("desk", "Not sent yet.")
