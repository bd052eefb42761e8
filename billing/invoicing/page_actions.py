"""What an operator does to a customer's bills and to an invoice, by a button."""

from datetime import date
from functools import partial
from typing import Any

from django import forms
from unfold.enums import ActionVariant

from billing.desk.forms import ActionForm, ConfirmedForm, NamedChoice
from billing.desk.page_actions import PageAction
from billing.desk.previews import Preview, Reckoned
from billing.engine.money import Money
from billing.invoicing import actions, balances, corrections, voiding
from billing.invoicing.actions import has_bill_to_come, revenue_accounts_of
from billing.invoicing.credit_form import CreditForm
from billing.invoicing.foreseen import BillsOfChanges, issued_in_words, preview_note
from billing.invoicing.models import BalanceEntry, Invoice, OneOffItem
from billing.invoicing.sums import currencies_of
from billing.subscriptions.admin import SubscriptionAction
from billing.subscriptions.models import Subscription
from catalog.models import REVENUE_ACCOUNT
from customers.models import REFERENCE_MAX, Customer

SubscriptionAction.bills = BillsOfChanges()


class BillNow(PageAction):
    name = "bill"
    label = "Bill now"
    explanation = "Bills what is due until today. What is not yet due stays for its day."
    permission = "invoicing.add_invoice"
    icon = "receipt_long"

    def run(self, obj: Any, *, as_of: date, actor: str, **asked: Any) -> str:
        subscription = obj if isinstance(obj, Subscription) else None
        customer = obj if subscription is None else subscription.customer
        issued = actions.bill_customer(
            customer, as_of=as_of, actor=actor, subscription=subscription
        )
        return issued_in_words(issued) or "Nothing is due."


class BillSubscription(BillNow):
    def is_offered(self, obj: Subscription) -> bool:
        return not obj.parked_reason


class TryAgain(BillNow):
    name = "try-again"
    label = "Try again"
    explanation = (
        "Bills what is due until today. A parked subscription that can be billed again is "
        "parked no more; else it stays, with the reason."
    )
    icon = "refresh"
    variant = ActionVariant.PRIMARY
    is_for_many = True

    def is_offered(self, obj: Subscription) -> bool:
        return bool(obj.parked_reason)


class CreditGiftForm(ConfirmedForm):
    amount = forms.DecimalField(min_value=0)
    currency = forms.ChoiceField()
    description = forms.CharField(max_length=200)
    field_order = ("currency", "amount", "description")

    def ask(self) -> None:
        currency = self.fields["currency"]
        assert isinstance(currency, forms.ChoiceField)
        currency.choices = [(code, code) for code in currencies_of(self.obj)]
        currency.initial = self.obj.seller.currency


class GiveCredit(PageAction):
    name = "give-credit"
    label = "Give credit"
    explanation = (
        "Goes to the customer's balance, which pays the open invoices in its currency, the oldest "
        "first, and then the next ones."
    )
    permission = "invoicing.add_balanceentry"
    icon = "redeem"
    form_class = CreditGiftForm

    def run(self, obj: Customer, *, as_of: date, actor: str, **asked: Any) -> str:

        balances.give_credit(obj, as_of=as_of, actor=actor, **asked)
        return f"Gave a credit of {Money(asked['amount_minor'], asked['currency'])}."


def _named_by_start(subscription: Subscription) -> str:
    return f"{subscription.plan}, from {subscription.starts_on}"


class OneOffForm(CreditGiftForm):
    amount = forms.DecimalField(help_text="Without tax. Negative: to take off.")
    description = forms.CharField(max_length=500, help_text="As it will stand on the document.")
    subscription = NamedChoice(
        Subscription.objects.none(),
        named=_named_by_start,
        required=False,
        empty_label="The customer",
        label="Belongs to",
    )

    revenue_account = forms.ChoiceField(
        required=False,
        help_text="The bookkeeping account of its revenue; those of the seller's products.",
    )
    buyer_reference = forms.CharField(
        max_length=REFERENCE_MAX,
        required=False,
        help_text="Printed on its document in place of the customer's, such as an order number.",
    )
    waits = forms.ChoiceField(
        label="Bill it",
        choices=[("", "Now, by itself"), ("yes", "With the next regular bill")],
        required=False,
        help_text="What is below zero waits for something to reduce either way.",
    )

    def clean_revenue_account(self) -> str:
        return self.cleaned_data["revenue_account"] or REVENUE_ACCOUNT

    def clean_waits(self) -> bool:
        return self.cleaned_data["waits"] == "yes"

    def ask(self) -> None:
        super().ask()
        account = self.fields["revenue_account"]
        assert isinstance(account, forms.ChoiceField)
        account.choices = [(number, number) for number in revenue_accounts_of(self.obj.seller)]
        account.initial = REVENUE_ACCOUNT
        self.fields["waits"].initial = "yes" if has_bill_to_come(self.obj) else ""
        choice = self.fields["subscription"]
        assert isinstance(choice, forms.ModelChoiceField)
        choice.queryset = self.obj.subscriptions.exclude(status=Subscription.Status.ENDED)
        choice.queryset = choice.queryset.select_related("plan").order_by("-id")


