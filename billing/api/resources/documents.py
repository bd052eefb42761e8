"""What invoices and credit notes look like, issued or only foreseen."""

from typing import Any, ClassVar

from rest_framework import serializers

from billing.api.fields import Exact
from billing.api.reading import Reading, Reference
from billing.api.scopes import Scope
from billing.invoicing.changes import SeenBill
from billing.invoicing.models import Invoice, InvoiceLine
from billing.payments.outlook import Prospect, what_becomes_of
from customers.calendar import today_of
from customers.models import LANGUAGES


class RateReading(serializers.Serializer[Any]):
    category = serializers.CharField()
    rate = serializers.CharField(help_text="Percent.")
    inclusive = serializers.BooleanField(required=False)
    name = serializers.CharField(required=False, allow_blank=True)


class CorrectedReading(Reading):
    """The line that a credit gives back of."""

    invoice = serializers.CharField(source="invoice.public_id")
    line = serializers.IntegerField(source="position")


class LineReading(Reading):
    """A line with the reason for its amount, which is before discount and tax."""

    line = serializers.IntegerField(source="position")
    kind = serializers.ChoiceField(InvoiceLine.Kind.choices)
    description = serializers.CharField()
    starts_on = serializers.DateField(allow_null=True)
    ends_on = serializers.DateField(allow_null=True, help_text="The first day after.")
    quantity = Exact(allow_null=True)
    unit = serializers.CharField(
        allow_blank=True, help_text="Of the quantity, such as kg; empty where its meter has none."
    )
    unit_amount = Exact(allow_null=True, help_text="In major units.")
    amount_minor = serializers.IntegerField()
    discount_minor = serializers.IntegerField()
    net_minor = serializers.IntegerField(help_text="After discount, without tax.")
    tax = RateReading(many=True)
    days = serializers.IntegerField(allow_null=True, help_text="Days paid for,")
    of_days = serializers.IntegerField(allow_null=True, help_text="of the period's.")
    price = Reference("PriceReading", allow_null=True)
    subscription = Reference("SubscriptionReading", allow_null=True)
    corrects = CorrectedReading(allow_null=True)

    also_loads: ClassVar[tuple[str, ...]] = ("corrects__invoice",)

    @staticmethod
    def read_tax(line: InvoiceLine) -> Any:
        return line.tax


class TaxReading(Reading):
    """One VAT group: what the document has at one rate of one category."""

    category = serializers.CharField()
    percent = Exact()
    is_inclusive = serializers.BooleanField()
    name = serializers.CharField(allow_blank=True)
    net_minor = serializers.IntegerField()
    tax_minor = serializers.IntegerField()


class AmountsReading(Reading):
    """All that a document comes to, in the currency's smallest unit; none is below zero."""

    kind = serializers.ChoiceField(Invoice.Kind.choices)
    currency = serializers.CharField()
    issued_on = serializers.DateField()
    due_on = serializers.DateField()
    subtotal_minor = serializers.IntegerField()
    discount_minor = serializers.IntegerField()
    net_minor = serializers.IntegerField()
    tax_minor = serializers.IntegerField()
    rounding_minor = serializers.IntegerField()
    total_minor = serializers.IntegerField()
    credit_applied_minor = serializers.IntegerField(help_text="Paid from the balance.")
    amount_due_minor = serializers.IntegerField()


class DocumentReading(AmountsReading):
    """An invoice or a credit note, without its lines."""

    scope = Scope.INVOICES_READ

    id = serializers.CharField(source="public_id")
    number = serializers.CharField(allow_null=True)
    status = serializers.ChoiceField(Invoice.Status.choices)
    customer = Reference("CustomerReading")
    subscription = Reference("SubscriptionReading", allow_null=True)
    language = serializers.ChoiceField(LANGUAGES)
    reference = serializers.CharField(allow_blank=True, help_text="What a payer quotes (OCR).")
    buyer_reference = serializers.CharField(allow_blank=True, help_text="As it is printed on it.")
    paid_minor = serializers.IntegerField(help_text="By money that came for it.")
    paid_from_balance_minor = serializers.IntegerField(
        source="from_balance_minor",
        help_text="By the balance since it was issued; before, it is `credit_applied_minor`.",
    )
    credited_minor = serializers.IntegerField(
        source="by_notes_minor", help_text="Taken off by credit notes."
    )
    rounded_off_minor = serializers.IntegerField(
        help_text="A difference so small that it is not asked for."
    )
    outstanding_minor = serializers.IntegerField(help_text="What is left to pay.")
    credit_to = serializers.CharField(
        allow_null=True, help_text="Where a credit note's money goes: balance or refund."
    )
    closed_on = serializers.DateField(allow_null=True)
    recorded_at = serializers.DateTimeField()

    @staticmethod
    def read_outstanding_minor(document: Invoice) -> int:
        return document.left_minor if document.is_collectable else 0

    @staticmethod
    def read_credit_to(document: Invoice) -> str | None:
        return document.credit_to or None


class NextStepReading(serializers.Serializer[Any]):
    """What becomes of what is left to pay, as things stand now."""

    kind = serializers.ChoiceField(
        [(each.value, each.value) for each in Prospect],
        help_text="`charge`: the card is charged on `on`. `held`: it is, once charging, which is "
        "stopped, goes on. `confirm`: the customer confirms it at `action_url`. `under_way`: an "
        "answer is awaited. `failed`: the last charge was refused and none is planned. "
        "`needs_card`: there is no card to charge. `pay`: the customer pays by `on`. `ask`: the "
        "customer would pay, but the invoice bears no account and no card page can be opened. "
        "`settled`: nothing is left.",
    )
    on = serializers.DateField(help_text="The day of the charge, or else the due date.")
    action_url = serializers.CharField(allow_blank=True)


class DocumentDetail(DocumentReading):
    """An invoice or a credit note with its lines and VAT groups."""

    shown_as = ("inv", Invoice)

    next_step = NextStepReading(allow_null=True, help_text="None for a credit note.")

    bill_to = serializers.JSONField(help_text="The customer as it stood on the day of issue.")
    lines = LineReading(many=True)
    taxes = TaxReading(many=True)

    also_loads: ClassVar[tuple[str, ...]] = ("letterhead", "seller__test_clock", "customer__seller")

    @staticmethod
    def read_next_step(document: Invoice) -> dict[str, str] | None:
        if document.kind != Invoice.Kind.INVOICE:
            return None
        seen = what_becomes_of(document, today_of(document.seller))
        return {
            "kind": seen.prospect.value,
            "on": seen.on.isoformat(),
            "action_url": seen.action_url,
        }

    prefetches = (
        LineReading.prefetch("lines", InvoiceLine.objects.order_by("position")),
        "taxes",
    )


class SeenLineReading(LineReading):
    """A line that is not kept: what it hangs on may not be there any more."""

    subscription = None  # type: ignore[assignment]
    corrects = None  # type: ignore[assignment]
    also_loads = ()


class SeenReading(AmountsReading):
    """A document that is not issued: what it would be."""

    to_pay_minor = serializers.IntegerField(help_text="Below zero for what comes back.")
    lines = SeenLineReading(many=True)
    taxes = TaxReading(many=True)

    @classmethod
    def show(cls, instance: Any, expand: frozenset[str] = frozenset()) -> dict[str, Any]:
        bill: SeenBill = instance
        return {
            **AmountsReading.show(bill.document),
            "to_pay_minor": bill.to_pay_minor,
            "lines": [SeenLineReading.show(line) for line in bill.lines],
            "taxes": [TaxReading.show(tax) for tax in bill.taxes],
        }
