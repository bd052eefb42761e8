"""What an operator does to a customer's bills and to an invoice, by a button."""

from datetime import date
from typing import Any

from django import forms
from django.utils.translation import pgettext, pgettext_lazy
from unfold.enums import ActionVariant

from billing.desk.figures import day
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
from billing.subscriptions.models import Subscription
from billing.subscriptions.page_actions import SubscriptionAction
from catalog.models import REVENUE_ACCOUNT
from customers.models import REFERENCE_MAX, Customer

SubscriptionAction.bills = BillsOfChanges()


class BillNow(PageAction):
    name = "bill"
    label = "Bill now"
    explanation = pgettext_lazy(
        "desk", "Bills all that is due today. The rest is billed on its day."
    )
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
    explanation = pgettext_lazy(
        "desk",
        "Bills all that is due today. If the subscription can be billed again, "
        "it is no longer parked. Otherwise it stays parked, with the reason.",
    )
    icon = "refresh"
    variant = ActionVariant.PRIMARY
    is_for_many = True

    def is_offered(self, obj: Subscription) -> bool:
        return bool(obj.parked_reason)


class CreditGiftForm(ConfirmedForm):
    amount = forms.DecimalField(label=pgettext_lazy("desk", "Amount"), min_value=0)
    currency = forms.ChoiceField(label=pgettext_lazy("desk", "Currency"))
    description = forms.CharField(label=pgettext_lazy("desk", "Description"), max_length=200)
    field_order = ("currency", "amount", "description")

    def ask(self) -> None:
        currency = self.fields["currency"]
        assert isinstance(currency, forms.ChoiceField)
        currency.choices = [(code, code) for code in currencies_of(self.obj)]
        currency.initial = self.obj.seller.currency


class GiveCredit(PageAction):
    name = "give-credit"
    label = "Give credit"
    explanation = pgettext_lazy(
        "desk",
        "Goes to the customer's balance, which pays the open invoices in its currency, the oldest "
        "first, and then the next ones.",
    )
    permission = "invoicing.add_balanceentry"
    icon = "redeem"
    form_class = CreditGiftForm

    def run(self, obj: Customer, *, as_of: date, actor: str, **asked: Any) -> str:

        balances.give_credit(obj, as_of=as_of, actor=actor, **asked)
        return f"Gave a credit of {Money(asked['amount_minor'], asked['currency'])}."


def _named_by_start(subscription: Subscription) -> str:
    said = pgettext("desk", "%(plan)s, from %(day)s")
    return said % {"plan": subscription.plan, "day": day(subscription.starts_on)}


class OneOffForm(CreditGiftForm):
    amount = forms.DecimalField(
        label=pgettext_lazy("desk", "Amount"),
        help_text=pgettext_lazy("desk", "Without tax. Below zero, it is taken off the bill."),
    )
    description = forms.CharField(
        label=pgettext_lazy("desk", "Description"),
        max_length=500,
        help_text=pgettext_lazy("desk", "As it will appear on the document."),
    )
    subscription = NamedChoice(
        Subscription.objects.none(),
        named=_named_by_start,
        required=False,
        empty_label=pgettext_lazy("desk", "The customer"),
        label=pgettext_lazy("desk", "Belongs to"),
    )

    revenue_account = forms.ChoiceField(
        label=pgettext_lazy("desk", "Revenue account"),
        required=False,
        help_text=pgettext_lazy(
            "desk",
            "The account in the books for its revenue: one that the seller's products use.",
        ),
    )
    buyer_reference = forms.CharField(
        label=pgettext_lazy("desk", "Buyer reference"),
        max_length=REFERENCE_MAX,
        required=False,
        help_text=pgettext_lazy(
            "desk", "Printed on its document in place of the customer's, such as an order number."
        ),
    )
    waits = forms.ChoiceField(
        label=pgettext_lazy("desk", "Bill it"),
        choices=[
            ("", pgettext_lazy("desk", "Now, on its own")),
            ("yes", pgettext_lazy("desk", "With the next regular bill")),
        ],
        required=False,
        help_text=pgettext_lazy("desk", "An amount below zero always waits for a bill to reduce."),
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
    explanation = pgettext_lazy(
        "desk",
        "Something to bill once, or to take off: right away on a document of "
        "its own, or with the customer's next regular bill. It can be removed "
        "until it is billed.",
    )
    permission = "invoicing.add_oneoffitem"
    icon = "add_shopping_cart"
    form_class = OneOffForm

    def run(self, obj: Customer, *, as_of: date, actor: str, **asked: Any) -> str:
        actions.add_one_off(obj, as_of=as_of, actor=actor, **asked)
        amount = Money(asked["amount_minor"], asked["currency"])
        is_early = not asked["waits"] and asked["amount_minor"] > 0
        if is_early:
            return f"“{asked['description']}”, {amount}, is billed within a minute."
        return f"“{asked['description']}”, {amount}, is billed with the next bill."


class RemoveOneOff(PageAction):
    name = "remove"
    label = "Remove"
    removes = True
    explanation = pgettext_lazy(
        "desk", "It is not billed. Nothing was issued for it, so nothing has to be taken back."
    )
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
    explanation = pgettext_lazy(
        "desk",
        "Takes the credit off the balance again, unless it has paid an invoice or is kept for an "
        "order that waits. Books and history keep both.",
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
        label=pgettext_lazy("desk", "Reason"),
        required=False,
        max_length=500,
        widget=forms.Textarea(attrs={"rows": 2}),
    )


class InvoiceAction(PageAction):
    def is_offered(self, obj: Invoice) -> bool:
        return obj.status == Invoice.Status.OPEN


class Void(InvoiceAction):
    name = "void"
    label = "Void"
    explanation = pgettext_lazy(
        "desk", "The whole invoice is taken back, as if nothing had been billed. Its number stays."
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
    explanation = pgettext_lazy(
        "desk", "What is left is no longer expected, and becomes a bad debt in the books."
    )
    permission = "invoicing.write_off_invoice"
    icon = "money_off"
    form_class = ReasonForm

    def run(self, obj: Invoice, *, as_of: date, actor: str, **asked: Any) -> str:
        actions.write_off(obj, as_of=as_of, actor=actor, **asked)
        return f"Wrote off {obj}."


class Credit(InvoiceAction):
    name = "credit"
    label = "Credit"
    explanation = pgettext_lazy(
        "desk",
        "Issues a credit note that corrects this invoice: parts of its lines, a sum, or the whole.",
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
        return preview_note(obj, as_of=as_of, **asked)
