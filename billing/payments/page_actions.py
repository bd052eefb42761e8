"""What an operator does about payments, by a button."""

from collections.abc import Callable
from datetime import date
from typing import Any

from django import forms
from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import pgettext, pgettext_lazy
from unfold.enums import ActionVariant

from billing.desk.figures import as_pages_write, day
from billing.desk.forms import ActionForm, ConfirmedForm, date_field
from billing.desk.page_actions import PageAction, refusal
from billing.desk.seller_time import today_of
from billing.engine.errors import BillingError, Refused
from billing.engine.money import Money, exact_minor, major_string
from billing.invoicing.models import Invoice
from billing.invoicing.owed import IS_ORDERED
from billing.invoicing.page_actions import InvoiceAction
from billing.payments import booking
from billing.payments.charging import charge, clear_attention, resolve
from billing.payments.gateways.base import Purpose
from billing.payments.gateways.registry import choose_gateway
from billing.payments.giving_back import (
    give_back,
    mark_paid_back,
    note_account,
    paid_by_hand_minor,
    reopen,
)
from billing.payments.models import IN_FLIGHT, CheckoutSession, Payment, Refund
from billing.payments.paying_out import pay_out_balance, payable_out_minor
from billing.payments.planning import collect_soon
from billing.payments.returns import mark_returned
from billing.payments.sessions import complete_session, open_session, prepare_setup
from customers.models import Customer
from customers.persons import person_ids

# A form of more fields helps nobody: what is older is paid first.
PARTS_MAX = 50


class PaymentForm(ConfirmedForm):
    amount = forms.DecimalField(
        label=pgettext_lazy("desk", "Amount"),
        min_value=0,
        help_text=pgettext_lazy("desk", "The amount that arrived."),
    )
    received_on = date_field(
        label=pgettext_lazy("desk", "Received on"),
        required=False,
        help_text=pgettext_lazy("desk", "The bank's date. If it is empty, today."),
    )
    reference = forms.CharField(
        label=pgettext_lazy("desk", "Reference"),
        required=False,
        max_length=80,
        help_text=pgettext_lazy("desk", "The bank's reference, where there is one."),
    )

    def ask(self) -> None:
        outstanding = major_string(self.obj.left_minor, self.obj.currency)
        self.fields["amount"].initial = outstanding
        self.fields["received_on"].initial = today_of(self.obj)


class RecordPayment(InvoiceAction):
    name = "record-payment"
    label = "Record payment"
    explanation = pgettext_lazy(
        "desk",
        "Money that has arrived for this invoice, at the bank or in another "
        "way. It also pays an invoice that was written off, which is then no "
        "longer a loss.",
    )
    permission = "payments.add_payment"
    icon = "payments"
    variant = ActionVariant.PRIMARY
    form_class = PaymentForm

    def is_offered(self, obj: Invoice) -> bool:
        return obj.may_be_paid

    def run(self, obj: Invoice, *, as_of: date, actor: str, **asked: Any) -> str:
        payment = booking.record_payment(obj, as_of=as_of, actor=actor, **asked)
        return f"Recorded a payment of {Money(payment.amount_minor, payment.currency)}."


class PaymentOfManyForm(ConfirmedForm):
    """One payment, and how much of it is for which open invoice: a field for each."""

    currency = forms.ChoiceField(label=pgettext_lazy("desk", "Currency"))
    amount = forms.DecimalField(
        label=pgettext_lazy("desk", "Amount"),
        min_value=0,
        required=False,
        help_text=pgettext_lazy(
            "desk",
            "The amount that arrived. If it is empty, the sum of the parts. What is "
            "left over goes to the balance.",
        ),
    )
    received_on = date_field(
        label=pgettext_lazy("desk", "Received on"),
        required=False,
        help_text=pgettext_lazy("desk", "The bank's date. If it is empty, today."),
    )
    reference = forms.CharField(
        label=pgettext_lazy("desk", "Reference"),
        required=False,
        max_length=80,
        help_text=pgettext_lazy("desk", "The bank's reference, where there is one."),
    )

    def ask(self) -> None:
        self.open = list(_payable(self.obj))
        currency = self.fields["currency"]
        assert isinstance(currency, forms.ChoiceField)
        codes = dict.fromkeys(invoice.currency for invoice in self.open)
        currency.choices = [(code, code) for code in codes]
        self.fields["received_on"].initial = today_of(self.obj)
        for invoice in self.open:
            left = Money(invoice.left_minor, invoice.currency)
            self.fields[invoice.public_id] = forms.DecimalField(
                min_value=0,
                required=False,
                label=pgettext("desk", "For invoice %(invoice)s") % {"invoice": invoice},
                help_text=pgettext("desk", "%(amount)s is left, due on %(day)s.")
                % {"amount": as_pages_write(f"{left}"), "day": day(invoice.due_on)},
            )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        parts: dict[Invoice, int] = {}
        for invoice in self.open:
            part = cleaned.pop(invoice.public_id, None)
            if not part:
                continue
            if invoice.currency != cleaned.get("currency"):
                self.add_error(
                    invoice.public_id, pgettext("desk", "One payment is in one currency.")
                )
                continue
            try:
                parts[invoice] = exact_minor(part, invoice.currency)
            except BillingError as error:
                self.add_error(invoice.public_id, refusal(error))
        if not parts and not self.errors:
            self.add_error(
                None, pgettext("desk", "Enter how much of the money is for which invoice.")
            )
        cleaned["parts"] = parts
        return cleaned


