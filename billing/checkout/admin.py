from datetime import date
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import pgettext, pgettext_lazy
from unfold.contrib.filters.admin import (
    ChoicesDropdownFilter,
    RangeDateTimeFilter,
    RelatedDropdownFilter,
)

from billing.checkout.models import Order
from billing.checkout.offers import address_of, create_order
from billing.desk.columns import label_column, link_column
from billing.desk.forms import ActionForm
from billing.desk.model_admin import BigReadOnly
from billing.desk.page_actions import PageAction, Told
from billing.invoicing.panels import document_link
from catalog.admin import PlanAdmin
from catalog.models import Coupon, Plan, Price

ORDER_COLORS = {"open": "info", "placed": "warning", "complete": "success", "expired": ""}


class OfferForm(ActionForm):
    currency = forms.ChoiceField(label=pgettext_lazy("desk", "Currency"))
    coupon = forms.ModelChoiceField(
        Coupon.objects.none(),
        label=pgettext_lazy("desk", "Coupon"),
        required=False,
        empty_label=pgettext_lazy("desk", "No coupon"),
    )

    def ask(self) -> None:
        currency, coupon = self.fields["currency"], self.fields["coupon"]
        assert isinstance(currency, forms.ChoiceField)
        assert isinstance(coupon, forms.ModelChoiceField)
        offered = Price.objects.filter(plan=self.obj, is_active=True).order_by("currency")
        codes = offered.values_list("currency", flat=True).distinct()
        currency.choices = [(code, code) for code in codes]
        if self.obj.seller.currency in codes:
            currency.initial = self.obj.seller.currency
        coupon.queryset = Coupon.objects.filter(seller=self.obj.seller_id, is_active=True).order_by(
            "code"
        )


class CheckoutLink(PageAction):
    """On the page of a plan: a link by which one customer may order it."""

    name = "checkout-link"
    label = "Checkout link"
    explanation = pgettext_lazy(
        "desk",
        "Makes a page where one customer can order this plan within a day. Its "
        "address is shown once. Send it to the customer.",
    )
    permission = "payments.add_order"
    icon = "link"
    form_class = OfferForm

    def is_offered(self, obj: Plan) -> bool:
        return obj.is_active

    def run(self, obj: Plan, *, as_of: date, actor: str, **asked: Any) -> str:
        order, token = create_order(obj.seller, obj, as_of=as_of, actor=actor, **asked)
        said = pgettext("desk", "Send this address, which is not shown again: %(address)s")
        shown = said % {"address": address_of(token)}
        return Told(f"Made the checkout link {order}.", shown=shown)


PlanAdmin.extend(page_actions=[CheckoutLink()])


@admin.register(Order)
class OrderAdmin(BigReadOnly):
    list_display = (
        "public_id",
        "plan_link",
        "customer_link",
        "progress",
        "subscription_link",
        "document",
        "expires_at",
    )
    list_filter = (
        ("status", ChoicesDropdownFilter),
        ("seller", RelatedDropdownFilter),
        ("recorded_at", RangeDateTimeFilter),
    )
    list_select_related = (
        *("plan", "customer", "invoice"),
        *("subscription__customer", "subscription__plan"),
    )
    search_fields = (
        "public_id__iexact",
        "customer__typed",
        "customer__public_id__iexact",
        "subscription__public_id__iexact",
    )
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("plan", "customer"),
                    ("status", "currency"),
                    ("quantities", "coupon"),
                    ("subscription", "document"),
                    ("placed_at", "closed_at"),
                    ("expires_at", "public_id"),
                )
            },
        ),
        ("Agreed to", {"fields": ("consent", "details")}),
        (
            "The shop",
            {
                "fields": (("success_url", "cancel_url"), "language", "metadata"),
                "classes": ("collapse",),
            },
        ),
    )
    readonly_fields = ("document", "public_id")

    plan_link = link_column("plan", ordering="plan__name")
    customer_link = link_column("customer", ordering="customer__name")
    subscription_link = link_column("subscription")
    progress = label_column("status", ORDER_COLORS)

    @admin.display(description="invoice", ordering="invoice__number")
    def document(self, order: Order) -> str:
        return document_link(order.invoice)

    def get_queryset(self, request: HttpRequest) -> Any:
        related = super().get_queryset(request).select_related("invoice")
        named = related.select_related("subscription__customer", "subscription__plan")
        return named.select_related("seller", "plan", "customer", "coupon")
