"""What an operator does to a subscription, and to a customer's, by a button."""

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from functools import partial
from typing import Any, ClassVar, Protocol

from django import forms
from django.db.models import Prefetch
from django.utils.translation import pgettext, pgettext_lazy
from unfold.enums import ActionVariant

from billing.desk.figures import written
from billing.desk.forms import ActionForm, NamedChoice, date_field
from billing.desk.page_actions import PageAction
from billing.desk.previews import Preview, Reckoned
from billing.desk.seller_time import today_of
from billing.engine.bounds import QUANTITY_DECIMALS_MAX, QUANTITY_MAX, TRIAL_DAYS_MAX
from billing.subscriptions import actions, coupons, pausing
from billing.subscriptions.items import planned_change_on
from billing.subscriptions.models import Pause, Subscription
from billing.subscriptions.panels import items_on
from catalog.models import Coupon, Plan, Price
from customers.models import REFERENCE_MAX

# A price names its plan's interval.
PRICES_OF_PLANS = Prefetch("prices", Price.objects.with_units().select_related("plan"))


class Bills(Protocol):
    """What an app further up does about the bills of a change, which is still to be made."""

    def preview(self, change: Callable[[], Subscription], *, as_of: date) -> Preview: ...

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
        return self.bills.preview(change, as_of=as_of)

    def change(self, obj: Any, *, as_of: date, actor: str, **asked: Any) -> Subscription:
        raise NotImplementedError

    def said_of(self, changed: Subscription) -> str:
        """What was done, in a sentence."""
        raise NotImplementedError


class WhenForm(ActionForm):
    """Asks when: now, with the period, or on a day."""

    when = forms.ChoiceField(
        label=pgettext_lazy("desk", "When"),
        choices=[
            ("now", pgettext_lazy("desk", "Now")),
            ("period_end", pgettext_lazy("desk", "When the period ends")),
            ("date", pgettext_lazy("desk", "On a certain day")),
        ],
    )
    on = date_field(
        required=False,
        label=pgettext_lazy("desk", "Day"),
        help_text=pgettext_lazy("desk", "For “On a certain day”."),
    )

    def clean(self) -> dict[str, Any]:
        asked = super().clean() or {}
        on = asked.pop("on", None)
        if asked.get("when") == "date":
            if on is None:
                self.add_error("on", pgettext("desk", "Choose the day."))
            asked["when"] = on
        return asked


class ChangeForm(WhenForm):
    plan = NamedChoice(
        Plan.objects.none(),
        named=Plan.named_with_prices,
        required=False,
        empty_label=pgettext_lazy("desk", "Keep the plan and its prices"),
        label=pgettext_lazy("desk", "New plan"),
        help_text=pgettext_lazy("desk", "Choose the current plan to move to its current prices."),
    )
    is_credited = forms.BooleanField(
        required=False,
        initial=True,
        label=pgettext_lazy("desk", "Credit what is paid for the days not used"),
    )
    is_prorated = forms.BooleanField(
        required=False,
        initial=True,
        label=pgettext_lazy("desk", "Bill the new terms for the days that are left"),
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
                label=pgettext("desk", "New quantity of %(name)s")
                % {"name": item.price.name or item.key},
                help_text=pgettext("desk", "Now %(quantity)s. Leave it empty to keep that.")
                % {"quantity": written(item.quantity)},
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
            raise forms.ValidationError(
                pgettext("desk", "Choose a plan or enter another quantity.")
            )
        return asked


class Change(SubscriptionAction):
    name = "change"
    label = "Change plan or quantity"
    explanation = pgettext_lazy(
        "desk",
        "A change in the middle of a period credits what is left of the old and bills the new.",
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
        required=False,
        label=pgettext_lazy("desk", "Until"),
        help_text=pgettext_lazy(
            "desk", "The first day with service again. If it is empty, until somebody resumes it."
        ),
    )
    unused = forms.ChoiceField(
        choices=[(each.value, pgettext_lazy("desk", each.label)) for each in Pause.Unused],
        label=pgettext_lazy("desk", "Days already paid"),
    )


class PauseIt(SubscriptionAction):
    name = "pause"
    label = "Pause"
    explanation = pgettext_lazy("desk", "No service and no charge from today until it is resumed.")
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
    explanation = pgettext_lazy("desk", "Service and charges resume today.")
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
        required=False, label=pgettext_lazy("desk", "Credit what is paid for the days not used")
    )
    is_refunded = forms.BooleanField(
        required=False,
        label=pgettext_lazy("desk", "Pay the credit back"),
        help_text=pgettext_lazy("desk", "Otherwise it stays on the customer's balance."),
    )
    is_usage_billed = forms.BooleanField(
        required=False,
        initial=True,
        label=pgettext_lazy("desk", "Bill what was used until the end"),
    )

    def ask(self) -> None:
        self.fields["when"].initial = "period_end"


class Cancel(SubscriptionAction):
    name = "cancel"
    label = "Cancel"
    explanation = pgettext_lazy(
        "desk", "Service ends then. A planned end can be undone until the day comes."
    )
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
    explanation = pgettext_lazy(
        "desk", "The subscription continues as if it had not been canceled."
    )
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
    explanation = pgettext_lazy(
        "desk", "The subscription continues with the plan and the quantities that it has today."
    )
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
    plan = NamedChoice(
        Plan.objects.none(), label=pgettext_lazy("desk", "Plan"), named=Plan.named_with_prices
    )
    currency = forms.ChoiceField(
        label=pgettext_lazy("desk", "Currency"),
        required=False,
        help_text=pgettext_lazy("desk", "If it is empty, the seller's."),
    )
    trial_days = forms.IntegerField(
        label=pgettext_lazy("desk", "Trial days"),
        required=False,
        min_value=0,
        max_value=TRIAL_DAYS_MAX,
        help_text=pgettext_lazy("desk", "If it is empty, as many as the plan gives."),
    )
    ends_on = date_field(
        required=False,
        label=pgettext_lazy("desk", "Ends on"),
        help_text=pgettext_lazy(
            "desk", "The first day without service. If it is empty, it has no end."
        ),
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
    explanation = pgettext_lazy(
        "desk", "Service starts today. The first bill is issued right away."
    )
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
        label=pgettext_lazy("desk", "Reference"),
        max_length=REFERENCE_MAX,
        required=False,
        help_text=pgettext_lazy(
            "desk", "Such as a cost centre or an order number. If it is empty, the customer's."
        ),
    )

    def ask(self) -> None:
        self.fields["reference"].initial = self.obj.buyer_reference


class ChangeReference(PageAction):
    name = "change-reference"
    label = "Change the buyer's reference"
    explanation = pgettext_lazy(
        "desk", "It is printed on the documents of this subscription from the next one on."
    )
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
    coupon = forms.ModelChoiceField(Coupon.objects.none(), label=pgettext_lazy("desk", "Coupon"))

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
    explanation = pgettext_lazy("desk", "Its discount is taken off the next documents.")
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
