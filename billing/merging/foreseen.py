"""What an operator is shown before two customers are merged."""

from collections.abc import Iterator

from django.utils.translation import pgettext

from billing.desk.figures import day, money
from billing.desk.previews import Foreseen, Row
from billing.merging.moves import Moves
from customers.models import Customer


def parts_of(closing: Customer, staying: Customer, moves: Moves) -> list[Foreseen]:
    """What moves to the one that stays, and what becomes of the one that is closed."""
    rows = [*_rows(moves)]
    moving = pgettext("desk", "Moves to %(customer)s") % {"customer": f"{staying} ({_id(staying)})"}
    nothing = "" if rows else pgettext("desk", "Nothing is still to come, so nothing moves.")
    staying_put = pgettext("desk", "Stays with %(customer)s") % {"customer": closing}
    return [
        Foreseen(
            moving, None, rows, "", " ".join(filter(None, [nothing, _charged(staying, moves)]))
        ),
        Foreseen(
            staying_put,
            None,
            [],
            "",
            pgettext(
                "desk",
                "Invoices, credit notes, payments and emails. Both customers' are listed on the "
                "page of the one who stays, and in that one's portal.",
            ),
        ),
        Foreseen(pgettext("desk", "Signing in"), None, [], "", _sign_in(closing, staying)),
    ]


def _id(customer: Customer) -> str:
    return customer.email or customer.public_id


def _rows(moves: Moves) -> Iterator[Row]:
    for subscription in moves.subscriptions:
        bill_on = subscription.next_bill_on
        why = pgettext("desk", "next bill on %(day)s") % {"day": day(bill_on)} if bill_on else ""
        yield Row(str(subscription.plan), why, "")
    for item in moves.one_offs:
        why = pgettext("desk", "waits to be billed")
        yield Row(item.description, why, money(item.amount_minor, item.currency))
    for redemption in moves.coupons:
        why = pgettext("desk", "coupon")
        if redemption.subscription_id is None:
            why = pgettext("desk", "coupon, from then on for all subscriptions of both")
        yield Row(str(redemption.coupon), why, "")
    for redemption in moves.doubled:
        why = pgettext("desk", "coupon that both have: this one ends")
        yield Row(str(redemption.coupon), why, "")
    for card in moves.cards:
        yield Row(str(card), pgettext("desk", "card"), "")
    for offer in moves.offers:
        yield Row(str(offer.plan), pgettext("desk", "checkout link, which ends"), "")
    for currency, minor in moves.balances_minor.items():
        yield Row(pgettext("desk", "Balance"), "", money(minor, currency))
    if moves.external_id:
        yield Row(moves.external_id, pgettext("desk", "the shop's own id"), "")
    for follower in moves.followers:
        yield Row(str(follower), pgettext("desk", "merged before"), "")


def _charged(staying: Customer, moves: Moves) -> str:
    """How later bills are paid, where that is another way than before."""
    if not (moves.is_charged_otherwise and moves.has_bills_to_come):
        return ""
    if staying.collection == Customer.Collection.AUTOMATIC:
        return pgettext("desk", "Later bills are charged to a card, no longer paid by invoice.")
    return pgettext("desk", "Later bills are paid by invoice, no longer charged to a card.")


def _sign_in(closing: Customer, staying: Customer) -> str:
    """Which address opens the one account that there is then."""
    if not staying.email:
        return pgettext("desk", "The one who stays has no email address, so nobody can sign in.")
    if not closing.email or closing.email.lower() == staying.email.lower():
        return pgettext("desk", "With %(email)s, as before.") % {"email": staying.email}
    said = pgettext("desk", "With %(email)s. %(old)s is told that it no longer signs in.")
    return said % {"email": staying.email, "old": closing.email}