class AddOneOff(PageAction):
    name = "add-one-off"
    label = "Add one-off item"
    explanation = (
        "Something to bill once, or to take off: at once on a document of its own, or with the "
        "customer's next regular bill. Until then it can be removed."
    )
    permission = "invoicing.add_oneoffitem"
    icon = "add_shopping_cart"
    form_class = OneOffForm

    def run(self, obj: Customer, *, as_of: date, actor: str, **asked: Any) -> str:
        actions.add_one_off(obj, as_of=as_of, actor=actor, **asked)
        amount = Money(asked["amount_minor"], asked["currency"])
        is_early = not asked["waits"] and asked["amount_minor"] > 0
        when = "within a minute" if is_early else "with the next bill"
        return f"“{asked['description']}”, {amount}, is billed {when}."


class RemoveOneOff(PageAction):
    name = "remove"
    label = "Remove"
    removes = True
    explanation = "It is not billed. Nothing was issued for it, so nothing has to be taken back."
    permission = "invoicing.add_oneoffitem"
    icon = "delete"
    variant = ActionVariant.DANGER

    def is_offered(self, obj: OneOffItem) -> bool:
        return obj.line_id is None

    def run(self, obj: OneOffItem, *, as_of: date, actor: str, **asked: Any) -> str:
        actions.remove_one_off(obj, as_of=as_of, actor=actor)
        return f"“{obj}” is not billed."


class TakeBackCredit(PageAction):
    name = "take-back"
    label = "Take back"
    explanation = (
        "The credit leaves the balance again, as far as it has paid nothing yet. Books and history "
        "keep both."
    )
    permission = "invoicing.add_balanceentry"
    icon = "undo"
    variant = ActionVariant.DANGER

    def is_offered(self, obj: BalanceEntry) -> bool:
        return obj.is_gift and not BalanceEntry.objects.filter(takes_back=obj).exists()

    def run(self, obj: BalanceEntry, *, as_of: date, actor: str, **asked: Any) -> str:

        balances.take_back_credit(obj, as_of=as_of, actor=actor)
        return f"Took back {Money(obj.amount_minor, obj.currency)}."


class ReasonForm(ActionForm):
    reason = forms.CharField(
        required=False, max_length=500, widget=forms.Textarea(attrs={"rows": 2})
    )


class InvoiceAction(PageAction):
    def is_offered(self, obj: Invoice) -> bool:
        return obj.status == Invoice.Status.OPEN


class Void(InvoiceAction):
    name = "void"
    label = "Void"
    explanation = (
        "The whole invoice is taken back, as if nothing had been billed. Its number stays."
    )
    permission = "invoicing.void_invoice"
    icon = "block"
    variant = ActionVariant.DANGER
    form_class = ReasonForm

    def run(self, obj: Invoice, *, as_of: date, actor: str, **asked: Any) -> str:

        voiding.void(obj, as_of=as_of, actor=actor, **asked)
        return f"Voided {obj}."


class WriteOff(InvoiceAction):
    name = "write-off"
    label = "Write off"
    explanation = "What is left is no longer expected, and becomes a bad debt in the books."
    permission = "invoicing.write_off_invoice"
    icon = "money_off"
    form_class = ReasonForm

    def run(self, obj: Invoice, *, as_of: date, actor: str, **asked: Any) -> str:
        actions.write_off(obj, as_of=as_of, actor=actor, **asked)
        return f"Wrote off {obj}."


class Credit(InvoiceAction):
    name = "credit"
    label = "Credit"
    explanation = (
        "Issues a credit note that corrects this invoice: parts of its lines, a sum, or the whole."
    )
    permission = "invoicing.add_creditnote"
    icon = "assignment_return"
    form_class = CreditForm
    is_foreseen = True

    def is_offered(self, obj: Invoice) -> bool:
        return obj.status in {Invoice.Status.OPEN, Invoice.Status.PAID}

    def run(self, obj: Invoice, *, as_of: date, actor: str, **asked: Any) -> str:
        note = corrections.credit(obj, as_of=as_of, actor=actor, **asked)
        return Reckoned(issued_in_words([note]), outcome=f"{note.total_minor}")

    def foresee(self, obj: Invoice, *, as_of: date, actor: str, **asked: Any) -> Preview:
        return preview_note(
            obj, partial(corrections.credit, obj, as_of=as_of, actor=actor, **asked)
        )
