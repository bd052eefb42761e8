from datetime import date
from typing import Any

from django.contrib import admin
from django.contrib.admin import AllValuesFieldListFilter
from django.utils.translation import pgettext_lazy
from unfold.contrib.filters.admin import (
    ChoicesDropdownFilter,
    RangeDateFilter,
)
from unfold.enums import ActionVariant

from billing.desk.columns import label_column
from billing.desk.figures import as_pages_write
from billing.desk.model_admin import BigReadOnly
from billing.desk.page_actions import PageAction
from billing.desk.panels import Panel
from billing.events import troubles
from billing.events.models import Delivery, Event, Trouble

STATE_COLORS = {"done": "success", "pending": "info", "dead": "danger"}

DELIVERIES = Panel(
    "Deliveries",
    rows=lambda event: event.deliveries.order_by("subscriber"),
    columns={
        "Subscriber": lambda delivery: delivery.subscriber,
        "State": lambda delivery: delivery.get_state_display(),
        "Attempts": lambda delivery: delivery.attempts,
        "Last error": lambda delivery: as_pages_write(delivery.last_error) or None,
    },
)


@admin.register(Event)
class EventAdmin(BigReadOnly):
    list_display = ("type", "subject", "sequence", "actor", "occurred_on", "recorded_at")
    list_filter = (("occurred_on", RangeDateFilter),)
    search_fields = ("subject__exact", "public_id__exact", "type__newest")
    search_help_text = pgettext_lazy(
        "desk", "A public id such as inv_…, or a type such as invoice."
    )
    fields = (
        ("type", "subject", "sequence"),
        ("actor", "occurred_on"),
        ("public_id", "recorded_at"),
        "data",
    )
    readonly_fields = ("public_id", "recorded_at", "sequence")
    panels = (DELIVERIES,)


@admin.register(Delivery)
class DeliveryAdmin(BigReadOnly):
    kept_sentences = ("last_error",)
    list_display = ("event", "subscriber", "progress", "attempts", "next_attempt_at", "last_error")
    list_filter = (("state", ChoicesDropdownFilter),)
    list_select_related = ("event",)
    search_fields = ("subscriber__newest", "event__subject__exact", "event__type__newest")
    fields = (
        ("event", "subscriber"),
        ("state", "attempts"),
        "next_attempt_at",
        "last_error",
    )

    progress = label_column("state", STATE_COLORS)


class TryAgain(PageAction):
    name = "try-again"
    label = "Try again"
    explanation = pgettext_lazy(
        "desk",
        "It is tried again with the next tick. If that goes well it disappears "
        "from here. Otherwise it is tried again after 1, 2, 4 … minutes, and at "
        "least once a day.",
    )
    permission = "events.change_trouble"
    icon = "replay"
    variant = ActionVariant.PRIMARY

    def is_offered(self, obj: Trouble) -> bool:
        return True

    def run(self, obj: Trouble, *, as_of: date, actor: str, **asked: Any) -> str:
        troubles.try_again(obj)
        return f"{obj} is tried again with the next tick."


@admin.register(Trouble)
class TroubleAdmin(BigReadOnly):
    kept_sentences = ("message",)
    list_display = ("step", "subject", "kind", "message", "times", "last_seen_at")
    list_filter = (("step", AllValuesFieldListFilter), ("kind", AllValuesFieldListFilter))
    search_fields = ("subject__exact", "seller__exact")
    fields = (
        ("step", "subject", "seller"),
        ("kind", "times"),
        ("first_seen_at", "last_seen_at", "next_attempt_at"),
        "message",
        "traceback",
    )
    page_actions = (TryAgain(),)
