from collections.abc import Callable, Sequence
from datetime import date
from decimal import Decimal
from functools import partial
from typing import Any, ClassVar, Protocol

from django import forms
from django.contrib import admin
from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import (
    ChoicesDropdownFilter,
    DropdownFilter,
    RangeDateFilter,
    RelatedDropdownFilter,
)
from unfold.enums import ActionVariant

from billing.desk.columns import label_column, link_column
from billing.desk.figures import (
    as_pages_write,
    named_with_id,
    trimmed,
)
from billing.desk.forms import ActionForm, NamedChoice, date_field
from billing.desk.model_admin import BigReadOnly
from billing.desk.page_actions import PageAction
from billing.desk.previews import Preview, Reckoned
from billing.desk.remedies import Remedy
from billing.desk.seller_time import today_of
from billing.engine.bounds import QUANTITY_DECIMALS_MAX, QUANTITY_MAX, TRIAL_DAYS_MAX
from billing.subscriptions import actions, coupons, pausing
from billing.subscriptions.items import planned_change_on
from billing.subscriptions.models import CouponRedemption, Pause, Subscription
from billing.subscriptions.panels import (
    COUPONS,
    CYCLES,
    ITEMS,
    PAUSES,
    REDEMPTIONS,
    SUBSCRIPTIONS,
    USES,
    items_on,
)
from catalog.admin import CouponAdmin
from catalog.models import Coupon, Plan, Price
from customers.admin import CustomerAdmin
from customers.calendar import by_today, with_today
from customers.models import REFERENCE_MAX

BREAK = SafeString("<br>")
# A price names its plan's interval.
PRICES_OF_PLANS = Prefetch("prices", Price.objects.select_related("plan"))
STATUS_COLORS = {
    "active": "success",
    "trialing": "info",
    "incomplete": "warning",
    "paused": "warning",
    "ended": "",
}


# What an operator does to a subscription


class Bills(Protocol):
    """What an app further up does about the bills of a change, which is still to be made."""

    def preview(
        self, change: Callable[[], Subscription], *, as_of: date, actor: str
    ) -> Preview: ...

    def bill(self, subscription: Subscription, *, as_of: date, actor: str) -> Reckoned:
        """Bill what a change has made due, in its transaction, and tell it in a sentence."""
        ...


class SubscriptionAction(PageAction):
    """What it changes is shown first, and billed or credited at once."""

    bills: ClassVar[Bills]
    is_foreseen = True

    def run(self, obj: Any, *, as_of: date, actor: str, **asked: Any) -> str:
        changed = self.change(obj, as_of=as_of, actor=actor, **asked)
        billed = self.bills.bill(changed, as_of=as_of, actor=actor)
        told = " ".join(filter(None, [self.said_of(changed), billed]))
        return Reckoned(told, outcome=billed.outcome)

    def foresee(self, obj: Any, *, as_of: date, actor: str, **asked: Any) -> Preview:
        change = partial(self.change, obj, as_of=as_of, actor=actor, **asked)
        return self.bills.preview(change, as_of=as_of, actor=actor)

    def change(self, obj: Any, *, as_of: date, actor: str, **asked: Any) -> Subscription:
        raise NotImplementedError

    def said_of(self, changed: Subscription) -> str:
        """What was done, in a sentence."""
        raise NotImplementedError


class WhenForm(ActionForm):
    """Asks when: now, with the period, or on a day."""

    when = forms.ChoiceField(
        choices=[
            ("now", "Now"),
            ("period_end", "When the period ends"),
            ("date", "On a day"),
        ]
    )
    on = date_field(required=False, label="Day", help_text="For “On a day”.")

    def clean(self) -> dict[str, Any]:
        asked = super().clean() or {}
        on = asked.pop("on", None)
        if asked.get("when") == "date":
            if on is None:
                self.add_error("on", "Choose the day.")
            asked["when"] = on
        return asked


class ChangeForm(WhenForm):
    plan = NamedChoice(
        Plan.objects.none(),
        named=Plan.named_with_prices,
        required=False,
        empty_label="Keep the plan and its prices",
        label="New plan",
        help_text="The plan that is there already brings the prices that it has now.",
    )
    is_credited = forms.BooleanField(
        required=False, initial=True, label="Credit what is paid for the days not used"
    )
    is_prorated = forms.BooleanField(
        required=False, initial=True, label="Bill the new terms for the days that are left"
    )
    field_order = ("plan",)

    def ask(self) -> None:
        plan = self.fields["plan"]
        assert isinstance(plan, forms.ModelChoiceField)
        plan.queryset = (
            Plan.objects.filter(
                seller=self.obj.seller_id, family=self.obj.plan.family, is_active=True
            )
            .prefetch_related(PRICES_OF_PLANS)
            .order_by("name")
        )
        for item in items_on(self.obj, today_of(self.obj)):
            self.fields[f"quantity:{item.key}"] = forms.DecimalField(
                required=False,
                min_value=0,
                max_value=QUANTITY_MAX,
                decimal_places=QUANTITY_DECIMALS_MAX,
                label=f"New quantity of {item.price.name or item.key}",
                help_text=f"Now {trimmed(item.quantity)}; empty: as it is.",
            )
        self.order_fields(["plan", *(name for name in self.fields if ":" in name)])

    def clean(self) -> dict[str, Any]:
        asked = super().clean()
        given = {name: asked.pop(name) for name in list(asked) if name.startswith("quantity:")}
        quantities: dict[str, Decimal] = {
            name.partition(":")[2]: quantity
            for name, quantity in given.items()
            if quantity is not None
        }
        asked["quantities"] = quantities or None
        if not quantities and asked.get("plan") is None:
            raise forms.ValidationError("Choose a plan or write another quantity.")
        return asked


