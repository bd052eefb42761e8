from django.contrib import admin
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RangeDateFilter

from billing.desk import BigReadOnly, Panel, label_column
from billing.events.models import Delivery, Event

DELIVERIES = Panel(
    "Deliveries",
    rows=lambda event: event.deliveries.order_by("subscriber"),
    columns={
        "Subscriber": lambda delivery: delivery.subscriber,
        "State": lambda delivery: delivery.get_state_display(),
        "Attempts": lambda delivery: delivery.attempts,
        "Last error": lambda delivery: delivery.last_error or None,
    },
)


@admin.register(Event)
class EventAdmin(BigReadOnly):
    list_display = ("type", "subject", "actor", "occurred_on", "recorded_at")
    list_filter = (("occurred_on", RangeDateFilter),)
    search_fields = ("subject__exact", "public_id__exact", "type__istartswith")
    search_help_text = "A public id such as inv_…, or a type such as invoice."
    fields = (("type", "subject"), ("actor", "occurred_on"), ("public_id", "recorded_at"), "data")
    readonly_fields = ("public_id", "recorded_at")
    panels = (DELIVERIES,)


@admin.register(Delivery)
class DeliveryAdmin(BigReadOnly):
    list_display = ("event", "subscriber", "progress", "attempts", "next_attempt_at", "last_error")
    list_filter = (("state", ChoicesDropdownFilter),)
    list_select_related = ("event",)
    search_fields = ("subscriber__istartswith", "event__subject__exact", "event__type__istartswith")
    fields = (
        ("event", "subscriber"),
        ("state", "attempts"),
        "next_attempt_at",
        "last_error",
    )

    progress = label_column("state", {"done": "success", "pending": "info", "dead": "danger"})
