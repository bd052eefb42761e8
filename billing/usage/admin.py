from django.contrib import admin
from django.utils.translation import pgettext_lazy
from unfold.contrib.filters.admin import (
    ChoicesDropdownFilter,
    RangeDateFilter,
    RelatedDropdownFilter,
)

from billing.desk.columns import link_column, plain_column
from billing.desk.model_admin import BigReadOnly, Desk
from billing.usage.models import Meter, UsageRecord
from catalog.admin import PriceAdmin

PriceAdmin.extend(
    codes={
        "meter": lambda price: Meter.objects.filter(seller=price.plan.seller_id).values_list(
            "code", flat=True
        )
    }
)


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

    amount = plain_column("quantity")
    counted = plain_column("value", "counted as")
    subscription_link = link_column("subscription")

    @admin.display(boolean=True, description="withdrawn")
    def is_withdrawn(self, record: UsageRecord) -> bool:
        return record.withdrawn_at is not None
