"""Every type of event that there is, with what it tells: what shops may hear of, and the rest.

A test compares this list with the types that the code records. A type that is public stays so.
"""

from collections.abc import Iterable

from billing.engine.errors import Refused

TESTED = "webhook_endpoint.tested"
DISABLED = "webhook_endpoint.disabled"

PUBLIC: dict[str, str] = {
    "customer.added": "There is a new customer.",
    "customer.changed": "A customer has other details; which ones is in the details.",
    "customer.merged": "Two customers are one: what was to come for `merged` is now of `into`.",
    "checkout.created": "A customer was sent to a checkout.",
    "checkout.placed": "A customer has ordered; the payment may be still to come.",
    "checkout.completed": "An order is paid, or needs no payment, and the subscription begins.",
    "checkout.expired": "An order was not finished in time.",
    "subscription.started": "A customer has a subscription, perhaps with a trial or a later start.",
    "subscription.activated": "The trial is over or the first day has come.",
    "subscription.changed": "It has another plan, quantity, price or coupon, now or from a day on.",
    "subscription.change_undone": "A change that was planned for a later day is not made.",
    "subscription.anchor_changed": "Its periods begin on another day of the month.",
    "subscription.reference_changed": "Its documents bear another reference of the buyer's.",
    "subscription.paused": "It rests: without service, and without charges for those days.",
    "subscription.resumed": "It goes on after a pause.",
    "subscription.trial_resumed": "Its trial goes on after a pause.",
    "subscription.canceled": "It has an end; the end may be still to come.",
    "subscription.cancel_undone": "It was to end and goes on.",
    "subscription.ended": "Its last day is over.",
    "subscription.parked": "It cannot be billed until somebody sets it right.",
    "subscription.unparked": "It was parked and is billed again.",
    "subscription.access_changed": "The customer may use less, or more, because of late payment.",
    "coupon.redeemed": "A customer or a subscription has a coupon.",
    "coupon.removed": "A coupon no longer counts for it.",
    "one_off_item.added": "Something that is bought once will be on the next invoice.",
    "one_off_item.removed": "Something that waited to be billed was taken away.",
    "balance.credit_taken_back": "What was given on the balance was taken back, unspent.",
    "balance.credited": "A customer was given money on the balance, for open and later invoices.",
    "invoice.finalized": "An invoice was issued; nothing on it changes any more.",
    "invoice.balance_applied": "The customer's balance has paid an invoice, or some of it.",
    "invoice.paid": "All of an invoice is paid; by money, balance or rounding is in the details.",
    "invoice.credited": "Credit notes have taken off an invoice what was left of it.",
    "invoice.reopened": "A payment has gone back, and the invoice that it had paid is owed again.",
    "invoice.voided": "An unpaid invoice was declared never to have counted.",
    "invoice.written_off": "An invoice was given up as a loss.",
    "credit_note.issued": "A credit note was issued, for all or part of an invoice.",
    "payment_method.added": "A customer has left a card or the like that may be charged.",
    "payment_method.chosen": "Another of the customer's cards is charged from now on.",
    "payment_method.removed": "A customer has taken a card away.",
    "payment.succeeded": "Money has arrived.",
    "payment.failed": "A charge was declined; the reason and the next attempt are in the details.",
    "payment.action_required": "The customer must confirm a charge with the bank.",
    "payment.canceled": "A charge was given up before it was made.",
    "payment.refunded": "A refund of a payment was decided.",
    "payment.returned": "A payment went back by itself, and its invoice is owed again.",
    "refund.succeeded": "The refund was sent by the gateway, or paid by a person.",
    "refund.failed": "The gateway refused to pay back.",
    "dunning.opened": "A debt is late, and its steps begin.",
    "dunning.retried": "A late debt is charged again.",
    "dunning.reminded": "The customer was reminded.",
    "dunning.restricted": "The customer may use less until the debt is paid.",
    "dunning.suspended": "The customer may use nothing until the debt is paid.",
    "dunning.canceled": "What the debt is for was canceled.",
    "dunning.written_off": "The debt was given up.",
    "dunning.recovered": "The debt is settled.",
    "dunning.exhausted": "All steps are taken, and the debt is still there.",
    "dunning.stopped": "A person stopped the steps, as for a disputed debt.",
    "dunning.resumed": "The steps go on.",
    "test_clock.advanced": "A test clock is where it was to go, and all until then is done.",
    TESTED: "Somebody pressed Test; only that endpoint hears of it.",
    DISABLED: "An endpoint gave no 2xx for three days, or answered 410, and was turned off.",
}

INTERNAL: dict[str, str] = {
    "balance.paid_out": "What credit notes had put on a balance is paid back to the customer.",
    "api_key.made": "A shop has a new key.",
    "api_key.rotated": "A key has a successor, and ends soon.",
    "api_key.limits_changed": "A key may make more requests, or fewer.",
    "api_key.revoked": "A key opens nothing any more.",
    "charging.resumed": "A kill switch was turned off, and what is planned is charged.",
    "charging.stopped": "A kill switch was pressed, for a seller or for all.",
    "customer.address_changed": "A customer has another mail address; the old one is told.",
    "demo.day_played": "The demo claims a day.",
    "payment.doubted": "We do not know what became of a charge; the gateway is asked.",
    "payment.kept_as_balance": "Money came for what was no longer owed; it is on the balance.",
    "payment.flagged": "A person must look at a payment.",
    "payment.taken_in": "Money that a gateway took and nobody here knew of is on the balance.",
    "portal.sign_in_requested": "A customer wants a link that signs in.",
    "portal.pay_link_requested": "A customer wants a new link in place of one that is too old.",
    "refund.flagged": "A person must look at a refund.",
    "subscriptions.imported": "Subscriptions were taken over from another system.",
    "test_clock.created": "The time of a test seller stands still.",
    "test_clock.asked_to_advance": "It will go on, day by day.",
    "webhook_endpoint.created": "A shop is told of what happens.",
    "webhook_endpoint.changed": "Address, types or description are others.",
    "webhook_endpoint.enabled": "A person turned it on.",
    "webhook_endpoint.turned_off": "A person turned it off.",
    "webhook_endpoint.secret_rotated": "It has a new secret; the old one signs for a day more.",
    "webhook_endpoint.deleted": "It is told no more.",
}

_NOUNS = frozenset(type.partition(".")[0] for type in PUBLIC)


def check_patterns(patterns: Iterable[str]) -> list[str]:
    """What an endpoint may ask for, each once and in order.

    Raises :class:`Refused` ("unknown_event_type") for one that no event will ever match.
    """
    asked = sorted(set(patterns))
    if not asked:
        raise Refused("Choose at least one type of event, or * for all.", code="unknown_event_type")
    for pattern in asked:
        noun, _, verb = pattern.partition(".")
        is_known = pattern == "*" or pattern in PUBLIC or (verb == "*" and noun in _NOUNS)
        if not is_known:
            raise Refused(
                f"There is no event “{pattern[:60]}”. Choose types such as invoice.paid, all of a "
                "kind as invoice.*, or *.",
                code="unknown_event_type",
            )
    return asked


def matches(patterns: Iterable[str], type: str) -> bool:
    """Whether an event of a public type is asked for."""
    noun = type.partition(".")[0]
    return any(pattern in ("*", type, f"{noun}.*") for pattern in patterns)
