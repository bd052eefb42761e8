from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import npgettext, pgettext_lazy
from unfold.contrib.filters.admin import (
    BooleanRadioFilter,
    ChoicesDropdownFilter,
    RelatedDropdownFilter,
)
from unfold.decorators import display

from billing.base.intervals import interval_in_words
from billing.desk.columns import link_column
from billing.desk.figures import figure, link, money, named_with_id, unit_price, written
from billing.desk.model_admin import Desk
from billing.desk.of_seller import shown_seller
from billing.desk.panels import Panel
from catalog.forms import CouponForm, TiersField
from catalog.models import Coupon, Plan, Price, Product
from customers.models import Seller

# A used price may still be renamed and withdrawn; the database keeps the rest as agreed.
USED_PRICE_MAY_CHANGE = {"name", "is_active"}


def _interval(plan: Plan) -> str:
    return interval_in_words(plan.interval_unit, plan.interval_count)


PLANS = Panel(
    "Plans",
    rows=lambda product: product.plans.order_by("name"),
    columns={
        "Plan": link,
        "Code": lambda plan: plan.code,
        "Billed": _interval,
        "Offered": lambda plan: plan.is_active,
    },
    list_of=Plan,
    list_by="product__id__exact",
)


def _amount_of(price: Price) -> str:
    return figure(unit_price(price.amount, price.currency))


PRICES = Panel(
    "Prices",
    rows=lambda plan: plan.prices.order_by("-is_active", "position", "id"),
    columns={
        "Price": lambda price: link(price, price.name or price.code),
        "Model": lambda price: price.get_model_display(),
        "Billed": lambda price: price.get_billing_display(),
        "Amount": _amount_of,
        "Meter": lambda price: price.meter or None,
        "Offered": lambda price: price.is_active,
    },
    list_of=Price,
    list_by="plan__id__exact",
    when_empty="None yet: a plan without a price bills nothing.",
)


@admin.register(Product)
class ProductAdmin(Desk):
    fixed_fields = ("seller",)
    list_display = ("name", "seller_link", "tax_category", "revenue_account")
    list_filter = (("seller", RelatedDropdownFilter),)
    list_select_related = ("seller",)
    search_fields = ("name", "public_id__iexact")
    autocomplete_fields = ("seller",)
    readonly_fields = ("public_id",)
    fieldsets = (
        (None, {"fields": (("name", "public_id"), "seller", "description")}),
        ("Tax and books", {"fields": (("tax_category", "supply"), "revenue_account")}),
    )
    panels = (PLANS,)

    seller_link = link_column("seller", ordering="seller__name")


@admin.register(Plan)
class PlanAdmin(Desk):
    fixed_fields = ("seller", "product", "code")
    list_display = ("name", "code", "product_link", "every", "family", "is_active")
    list_filter = (("seller", RelatedDropdownFilter), ("is_active", BooleanRadioFilter))
    list_select_related = ("product",)
    search_fields = ("name", "code__istartswith", "family__iexact", "public_id__iexact")
    autocomplete_fields = ("seller", "product")
    readonly_fields = ("public_id",)
    fieldsets = (
        (None, {"fields": (("name", "code"), ("seller", "product"), ("family", "public_id"))}),
        ("Period", {"fields": (("interval_count", "interval_unit"), "cycles")}),
        ("Trial", {"fields": (("trial_days", "is_trial_usage_billed"),)}),
        (None, {"fields": ("features", "is_active")}),
    )
    panels = (PRICES,)

    product_link = link_column("product", ordering="product__name")

    @admin.display(description="billed")
    def every(self, plan: Plan) -> str:
        return _interval(plan)


def check_price(price: Price) -> None:
    """Raise InvalidPrice where the price could not be rated."""
    price.terms().check()


