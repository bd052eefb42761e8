from django.contrib import admin
from unfold.contrib.filters.admin import (
    ChoicesDropdownFilter,
    RangeDateFilter,
    RelatedDropdownFilter,
)

from billing.desk import BigReadOnly, Desk, link_column, plain_column
from billing.usage.models import Meter, UsageRecord


@admin.register(Meter)
class MeterAdmin(Desk):
    # Prices name a meter by its code, and records were read as the meter then measured.
    fixed_fields = ("seller", "code", "aggregation", "property", "filter")
    list_display = ("code", "name", "aggregation", "property", "seller_link")
    list_filter = (("seller", RelatedDropdownFilter), ("aggregation", ChoicesDropdownFilter))
    list_select_related = ("seller",)
    search_fields = ("code__istartswith", "name", "public_id__iexact")
    autocomplete_fields = ("seller",)
    readonly_fields = ("public_id",)
    fieldsets = (
        (None, {"fields": (("code", "name"), ("seller", "public_id"))}),
        ("Measures", {"fields": (("aggregation", "property"), "filter", "is_carried")}),
        ("Rounds", {"fields": (("rounding_mode", "rounding_digits"),)}),
    )

    seller_link = link_column("seller", ordering="seller__name")

    def has_delete_permission(self, request, obj=None) -> bool:
        # To know whether it ever measured anything, all records would have to be read.
        return False


@admin.register(UsageRecord)
class UsageRecordAdmin(BigReadOnly):
    list_display = ("on", "meter", "amount", "counted", "subscription_link", "key")
    list_filter = (("meter", RelatedDropdownFilter), ("on", RangeDateFilter))
    list_select_related = ("meter", "subscription")
    search_fields = ("key__exact", "subscription__public_id__exact")
    search_help_text = "The key of a record, or the public id of a subscription."
    fields = (
        ("subscription", "meter"),
        ("on", "at"),
        ("amount", "counted"),
        ("key", "distinct"),
        "properties",
        "recorded_at",
    )
    readonly_fields = ("amount", "counted", "recorded_at")

    amount = plain_column("quantity")
    counted = plain_column("value", "counted as")
    subscription_link = link_column("subscription")
