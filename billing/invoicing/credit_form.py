"""What an operator is asked of a credit note: how much of which lines, and why."""

from collections import defaultdict
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django import forms
from django.utils import translation
from django.utils.translation import npgettext, pgettext, pgettext_lazy

from billing.desk.forms import ConfirmedForm
from billing.desk.page_actions import refusal
from billing.engine.errors import BillingError
from billing.engine.money import exact_minor, round_ratio
from billing.invoicing.corrections import CREDITABLE, corrections_of
from billing.invoicing.models import Invoice, InvoiceLine
from billing.invoicing.writing import Writer

# Of longer invoices the later lines are credited by a sum, or by API.
LINES_MAX = 30
AMOUNT, DAYS = "amount-of-", "days-of-"


class CreditForm(ConfirmedForm):
    """Asks for a sum with tax, or for parts of single lines, as a net amount or as days.

    ``lines`` of what it answers are pairs of a line and its net in minor units, or None.
    """

    amount = forms.DecimalField(
        required=False,
        min_value=0,
        label=pgettext_lazy("desk", "Sum"),
        help_text=pgettext_lazy(
            "desk",
            "With tax. If this is empty and no line is chosen, all that is left is "
            "credited; you will be asked to confirm it.",
        ),
    )
    to = forms.ChoiceField(
        choices=[
            ("balance", pgettext_lazy("desk", "To the customer's balance")),
            ("refund", pgettext_lazy("desk", "Pay it back")),
        ],
        label=pgettext_lazy("desk", "What has been paid"),
        help_text=pgettext_lazy("desk", "What is not yet paid is taken off the invoice first."),
    )
    reason = forms.CharField(
        label=pgettext_lazy("desk", "Reason"),
        required=False,
        max_length=500,
        help_text=pgettext_lazy("desk", "Printed on the credit note, where the customer sees it."),
    )

    def ask(self) -> None:
        creditable = self.obj.lines.filter(kind__in=CREDITABLE, net_minor__gt=0)
        self.lines: list[InvoiceLine] = list(creditable.order_by("position")[:LINES_MAX])
        write = Writer(translation.get_language() or "en", self.obj.currency)
        credited = _credited_minor(self.lines)
        for line in self.lines:
            there_is = pgettext("desk", "%(amount)s without VAT.")
            if credited[line.pk]:
                there_is = pgettext(
                    "desk",
                    "%(amount)s without VAT, of which %(credited)s has been credited already.",
                )
            write_what = pgettext("desk", "Enter what to credit, without VAT.")
            amounts = {
                "amount": write.money(line.net_minor),
                "credited": write.money(credited[line.pk]),
            }
            named = {"position": line.position, "name": _named(line, write)}
            self.fields[f"{AMOUNT}{line.pk}"] = forms.DecimalField(
                required=False,
                min_value=0,
                label=pgettext("desk", "Of line %(position)s, %(name)s") % named,
                help_text=f"{there_is % amounts} {write_what}",
            )
            if days := days_of(line):
                self.fields[f"{DAYS}{line.pk}"] = forms.IntegerField(
                    required=False,
                    min_value=1,
                    max_value=days,
                    label=pgettext("desk", "Or days of line %(position)s") % named,
                    help_text=npgettext(
                        "desk", "It is for %(count)s day.", "It is for %(count)s days.", days
                    )
                    % {"count": days},
                )
        of_lines = [name for name in self.fields if name.startswith((AMOUNT, DAYS))]
        self.order_fields(["amount", *of_lines])

    def clean(self) -> dict[str, Any]:
        asked = super().clean() or self.cleaned_data
        parts = [(line, self._net_of(line, asked)) for line in self.lines]
        for name in [name for name in asked if name.startswith((AMOUNT, DAYS))]:
            asked.pop(name)
        asked["lines"] = [(line, minor) for line, minor in parts if minor] or None
        if asked["lines"] and asked.get("amount") is not None:
            self.add_error(
                "amount",
                pgettext("desk", "Enter a sum for the whole invoice, or parts of lines, not both."),
            )
        return asked

    def _net_of(self, line: InvoiceLine, asked: dict[str, Any]) -> int:
        """What comes back of a line, in minor units; 0 where nothing was asked of it."""
        amount: Decimal | None = asked.get(f"{AMOUNT}{line.pk}")
        days: int | None = asked.get(f"{DAYS}{line.pk}")
        if amount and days:
            self.add_error(
                f"{DAYS}{line.pk}",
                pgettext("desk", "Enter an amount or a number of days, not both."),
            )
            return 0
        if days:
            return round_ratio(line.net_minor * days, days_of(line))
        try:
            return exact_minor(amount, self.obj.currency) if amount else 0
        except BillingError as error:
            self.add_error(f"{AMOUNT}{line.pk}", refusal(error))
            return 0


def days_of(line: InvoiceLine) -> int:
    """For how many days a line was billed; 0 of what is for none."""
    if line.kind != InvoiceLine.Kind.RECURRING or line.starts_on is None or line.ends_on is None:
        return 0
    return line.days or (line.ends_on - line.starts_on).days


def _named(line: InvoiceLine, write: Writer) -> str:
    if line.starts_on is None or line.ends_on is None:
        return line.description
    end = max(line.ends_on, line.starts_on + timedelta(days=1))
    return f"{line.description} ({write.period(line.starts_on, end)})"


def _credited_minor(lines: list[InvoiceLine]) -> dict[int, int]:
    """What credit notes have given back of lines, net and in minor units, by their keys."""
    credited: dict[int, int] = defaultdict(int)
    for correction in corrections_of(lines):
        if correction.corrects_id and correction.invoice.kind == Invoice.Kind.CREDIT_NOTE:
            credited[correction.corrects_id] += correction.net_minor
    return credited
