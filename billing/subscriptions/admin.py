from collections.abc import Callable, Sequence
from datetime import date
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import pgettext, pgettext_lazy
from unfold.contrib.filters.admin import (
    ChoicesDropdownFilter,
    DropdownFilter,
    RangeDateFilter,
    RelatedDropdownFilter,
)

from billing.desk.columns import label_column, link_column
from billing.desk.figures import as_pages_write, named_with_id
from billing.desk.model_admin import BigReadOnly
from billing.desk.remedies import Remedy
from billing.desk.seller_time import today_of
from billing.subscriptions.models import CouponRedemption, Subscription
from billing.subscriptions.page_actions import (
    Cancel,
    Change,
    ChangeReference,
    GiveCoupon,
    PauseIt,
    Resume,
    Start,
    UndoCancel,
    UndoChange,
)
from billing.subscriptions.panels import (
    COUPONS,
    CYCLES,
    ITEMS,
    PAUSES,
    REDEMPTIONS,
    SUBSCRIPTIONS,
    USES,
)
from catalog.admin import CouponAdmin
from customers.admin import CustomerAdmin
from customers.calendar import by_today, with_today

BREAK = SafeString("<br>")
STATUS_COLORS = {
    "active": "success",
    "trialing": "info",
    "incomplete": "warning",
    "paused": "warning",
    "ended": "",
}

CouponAdmin.extend(panels=[USES, REDEMPTIONS])
CustomerAdmin.extend(panels=[SUBSCRIPTIONS], page_actions=[Start(), GiveCoupon()])


class WorkFilter(DropdownFilter):
    """What may need somebody."""

    title = pgettext_lazy("desk", "work")
    parameter_name = "work"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [
            ("parked", pgettext("desk", "Parked: cannot be billed")),
            ("due", pgettext("desk", "Due to be billed")),
            ("ending", pgettext("desk", "Canceled, not yet ended")),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        if self.value() == "parked":
            return queryset.exclude(parked_reason="")
        if self.value() == "due":
            return with_today(queryset).filter(by_today("next_bill_on"), parked_reason="")
        if self.value() == "ending":
            return queryset.filter(cancels_on__isnull=False).exclude(
                status=Subscription.Status.ENDED
            )
        return queryset


@admin.register(Subscription)
class SubscriptionAdmin(BigReadOnly):
    list_display = ("name", "customer_link", "state", "starts_on", "next_bill_on")
    list_filter = (
        WorkFilter,
        ("status", ChoicesDropdownFilter),
        ("seller", RelatedDropdownFilter),
        ("next_bill_on", RangeDateFilter),
    )
    list_select_related = ("customer", "plan")
    search_fields = (
        "public_id__iexact",
        "external_id__iexact",
        "customer__typed",
        "customer__external_id__iexact",
        "customer__public_id__iexact",
    )
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("customer", "plan"),
                    ("status", "access"),
                    ("currency", "time_zone"),
                    ("public_id", "external_id"),
                    "buyer_reference",
                )
            },
        ),
        (
            "Dates",
            {
                "fields": (
                    ("starts_on", "paid_from"),
                    ("ends_on", "cancels_on"),
                    ("next_bill_on", "billed_through"),
                    ("billed_until", "agreed_ends_on"),
                )
            },
        ),
        ("More", {"fields": ("metadata",), "classes": ("collapse",)}),
    )
    readonly_fields = ("public_id", "why_parked", "what_to_do")
    panels = (ITEMS, CYCLES, PAUSES, COUPONS)
    page_actions = (
        *(Change(), UndoChange(), PauseIt(), Resume(), Cancel(), UndoCancel(), GiveCoupon()),
        ChangeReference(),
    )

    state = label_column("status", STATUS_COLORS)
    customer_link = link_column("customer", ordering="customer__name")
    # Where a parked one is set right; an app further up knows.
    remedies: ClassVar[Callable[[Subscription, date], Sequence[Remedy]]]

    @admin.display(description="parked reason", ordering="parked_reason")
    def why_parked(self, subscription: Subscription) -> str:
        return as_pages_write(subscription.parked_reason)

    @admin.display(description="what to do")
    def what_to_do(self, subscription: Subscription) -> str:
        found = type(self).remedies(subscription, today_of(subscription))
        links = ((each.url, each.what) for each in found)
        return format_html_join(BREAK, '<a href="{}" class="text-link">{}</a>', links)

    @admin.display(description="subscription", ordering="customer__name")
    def name(self, subscription: Subscription) -> str:
        return named_with_id(subscription)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Subscription]:
        return super().get_queryset(request).select_related("seller", "customer", "plan")

    def get_list_display(self, request: HttpRequest) -> tuple[str, ...]:
        if request.GET.get("work") == "parked":
            return ("name", "customer_link", "why_parked", "next_bill_on")
        return self.list_display

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        fieldsets = super().get_fieldsets(request, obj)
        if obj is None or not obj.parked_reason:
            return fieldsets
        fields = ("why_parked", "what_to_do")
        parked = pgettext("desk", "Parked: it cannot be billed")
        return ((parked, {"fields": fields}), *fieldsets)


@admin.register(CouponRedemption)
class CouponRedemptionAdmin(BigReadOnly):
    list_display = ("coupon", "customer_link", "subscription", "starts_on", "expires_on")
    list_filter = (("coupon__seller", RelatedDropdownFilter),)
    list_select_related = ("coupon", "customer", "subscription__customer", "subscription__plan")
    search_fields = ("coupon__code__iexact", "customer__typed")
    fields = (
        ("coupon", "customer"),
        "subscription",
        ("starts_on", "expires_on"),
        ("is_spent", "removed_on"),
    )

    customer_link = link_column("customer", ordering="customer__name")
