"""Merging two customers of a seller who are one person. There is no way back."""

from datetime import date

from django.db import transaction

from billing.checkout.expiry import expire
from billing.engine.errors import Refused
from billing.events.recorder import record_for
from billing.invoicing.balances import Entry, move_balances
from billing.merging.moves import (
    Moves,
    doubled_coupons,
    obstacles,
    open_offers,
    waiting_items,
    what_moves,
)
from billing.payments.methods import announce_method
from billing.payments.models import PaymentMethod
from billing.subscriptions.models import CouponRedemption, Subscription
from customers.actions import record_new_address
from customers.calendar import now_of
from customers.links import end_links
from customers.models import Customer


@transaction.atomic
def merge(closing: Customer, staying: Customer, *, as_of: date, actor: str) -> Moves:
    """Merge a customer into another: what is still to come of it is the other's; what has moved.

    What it was billed, has paid and was given back stays its own, and counts as the person's.
    Raises the first of :func:`billing.merging.moves.obstacles`, and :class:`Refused`
    ("merged_meanwhile").
    """
    closing, staying, followers = _lock(closing, staying)
    for obstacle in obstacles(closing, staying):
        raise obstacle
    moved = what_moves(closing, staying)
    if [each.pk for each in moved.followers] != followers:
        raise Refused(
            f"Another customer has just been merged into {closing}. Look at both once more.",
            code="merged_meanwhile",
        )
    # Before it is closed, since nothing moves on the balance of a merged customer. What has come to
    # the other pays what that one owes.
    _move_balances(closing, staying, moved, as_of)
    # Whoever holds such a link can say who orders, and with which address one signs in.
    for order in open_offers(closing):
        expire(order, as_of=as_of, actor=actor)
    _close(closing, staying)
    Subscription.objects.filter(customer=closing).update(customer=staying)
    waiting_items(closing).update(customer=staying)
    _move_coupons(closing, staying, as_of)
    _move_cards(closing, staying, as_of, actor)
    end_links(closing, now_of(closing.seller))
    if staying.email:
        record_new_address(staying, closing.email, as_of=as_of, actor=actor)
    for customer in (closing, staying):
        record_for(
            "customer.merged",
            customer,
            as_of,
            actor,
            merged=closing.public_id,
            into=staying.public_id,
            subscriptions=[each.public_id for each in moved.subscriptions],
        )
    return moved


def _lock(closing: Customer, staying: Customer) -> tuple[Customer, Customer, list[int]]:
    """Both as they now stand, locked with those who were merged into the one that is closed.

    Those come first, as for whoever locks one of them, and then both in the order of their ids. Of
    those it answers the row ids.
    """
    followers = Customer.objects.filter(merged_into=closing.pk).order_by("pk")
    locked = [each.pk for each in followers.select_for_update(of=["self"])]
    # Without whom they were merged into: of a row that was waited for, what is joined is of before.
    both = {
        each.pk: each
        for each in Customer.objects.select_for_update(of=["self"])
        .select_related("seller__test_clock")
        .filter(pk__in=[closing.pk, staying.pk])
        .order_by("pk")
    }
    subscriptions = Subscription.objects.filter(customer=closing.pk).order_by("pk")
    list(subscriptions.select_for_update(of=["self"]).values_list("pk"))
    return both[closing.pk], both[staying.pk], locked


def _move_balances(closing: Customer, staying: Customer, moved: Moves, as_of: date) -> None:
    """An entry out and an entry in for each currency. For the person's books nothing moves."""
    move_balances(
        [
            entry
            for currency, minor in moved.balances_minor.items()
            for entry in (
                Entry(
                    closing.pk,
                    currency,
                    -minor,
                    None,
                    f"Merged into {staying.public_id}",
                    merged_with_id=staying.pk,
                ),
                Entry(
                    staying.pk,
                    currency,
                    minor,
                    None,
                    f"Merged from {closing.public_id}",
                    merged_with_id=closing.pk,
                ),
            )
        ],
        as_of,
    )


def _close(closing: Customer, staying: Customer) -> None:
    """Say into whom it is merged; those who were merged into it follow.

    A payment that comes back may still open an invoice of it. That one is asked for, and charged to
    no card, since the cards are the other's.
    """
    Customer.objects.filter(pk=closing.pk).update(
        merged_into=staying, external_id=None, collection=Customer.Collection.INVOICE
    )
    Customer.objects.filter(merged_into=closing).update(merged_into=staying)
    if closing.external_id:
        Customer.objects.filter(pk=staying.pk).update(external_id=closing.external_id)


def _move_coupons(closing: Customer, staying: Customer, as_of: date) -> None:
    """All of them, since a document that is voided may give back one that was spent."""
    doubled = [each.pk for each in doubled_coupons(closing, staying)]
    CouponRedemption.objects.filter(pk__in=doubled).update(removed_on=as_of)
    all_of_it = CouponRedemption.objects.filter(customer=closing)
    all_of_it.exclude(pk__in=doubled).update(customer=staying)


def _move_cards(closing: Customer, staying: Customer, as_of: date, actor: str) -> None:
    """The default of the one that stays remains so, unless the other's alone can be charged."""
    cards, theirs = (PaymentMethod.objects.filter(customer=each) for each in (closing, staying))
    could_be_charged = theirs.usable().exists()
    if theirs.filter(is_default=True).exists():
        is_kept = could_be_charged or not cards.usable().exists()
        (cards if is_kept else theirs).filter(is_default=True).update(is_default=False)
    cards.update(customer=staying)
    if theirs.usable().exists() and not could_be_charged:
        announce_method(staying, as_of, actor)
