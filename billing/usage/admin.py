from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib import admin
from django.utils.translation import pgettext_lazy
from unfold.contrib.filters.admin import (
    ChoicesDropdownFilter,
    RangeDateFilter,
    RelatedDropdownFilter,
)

from billing.desk.columns import link_column, plain_column
from billing.desk.figures import plain
from billing.desk.model_admin import BigReadOnly, Desk
from billing.desk.typed_rows import Row, RowsField, TypedRows
from billing.usage.models import Meter, UsageRecord
from catalog.admin import PriceAdmin

PriceAdmin.extend(
    codes={
        "meter": lambda price: Meter.objects.filter(seller=price.plan.seller_id).values_list(
            "code", flat=True
        )
    }
)


class FilterRow(Row):
    name = forms.CharField(label=pgettext_lazy("desk", "Property"), max_length=80)
    value = forms.CharField(label=pgettext_lazy("desk", "Value"), max_length=200)


class FilterField(RowsField):
    """``{property: value or list of values}``; each value of a property has a row of its own."""

    row = FilterRow
    said = pgettext_lazy(
        "desk",
        "What a record must contain to count. Where several values will do, each has a row.",
    )

    def cells_of(self, kept: Any) -> TypedRows:
        return TypedRows(
            {"name": name, "value": str(value)}
            for name, wanted in (kept or {}).items()
            for value in (wanted if isinstance(wanted, list) else [wanted])
        )

    def kept_of(self, rows: Sequence[dict[str, Any]]) -> dict[str, str | list[str]]:
        wanted: dict[str, list[str]] = defaultdict(list)
        for row in rows:
            wanted[row["name"]].append(row["value"])
        return {name: each[0] if len(each) == 1 else each for name, each in wanted.items()}


@admin.register(Meter)
class MeterAdmin(Desk):
    # Prices name a meter by its code, and records were read as the meter then measured.
    fixed_fields = ("seller", "code", "aggregation", "property", "filter")
    tables = {"filter": FilterField}
    list_display = ("code", "name", "unit", "aggregation", "property", "seller_link")
    list_filter = (("seller", RelatedDropdownFilter), ("aggregation", ChoicesDropdownFilter))
    list_select_related = ("seller",)
    search_fields = ("code__istartswith", "name", "public_id__iexact")
    autocomplete_fields = ("seller",)
    readonly_fields = ("public_id",)
    fieldsets = (
        (None, {"fields": (("code", "name"), ("unit", "seller"), "public_id")}),
        ("Measures", {"fields": (("aggregation", "property"), "filter", "is_carried", "is_whole")}),
        ("Rounds", {"fields": (("rounding_mode", "rounding_digits"),)}),
    )

    seller_link = link_column("seller", ordering="seller__name")

    def has_delete_permission(self, request, obj=None) -> bool:
        # To know whether it ever measured anything, all records would have to be read.
        return False


@admin.register(UsageRecord)
class UsageRecordAdmin(BigReadOnly):
    list_display = ("on", "meter", "amount", "counted", "subscription_link", "key", "is_withdrawn")
    list_filter = (("meter", RelatedDropdownFilter), ("on", RangeDateFilter))
    list_select_related = ("meter", "subscription__customer", "subscription__plan")
    search_fields = ("key__exact", "public_id__exact", "subscription__public_id__exact")
    search_help_text = pgettext_lazy(
        "desk", "The key or the id of a record, or the id of a subscription."
    )
    fields = (
        ("subscription", "meter"),
        ("on", "at"),
        ("amount", "counted"),
        ("key", "distinct"),
        "properties",
        ("recorded_at", "public_id"),
        ("withdrawn_at", "withdrawn_by"),
        "corrects",
    )
    readonly_fields = ("amount", "counted", "recorded_at", "public_id", "corrects")

    counted = plain_column("value", "counted as")
    subscription_link = link_column("subscription")

    @admin.display(description="quantity", ordering="quantity")
    def amount(self, record: UsageRecord) -> str:
        return plain(record.quantity, "" if record.meter.property else record.meter.unit)

    @admin.display(boolean=True, description="withdrawn")
    def is_withdrawn(self, record: UsageRecord) -> bool:
        return record.withdrawn_at is not None
