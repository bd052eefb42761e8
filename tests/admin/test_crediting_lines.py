"""A credit note on parts of an invoice's lines, shown before it is issued."""

from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from billing.invoicing.actions import bill_customer
from billing.invoicing.models import CreditNote, Invoice, InvoiceLine
from billing.payments.booking import record_payment
from billing.payments.models import Refund
from tests.admin.test_actions import act, act_url
from tests.factories import (
    DAY,
    CustomerFactory,
    PlanFactory,
    PriceFactory,
    SellerFactory,
    SubscriptionFactory,
    make_accounts,
)


@pytest.fixture
def invoice(db: None) -> Invoice:
    """31.00 for coffee and 62.00 for tea in March, and 25 % VAT."""
    seller = SellerFactory(tax=[{"category": "S", "rate": "25"}])
    make_accounts(seller)
    plan = PlanFactory(seller=seller)
    PriceFactory(plan=plan, code="coffee", name="Coffee", amount=Decimal(31), position=1)
    PriceFactory(plan=plan, code="tea", name="Tea", amount=Decimal(62), position=2)
    subscription = SubscriptionFactory(customer=CustomerFactory(seller=seller), plan=plan)
    (invoice,) = bill_customer(subscription.customer, as_of=DAY, actor="test")
    return Invoice.objects.get(pk=invoice.pk)


def line(invoice: Invoice, what: str) -> InvoiceLine:
    return invoice.lines.get(description__contains=what)


def asked(invoice: Invoice, what: str, **parts: str) -> dict[str, str]:
    key = line(invoice, what).pk
    return {"to": "balance", **{f"{name}-of-{key}": value for name, value in parts.items()}}


def preview(client: Client, invoice: Invoice, **sent: Any) -> Any:
    return client.post(act_url(invoice, "credit"), {"key": "k", **sent})


def test_an_amount_of_a_line_comes_back_with_its_tax(anna: Client, invoice: Invoice) -> None:
    told = act(anna, invoice, "credit", **asked(invoice, "Tea", amount="20"), reason="Stale")
    note = CreditNote.objects.get()
    assert told == f"Issued credit note {note} of SEK 25.00."
    assert note.reason == "Stale"
    (credited,) = note.lines.all()
    assert (credited.corrects, credited.net_minor) == (line(invoice, "Tea"), 20_00)


def test_days_of_a_line_come_back_in_proportion(anna: Client, invoice: Invoice) -> None:
    act(anna, invoice, "credit", **asked(invoice, "Coffee", days="10"))
    assert CreditNote.objects.get().net_minor == 10_00  # 31.00 for 31 days.


def test_several_lines_are_credited_by_one_note(anna: Client, invoice: Invoice) -> None:
    both = asked(invoice, "Coffee", days="1") | asked(invoice, "Tea", amount="5")
    act(anna, invoice, "credit", **both)
    note = CreditNote.objects.get()
    assert sorted(each.net_minor for each in note.lines.all()) == [1_00, 5_00]


def test_the_note_is_shown_with_where_its_money_goes_and_nothing_is_kept(
    anna: Client, invoice: Invoice
) -> None:
    record_payment(invoice, as_of=DAY, actor="test", amount_minor=100_00)
    sent = asked(invoice, "Tea", amount="20")
    (shown,) = preview(anna, invoice, **sent).context["preview"].documents
    assert [row.what for row in shown.rows][-1] == "VAT"
    assert "−SEK\xa025.00" in shown.total
    # 16.25 of 116.25 is unpaid.
    said = "SEK\xa016.25 lowers what is unpaid of the invoice. SEK\xa08.75 "
    assert shown.note == f"{said}goes to the customer's balance."
    back = preview(anna, invoice, **{**sent, "to": "refund"}).context["preview"].documents[0]
    assert back.note == f"{said}is paid back."
    assert not CreditNote.objects.exists() and not Refund.objects.exists()
    invoice.refresh_from_db()
    assert invoice.left_minor == 16_25


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"amount": "62.01"}, "less than that left to credit"),
        ({"amount": "1.005"}, "more than the 2 decimals"),
        ({"amount": "-1"}, "greater than or equal to 0"),
        ({"amount": "1", "days": "1"}, "not both"),
        ({"days": "32"}, "less than or equal to 31"),
        ({"days": "0"}, "greater than or equal to 1"),
    ],
)
def test_what_a_line_does_not_have_is_refused(
    anna: Client, invoice: Invoice, parts: dict[str, str], said: str
) -> None:
    told = act(anna, invoice, "credit", **asked(invoice, "Tea", **parts))
    assert told.startswith("REFUSED") and said in told
    assert not CreditNote.objects.exists()


def test_a_sum_and_parts_of_lines_are_not_asked_for_together(
    anna: Client, invoice: Invoice
) -> None:
    told = act(anna, invoice, "credit", amount="5", **asked(invoice, "Tea", amount="20"))
    assert told == "REFUSED Enter a sum for the whole invoice, or parts of lines, not both."


def test_the_form_says_what_came_back_of_each_line_already(anna: Client, invoice: Invoice) -> None:
    act(anna, invoice, "credit", **asked(invoice, "Tea", amount="20"))
    page = anna.get(act_url(invoice, "credit"))
    fields = page.context["form"].fields
    assert (
        "of which SEK\xa020.00 has been credited already"
        in fields[f"amount-of-{line(invoice, 'Tea').pk}"].help_text
    )
    assert "already" not in fields[f"amount-of-{line(invoice, 'Coffee').pk}"].help_text


def test_to_credit_everything_is_asked_again_and_then_shown(anna: Client, invoice: Invoice) -> None:
    page = preview(anna, invoice, to="balance")
    assert "This credits all that is left" in page.content.decode()
    assert "preview" not in page.context
    page = preview(anna, invoice, to="balance", is_confirmed="on")
    assert "−SEK\xa0116.25" in page.context["preview"].documents[0].total
    assert not CreditNote.objects.exists()