def _payable(customer: Customer) -> QuerySet[Invoice]:
    """The invoices that money may still pay, the oldest due first; not those of mere orders."""
    payable = Invoice.objects.filter(
        customer=customer,
        kind=Invoice.Kind.INVOICE,
        status__in=[Invoice.Status.OPEN, Invoice.Status.UNCOLLECTIBLE],
    )
    return payable.filter(~IS_ORDERED).order_by("due_on", "id")[:PARTS_MAX]


class RecordPaymentOfMany(PageAction):
    """On the page of a customer: one line of the bank's statement that pays several invoices."""

    name = "record-payment"
    label = "Record payment"
    explanation = pgettext_lazy(
        "desk",
        "One payment that has arrived for several invoices. Enter how much is "
        "for which invoice, and the day on which it arrived.",
    )
    permission = "payments.add_payment"
    icon = "payments"
    form_class = PaymentOfManyForm

    def is_offered(self, obj: Customer) -> bool:
        return _payable(obj).exists()

    def run(self, obj: Customer, *, as_of: date, actor: str, **asked: Any) -> str:
        parts: dict[Invoice, int] = asked.pop("parts")
        currency = asked.pop("currency")
        payment = booking.record_payment_of_many(obj, parts, as_of=as_of, actor=actor, **asked)
        amount = Money(payment.amount_minor, currency)
        return f"Recorded a payment of {amount} for {len(parts)} invoices."


class BackForm(ActionForm):
    amount = forms.DecimalField(
        label=pgettext_lazy("desk", "Amount"),
        min_value=0,
        help_text=pgettext_lazy("desk", "With tax."),
    )
    reason = forms.CharField(
        label=pgettext_lazy("desk", "Reason"),
        required=False,
        max_length=200,
        help_text=pgettext_lazy("desk", "Printed on the credit note, where the customer sees it."),
    )

    def ask(self) -> None:
        self.fields["amount"].initial = major_string(self.obj.paid_minor, self.obj.currency)


class GiveBack(PageAction):
    name = "give-back"
    label = "Give back"
    explanation = pgettext_lazy(
        "desk",
        "Pays money back for good: a credit note is issued, and the invoice is "
        "not owed again. What was paid by card goes back to the card. What was "
        "paid through a bank waits on the front page until somebody has paid "
        "it. The customer gets an email about both.",
    )
    permission = "payments.add_refund"
    icon = "undo"
    form_class = BackForm

    def is_offered(self, obj: Invoice) -> bool:
        return obj.paid_minor > 0 and not obj.is_collectable

    def run(self, obj: Invoice, *, as_of: date, actor: str, **asked: Any) -> str:
        note = give_back(obj, as_of=as_of, actor=actor, **asked)
        is_owed = Refund.objects.filter(invoice=obj, state=Refund.State.OWED).exists()
        amount = Money(note.total_minor, note.currency)
        return f"Issued credit note {note} of {amount}. {_where_it_goes(is_owed=is_owed)}"


class ReopenForm(BackForm):
    reason = forms.CharField(
        label=pgettext_lazy("desk", "Reason"),
        required=False,
        max_length=200,
        help_text=pgettext_lazy("desk", "For example: the bank took the payment back."),
    )

    def ask(self) -> None:
        paid = paid_by_hand_minor(self.obj)
        self.fields["amount"].initial = major_string(paid, self.obj.currency)


class Reopen(PageAction):
    name = "reopen"
    label = "Reopen"
    explanation = pgettext_lazy(
        "desk",
        "For a payment that bounced, or was recorded in error: the invoice is owed again, and "
        "reminders continue. No money and no email is sent.",
    )
    permission = "payments.add_refund"
    icon = "lock_open"
    form_class = ReopenForm

    def is_offered(self, obj: Invoice) -> bool:
        return obj.paid_minor > 0 and paid_by_hand_minor(obj) > 0

    def run(self, obj: Invoice, *, as_of: date, actor: str, **asked: Any) -> str:
        returned = reopen(obj, as_of=as_of, actor=actor, **asked)
        amount = Money(sum(each.amount_minor for each in returned), obj.currency)
        return f"{amount} of {obj} is owed again."