@admin.register(Price)
class PriceAdmin(Desk):
    list_display = ("label", "plan_link", "model", "billing", "price", "meter", "is_active")
    list_filter = (
        ("plan__seller", RelatedDropdownFilter),
        ("model", ChoicesDropdownFilter),
        ("billing", ChoicesDropdownFilter),
        ("is_active", BooleanRadioFilter),
    )
    list_select_related = ("plan",)
    search_fields = ("name", "code__istartswith", "plan__name", "plan__code", "public_id__iexact")
    autocomplete_fields = ("plan",)
    readonly_fields = ("public_id",)
    ordering = ("plan__name", "position", "id")
    fieldsets = (
        (None, {"fields": (("name", "code"), ("plan", "currency"), ("position", "public_id"))}),
        ("Amount", {"fields": (("model", "billing"), ("amount", "quantity"), "tiers")}),
        (
            "Usage",
            {"fields": (("meter", "package_size"), ("free_units", "minimum_amount"))},
        ),
        (
            "Percentage of each event",
            {
                "fields": (
                    ("rate", "fixed_amount"),
                    ("free_events", "free_value"),
                    ("event_minimum", "event_maximum"),
                ),
                "classes": ("collapse",),
            },
        ),
        ("Rules", {"fields": (("is_prorated", "is_tax_inclusive"), "tax", "is_active")}),
    )
    checks = (check_price,)
    tables = {"tiers": TiersField}
    _used_note = pgettext_lazy(
        "desk",
        "Somebody has agreed to this price, so its terms stay as they are. Add a new price "
        "instead, and stop offering this one. Those who have it keep it.",
    )

    plan_link = link_column("plan", ordering="plan__name")

    @admin.display(description="price", ordering="name")
    def label(self, price: Price) -> str:
        return named_with_id(price, price.named())

    @display(description="amount", ordering="amount", formatting="price")
    def price(self, price: Price) -> str:
        return _amount_of(price)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Price]:
        found: Any = super().get_queryset(request)
        return found.with_units().select_related("plan")

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        first, *others = super().get_fieldsets(request, obj)
        if obj is not None and obj.is_used:
            first = (first[0], {**first[1], "description": self._used_note})
        return [first, *others]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Sequence[str]:
        fixed = super().get_readonly_fields(request, obj)
        if obj is None or not obj.is_used:
            return fixed
        editable = (each.name for each in Price._meta.fields if each.editable)
        return (*fixed, *(name for name in editable if name not in USED_PRICE_MAY_CHANGE))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        if obj is not None and obj.is_used:
            return False
        return super().has_delete_permission(request, obj)


@admin.register(Coupon)
class CouponAdmin(Desk):
    form = CouponForm
    fixed_fields = ("seller", "code")
    list_display = (
        "code",
        "name",
        "seller_link",
        "off",
        "lasts",
        "last_on",
        "uses_max",
        "is_active",
    )
    list_filter = (("seller", RelatedDropdownFilter), ("is_active", BooleanRadioFilter))
    list_select_related = ("seller",)
    search_fields = ("code__istartswith", "name", "public_id__iexact")
    autocomplete_fields = ("seller",)
    readonly_fields = ("public_id",)
    fieldsets = (
        (None, {"fields": (("name", "code"), ("seller", "public_id"))}),
        ("Off", {"fields": ("percent_off", ("amount_off_minor", "currency"))}),
        ("For how long", {"fields": (("duration", "periods"),)}),
        ("On what", {"fields": ("plans", "prices")}),
        ("How often", {"fields": (("uses_max", "last_on"), "is_once_per_person")}),
        (None, {"fields": ("is_active",)}),
    )
    codes = {
        "plans": lambda coupon: coupon.seller.plans.values_list("code", flat=True),
        "prices": lambda coupon: Price.objects.filter(plan__seller=coupon.seller_id).values_list(
            "code", flat=True
        ),
    }

    seller_link = link_column("seller", ordering="seller__name")

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """A new coupon is of the seller who is shown, or the only one: its plans are offered."""
        given = super().get_changeform_initial_data(request)
        shown = shown_seller(request)
        only = [shown.pk] if shown else Seller.objects.values_list("pk", flat=True)[:2]
        return {**({"seller": only[0]} if len(only) == 1 else {}), **given}

    @admin.display(description="off")
    def off(self, coupon: Coupon) -> str:
        if coupon.percent_off is not None:
            return f"{written(coupon.percent_off)} %"
        return money(coupon.amount_off_minor, coupon.currency)

    @admin.display(description="lasts")
    def lasts(self, coupon: Coupon) -> str:
        if coupon.duration == Coupon.Duration.REPEATING:
            said = npgettext("desk", "%(count)s period", "%(count)s periods", coupon.periods or 0)
            return said % {"count": coupon.periods}
        return coupon.get_duration_display().lower()