class Change(SubscriptionAction):
    name = "change"
    label = "Change plan or quantity"
    explanation = (
        "A change in the middle of a period credits what is left of the old and bills the new."
    )
    permission = "subscriptions.change_subscription"
    icon = "swap_horiz"
    form_class = ChangeForm

    def is_offered(self, obj: Subscription) -> bool:
        return obj.status != Subscription.Status.ENDED

    def change(self, obj: Subscription, *, as_of: date, actor: str, **asked: Any) -> Subscription:
        return actions.change(obj, as_of=as_of, actor=actor, **asked)

    def said_of(self, changed: Subscription) -> str:
        return "Changed."


class PauseForm(ActionForm):
    until = date_field(
        required=False, label="Until", help_text="The first day with service again; empty: open."
    )
    unused = forms.ChoiceField(choices=Pause.Unused.choices, label="Days already paid")


class PauseIt(SubscriptionAction):
    name = "pause"
    label = "Pause"
    explanation = "No service and no charge from today until it is resumed."
    permission = "subscriptions.pause_subscription"
    icon = "pause"
    form_class = PauseForm

    def is_offered(self, obj: Subscription) -> bool:
        return obj.status in {Subscription.Status.ACTIVE, Subscription.Status.TRIALING}

    def change(self, obj: Subscription, *, as_of: date, actor: str, **asked: Any) -> Subscription:
        return pausing.pause(obj, as_of=as_of, actor=actor, **asked)

    def said_of(self, changed: Subscription) -> str:
        until = changed.pauses.latest("starts_on").ends_on
        return f"Paused until {until}." if until else "Paused."


class Resume(SubscriptionAction):
    name = "resume"
    label = "Resume"
    explanation = "Service and charges resume today."
    permission = "subscriptions.resume_subscription"
    icon = "play_arrow"
    variant = ActionVariant.PRIMARY

    def is_offered(self, obj: Subscription) -> bool:
        return obj.status == Subscription.Status.PAUSED

    def change(self, obj: Subscription, *, as_of: date, actor: str, **asked: Any) -> Subscription:
        return pausing.resume(obj, as_of=as_of, actor=actor)

    def said_of(self, changed: Subscription) -> str:
        return "Resumed."


class CancelForm(WhenForm):
    is_credited = forms.BooleanField(
        required=False, label="Credit what is paid for the days not used"
    )
    is_refunded = forms.BooleanField(
        required=False,
        label="Pay the credit back",
        help_text="Otherwise it stays on the customer's balance.",
    )
    is_usage_billed = forms.BooleanField(
        required=False, initial=True, label="Bill what was used until the end"
    )

    def ask(self) -> None:
        self.fields["when"].initial = "period_end"


class Cancel(SubscriptionAction):
    name = "cancel"
    label = "Cancel"
    explanation = "Service ends then. A planned end can be undone until the day comes."
    permission = "subscriptions.cancel_subscription"
    icon = "event_busy"
    variant = ActionVariant.DANGER
    form_class = CancelForm

    def is_offered(self, obj: Subscription) -> bool:
        return obj.status != Subscription.Status.ENDED and obj.cancels_on is None

    def change(self, obj: Subscription, *, as_of: date, actor: str, **asked: Any) -> Subscription:
        return actions.cancel(obj, as_of=as_of, actor=actor, **asked)

    def said_of(self, changed: Subscription) -> str:
        return f"Canceled from {changed.cancels_on or changed.ends_on}."


class UndoCancel(SubscriptionAction):
    name = "undo-cancel"
    label = "Undo cancel"
    explanation = "The subscription continues as if it had not been canceled."
    permission = "subscriptions.undo_cancel_subscription"
    icon = "undo"

    def is_offered(self, obj: Subscription) -> bool:
        return obj.status != Subscription.Status.ENDED and obj.cancels_on is not None

    def change(self, obj: Subscription, *, as_of: date, actor: str, **asked: Any) -> Subscription:
        return actions.undo_cancel(obj, as_of=as_of, actor=actor)

    def said_of(self, changed: Subscription) -> str:
        return "The subscription continues."