class PayOutForm(ActionForm):
    currency = forms.ChoiceField(label=pgettext_lazy("desk", "Currency"))
    amount = forms.DecimalField(
        label=pgettext_lazy("desk", "Amount"),
        min_value=0,
        required=False,
        help_text=pgettext_lazy("desk", "If it is empty, all of it."),
    )

    def ask(self) -> None:
        currency = self.fields["currency"]
        assert isinstance(currency, forms.ChoiceField)
        currency.choices = [
            (balance.currency, str(Money(minor, balance.currency)))
            for balance in self.obj.balances.filter(balance_minor__gt=0).order_by("currency")
            if (minor := payable_out_minor(self.obj, balance.currency))
        ]


class PayOutBalance(PageAction):
    name = "pay-out-balance"
    label = "Pay back balance"
    explanation = pgettext_lazy(
        "desk",
        "Pays back what the customer has paid and has on the balance. What was "
        "paid by card goes back to the card. What was paid through a bank waits "
        "on the front page until somebody has paid it. Goodwill stays on the "
        "balance. The customer gets an email when the money is sent.",
    )
    permission = "payments.add_refund"
    icon = "savings"
    form_class = PayOutForm

    def is_offered(self, obj: Customer) -> bool:
        held = obj.balances.filter(balance_minor__gt=0)
        return any(payable_out_minor(obj, balance.currency) for balance in held)

    def run(self, obj: Customer, *, as_of: date, actor: str, **asked: Any) -> str:
        minor = pay_out_balance(obj, as_of=as_of, actor=actor, **asked)
        theirs = Refund.objects.filter(payment__customer__in=person_ids(obj))
        refunds = theirs.filter(state=Refund.State.OWED)
        amount = Money(minor, asked["currency"])
        return f"Paid back {amount} of the balance. {_where_it_goes(is_owed=refunds.exists())}"


class PaidBackForm(ActionForm):
    paid_on = date_field(label=pgettext_lazy("desk", "Paid on"))
    reference = forms.CharField(
        label=pgettext_lazy("desk", "Reference"),
        required=False,
        max_length=80,
        help_text=pgettext_lazy("desk", "The bank's reference for the payment."),
    )

    def ask(self) -> None:
        self.fields["paid_on"].initial = today_of(self.obj.payment)


class MarkPaidBack(PageAction):
    name = "mark-paid"
    label = "Mark as paid"
    explanation = pgettext_lazy(
        "desk",
        "For a refund that you have paid through your bank. It is booked, and "
        "the customer gets an email.",
    )
    permission = "payments.add_refund"
    icon = "check"
    variant = ActionVariant.PRIMARY
    form_class = PaidBackForm

    def is_offered(self, obj: Refund) -> bool:
        return obj.state == Refund.State.OWED

    def run(self, obj: Refund, *, as_of: date, actor: str, **asked: Any) -> str:
        mark_paid_back(obj, as_of=as_of, actor=actor, **asked)
        return f"Paid back {Money(obj.amount_minor, obj.payment.currency)}."


class AccountForm(ActionForm):
    to_account = forms.CharField(
        max_length=60,
        label=pgettext_lazy("desk", "Account"),
        help_text=pgettext_lazy("desk", "IBAN, or clearing and account number."),
    )

    def ask(self) -> None:
        self.fields["to_account"].initial = self.obj.to_account


class NoteAccount(PageAction):
    name = "note-account"
    label = "Customer's account"
    explanation = pgettext_lazy("desk", "The account to pay to, as the customer has given it.")
    permission = "payments.add_refund"
    icon = "account_balance"
    form_class = AccountForm

    def is_offered(self, obj: Refund) -> bool:
        return obj.state == Refund.State.OWED

    def run(self, obj: Refund, *, as_of: date, actor: str, **asked: Any) -> str:
        note_account(obj, **asked)
        return f"It is to be paid to {asked['to_account']}."


class CollectNow(InvoiceAction):
    name = "collect-now"
    label = "Collect now"
    explanation = pgettext_lazy(
        "desk", "Charges what is left of this invoice to the customer's payment method right away."
    )
    permission = "payments.add_payment"
    icon = "bolt"

    def is_offered(self, obj: Invoice) -> bool:
        is_charged = obj.customer.collection == Customer.Collection.AUTOMATIC
        return super().is_offered(obj) and is_charged and obj.is_collectable

    def run(self, obj: Invoice, *, as_of: date, actor: str, **asked: Any) -> str:
        payment = collect_soon(obj, as_of=as_of, actor=actor)
        after_commit(lambda: charge(payment.pk, as_of=as_of, actor=actor))
        amount = Money(payment.amount_minor, payment.currency)
        return f"The gateway is asked to charge {amount}; the payment below tells what it says."


