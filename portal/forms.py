"""What is asked of a customer before a subscription is changed."""

from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from django import forms
from django.utils.translation import pgettext, pgettext_lazy

from billing.base.typed import Typed
from billing.engine.bounds import UNITS_ORDERED_MAX
from billing.subscriptions.allowed_changes import counted
from billing.subscriptions.models import Subscription
from catalog.models import Plan, Price

PAUSE_DAYS_MAX = 366


class ChangeForm(Typed):
    """Which plan, how many units of what is counted in it, and from when."""

    plan = forms.ChoiceField(
        widget=forms.RadioSelect,
        error_messages={"invalid_choice": pgettext_lazy("portal", "Choose one of these plans.")},
    )
    when = forms.ChoiceField(choices=[("now", ""), ("period_end", "")], required=False)

    def __init__(
        self, subscription: Subscription, plans: list[Plan], had: Mapping[str, Decimal], data: Any
    ):
        super().__init__(data)
        self.subscription, self.plans, self.had = subscription, plans, had
        self.fields["plan"].choices = [(plan.public_id, plan.name) for plan in plans]  # type: ignore[attr-defined]
        self.chosen = next(
            (plan for plan in plans if plan.public_id == data.get("plan")), subscription.plan
        )
        self.counted: list[Price] = counted(getattr(self._of_plans(), "offered", []))
        for number, price in enumerate(self.counted):
            name = f"quantity-{number}"
            self.fields[name] = self._quantity_field(price, is_typed=name in data)

    def _of_plans(self) -> Plan:
        return next(plan for plan in self.plans if plan.pk == self.chosen.pk)

    def _quantity_field(self, price: Price, *, is_typed: bool) -> forms.IntegerField:
        """A number of units, at first those that there are. An empty field is no number either:
        nobody is to order the former number while the page shows none.
        """
        initial = int(self.had.get(price.code, price.quantity)) or 1
        # Who has more by agreement may keep them.
        most = max(UNITS_ORDERED_MAX, initial)
        whole = pgettext("portal", "Enter a whole number.")
        return forms.IntegerField(
            label=price.name or price.plan.name,
            min_value=1,
            max_value=most,
            required=is_typed,
            initial=initial,
            error_messages={
                "required": whole,
                "invalid": whole,
                "min_value": pgettext("portal", "Order at least one."),
                "max_value": pgettext("portal", "You can order at most %(most)s here.")
                % {"most": most},
            },
            widget=forms.NumberInput(
                attrs={"class": "narrow", "inputmode": "numeric"}
                | ({} if is_typed else {"value": initial})
            ),
        )

    @property
    def quantities(self) -> dict[str, Decimal]:
        """By price code, what is asked for, and what there is where nothing was written."""
        return {
            price.code: Decimal(
                self.cleaned_data.get(f"quantity-{number}")
                or self.fields[f"quantity-{number}"].initial
            )
            for number, price in enumerate(self.counted)
        }

    @property
    def asked(self) -> str:
        """All that is asked for, as one text."""
        quantities = [f"{code}={quantity}" for code, quantity in self.quantities.items()]
        when = self.cleaned_data["when"] or "now"
        return " ".join([self.chosen.public_id, when, *quantities])

    def is_same(self) -> bool:
        """Whether it asks for what there is already."""
        return self.chosen.pk == self.subscription.plan_id and all(
            self.had.get(code) == quantity for code, quantity in self.quantities.items()
        )


class CouponForm(Typed):
    code = forms.CharField(
        label=pgettext_lazy("portal", "Discount code"),
        max_length=80,
        error_messages={"required": pgettext_lazy("portal", "Enter the code.")},
        widget=forms.TextInput(
            attrs={"autocomplete": "off", "autocapitalize": "characters", "spellcheck": "false"}
        ),
    )


class PauseForm(Typed):
    """Until a day, or until it is resumed."""

    length = forms.ChoiceField(choices=[("open", ""), ("until", "")])
    until = forms.DateField(
        label=pgettext_lazy("portal", "First day after the pause"), required=False
    )

    def __init__(self, as_of: date, data: Any):
        super().__init__(data, auto_id="%s")
        self.as_of = as_of

    def clean(self) -> dict[str, Any]:
        asked = super().clean() or self.cleaned_data
        if asked.get("length") == "open":
            asked["until"] = None
            return asked
        until = asked.get("until")
        if until is None or until <= self.as_of:
            self.add_error("until", pgettext("portal", "Choose a day after today."))
        elif until > self.as_of + timedelta(days=PAUSE_DAYS_MAX):
            self.add_error("until", pgettext("portal", "Choose a day within a year."))
        return asked


class CancelForm(Typed):
    """Why, if they like to say."""

    REASONS = {
        "too_expensive": pgettext_lazy("portal", "It costs too much"),
        "not_used": pgettext_lazy("portal", "I do not use it enough"),
        "missing": pgettext_lazy("portal", "Something is missing"),
        "other_service": pgettext_lazy("portal", "I have found something better"),
        "other": pgettext_lazy("portal", "Something else"),
    }
    reason = forms.ChoiceField(choices=[*REASONS.items()], required=False)