class UndoChange(SubscriptionAction):
    name = "undo-change"
    label = "Undo planned change"
    explanation = "The subscription goes on with the plan and the quantities that it has today."
    permission = "subscriptions.change_subscription"
    icon = "undo"

    def is_offered(self, obj: Subscription) -> bool:
        is_over = obj.status == Subscription.Status.ENDED
        return not is_over and planned_change_on(obj, today_of(obj)) is not None

    def change(self, obj: Subscription, *, as_of: date, actor: str, **asked: Any) -> Subscription:
        return actions.undo_change(obj, as_of=as_of, actor=actor)

    def said_of(self, changed: Subscription) -> str:
        return "The planned change is undone."


class StartForm(ActionForm):
    plan = NamedChoice(Plan.objects.none(), named=Plan.named_with_prices)
    currency = forms.ChoiceField(required=False, help_text="Empty: the seller's.")
    trial_days = forms.IntegerField(
        required=False,
        min_value=0,
        max_value=TRIAL_DAYS_MAX,
        help_text="Empty: as many as the plan gives.",
    )
    ends_on = date_field(
        required=False, label="Ends on", help_text="The first day without service; empty: open."
    )

    def ask(self) -> None:
        offered = Plan.objects.filter(seller=self.obj.seller_id, is_active=True)
        plans = offered.prefetch_related(PRICES_OF_PLANS).order_by("name")
        plan, currency = self.fields["plan"], self.fields["currency"]
        assert isinstance(plan, forms.ModelChoiceField)
        assert isinstance(currency, forms.ChoiceField)
        plan.queryset = plans
        codes = Price.objects.filter(plan__seller=self.obj.seller_id, is_active=True)
        found = codes.order_by("currency").values_list("currency", flat=True).distinct()
        currency.choices = [("", ""), *((code, code) for code in found)]

    def clean_currency(self) -> str | None:
        return self.cleaned_data["currency"] or None


class Start(SubscriptionAction):
    """On the customer's page: a new subscription, from today."""

    name = "start-subscription"
    label = "Start subscription"
    explanation = "Service starts today. Its first bill is issued at once."
    permission = "subscriptions.add_subscription"
    icon = "add"
    variant = ActionVariant.PRIMARY
    form_class = StartForm

    def change(self, obj: Any, *, as_of: date, actor: str, **asked: Any) -> Subscription:
        return actions.start(obj, as_of=as_of, actor=actor, **asked)

    def said_of(self, changed: Subscription) -> str:
        return f"Started {changed.plan}."


class ReferenceForm(ActionForm):
    reference = forms.CharField(
        max_length=REFERENCE_MAX,
        required=False,
        help_text="Such as a cost centre or an order number; empty: the customer's.",
    )

    def ask(self) -> None:
        self.fields["reference"].initial = self.obj.buyer_reference


class ChangeReference(PageAction):
    name = "change-reference"
    label = "Change the buyer's reference"
    explanation = "The documents of this subscription bear it from the next one on."
    permission = "subscriptions.change_subscription"
    icon = "tag"
    form_class = ReferenceForm

    def is_offered(self, obj: Subscription) -> bool:
        return obj.status != Subscription.Status.ENDED

    def run(self, obj: Subscription, *, as_of: date, actor: str, **asked: Any) -> str:
        changed = actions.change_buyer_reference(obj, as_of=as_of, actor=actor, **asked)
        reference = changed.buyer_reference
        return f"Its documents bear “{reference}”." if reference else "They bear the customer's."


class CouponForm(ActionForm):
    coupon = forms.ModelChoiceField(Coupon.objects.none())

    def ask(self) -> None:
        coupon = self.fields["coupon"]
        assert isinstance(coupon, forms.ModelChoiceField)
        coupon.queryset = Coupon.objects.filter(seller=self.obj.seller_id, is_active=True).order_by(
            "code"
        )


class GiveCoupon(PageAction):
    """On the page of a customer, for all that it has, or of one subscription."""

    name = "give-coupon"
    label = "Give coupon"
    explanation = "It takes its discount off the next documents."
    permission = "subscriptions.add_couponredemption"
    icon = "sell"
    form_class = CouponForm

    def run(self, obj: Any, *, as_of: date, actor: str, **asked: Any) -> str:
        subscription = obj if isinstance(obj, Subscription) else None
        customer = obj if subscription is None else subscription.customer
        coupons.redeem_coupon(
            customer, asked["coupon"], as_of=as_of, actor=actor, subscription=subscription
        )
        return f"Gave the coupon {asked['coupon']}."


CouponAdmin.extend(panels=[USES, REDEMPTIONS])
CustomerAdmin.extend(panels=[SUBSCRIPTIONS], page_actions=[Start(), GiveCoupon()])


class WorkFilter(DropdownFilter):
    """What may need somebody."""

    title = "work"
    parameter_name = "work"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [
            ("parked", "Parked: cannot be billed"),
            ("due", "Due to be billed"),
            ("ending", "Canceled, not yet ended"),
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
        return (("Parked: it cannot be billed", {"fields": fields}), *fieldsets)


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