class AskTheGateway(PageAction):
    name = "ask-the-gateway"
    label = "Ask the gateway"
    explanation = pgettext_lazy(
        "desk", "Asks the gateway what became of this payment, and records its answer."
    )
    permission = "payments.add_payment"
    icon = "help"
    variant = ActionVariant.PRIMARY

    def is_offered(self, obj: Payment) -> bool:
        return obj.state in IN_FLIGHT

    def run(self, obj: Payment, *, as_of: date, actor: str, **asked: Any) -> str:
        def ask() -> None:
            session = getattr(obj, "session", None)
            if session is not None and session.status in {
                CheckoutSession.Status.CREATING,
                CheckoutSession.Status.OPEN,
            }:
                complete_session(session, as_of=as_of, actor=actor)
            else:
                resolve(obj.pk, actor)

        after_commit(ask)
        return "The gateway was asked. What you see here is its answer."


class ReturnedForm(ActionForm):
    returned_on = date_field(
        label=pgettext_lazy("desk", "Returned on"),
        help_text=pgettext_lazy("desk", "The bank's date."),
    )

    def ask(self) -> None:
        self.fields["returned_on"].initial = today_of(self.obj)


class MarkReturned(PageAction):
    """On the page of a payment that a person recorded; of its own, a gateway tells."""

    name = "returned"
    label = "Mark as returned"
    explanation = pgettext_lazy(
        "desk",
        "For a payment that the bank has taken back in full. What it had paid "
        "is owed again, reminders continue, and the customer gets an email. If "
        "it was recorded in error, or came back in part, press Reopen on the "
        "page of its invoice instead.",
    )
    permission = "payments.add_refund"
    icon = "keyboard_return"
    variant = ActionVariant.DANGER
    form_class = ReturnedForm

    def is_offered(self, obj: Payment) -> bool:
        return obj.state == Payment.State.SUCCEEDED and obj.is_by_hand

    def run(self, obj: Payment, *, as_of: date, actor: str, **asked: Any) -> str:
        if not obj.is_by_hand:
            raise Refused(
                "A gateway has this money, and tells when it comes back.", code="not_by_hand"
            )
        payment = mark_returned(obj, as_of=as_of, actor=actor, **asked)
        amount = Money(payment.amount_minor - payment.refunded_minor, payment.currency)
        return f"{amount} has come back, and is owed again. {payment.attention}".strip()


class ClearAttention(PageAction):
    name = "looked-at"
    label = "Looked at"
    explanation = pgettext_lazy(
        "desk", "For what you have seen to. It disappears from the front page."
    )
    permission = "payments.add_payment"
    icon = "visibility"

    def is_offered(self, obj: Payment) -> bool:
        return bool(obj.attention) and obj.is_over

    def run(self, obj: Payment, *, as_of: date, actor: str, **asked: Any) -> str:
        clear_attention(obj)
        return f"Nobody needs to look at {obj} any more."


class AskForACard(PageAction):
    name = "ask-for-a-card"
    label = "Link to add a card"
    explanation = pgettext_lazy(
        "desk",
        "Makes a page at the gateway where the customer can add a card. Send "
        "its address to the customer.",
    )
    permission = "payments.add_paymentmethod"
    icon = "add_card"

    def is_offered(self, obj: Customer) -> bool:
        return choose_gateway(obj.seller, Purpose.KEEP_METHOD) is not None

    def run(self, obj: Customer, *, as_of: date, actor: str, **asked: Any) -> str:
        gateway = choose_gateway(obj.seller, Purpose.KEEP_METHOD)
        if gateway is None:
            raise Refused(
                "No gateway serves this seller, so there is no page to add a card on. Set one "
                "up first.",
                code="no_gateway",
            )
        session = prepare_setup(obj, gateway=gateway.name, as_of=as_of, actor=actor)
        after_commit(lambda: open_session(session, as_of=as_of, actor=actor))
        return "The page is ready. Its address is below, under “Pages at the gateway”."


def _where_it_goes(*, is_owed: bool) -> str:
    if is_owed:
        return "Somebody must pay it: see the front page."
    return "It goes back to the card."


def after_commit(work: Callable[[], object]) -> None:
    """Call a gateway once the operator's transaction is closed; the tick does what is left."""
    transaction.on_commit(work, robust=True)
