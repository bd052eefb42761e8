"""Refusals in the customer's language, by their code: what was wrong, and what to do."""

from django.utils.translation import pgettext

from billing.engine.errors import BillingError


def sentence_of(error: BillingError) -> str:
    """What to say of an error; of one that no customer is meant to meet, that nothing changed."""
    said = _of_pages() | _of_subscriptions() | _of_coupons() | _of_payments() | _of_gateways()
    return said.get(
        error.code,
        pgettext("portal", "That cannot be done as things now stand. Nothing has changed."),
    )


def _of_pages() -> dict[str, str]:
    return {
        "form_already_sent": pgettext("portal", "That has been done already, once."),
        "form_without_key": pgettext("portal", "Open the page again and send it from there."),
        "amount_changed": pgettext(
            "portal", "What it comes to has changed since you opened the page. Look at it again."
        ),
        "too_many_attempts": pgettext("portal", "Too many attempts. Wait an hour, then try again."),
        "invalid_vat_number": pgettext(
            "portal", "This is no valid VAT number. Write it with its country: SE556677889901."
        ),
    }


def _of_subscriptions() -> dict[str, str]:
    return {
        "subscription_ended": pgettext("portal", "The subscription has ended."),
        "already_paused": pgettext("portal", "The subscription is paused already."),
        "not_paused": pgettext("portal", "The subscription is not paused."),
        "pause_ends_before_start": pgettext("portal", "Choose a day after today."),
        "not_canceled": pgettext("portal", "There is no cancellation to undo."),
        "no_change_planned": pgettext("portal", "There is no planned change to undo."),
        "plan_of_another_family": pgettext("portal", "You cannot change to that plan."),
        "currency_mismatch": pgettext("portal", "That is not offered in your currency."),
        "parked": pgettext(
            "portal",
            "This could not be worked out, so nothing has changed. Write to us, and we will do it.",
        ),
    }


def _of_coupons() -> dict[str, str]:
    return {
        "coupon_unknown": pgettext("portal", "We know no such code. Look whether it is complete."),
        "coupon_inactive": pgettext("portal", "This code is no longer valid."),
        "coupon_over": pgettext("portal", "This code is no longer valid."),
        "coupon_used_up": pgettext("portal", "This code has been used up."),
        "coupon_already_there": pgettext("portal", "You have this discount already."),
        "coupon_used": pgettext("portal", "This code works once, and you have used it."),
        "coupon_currency": pgettext("portal", "That is not offered in your currency."),
        "coupon_of_another_plan": pgettext("portal", "This code is not for your plan."),
    }


def _of_payments() -> dict[str, str]:
    not_by_card = pgettext(
        "portal", "Nothing can be paid by card just now. Nothing was lost: come back later today."
    )
    return {
        "invoice_not_open": pgettext("portal", "There is nothing left to pay on this invoice."),
        "payment_in_flight": pgettext(
            "portal", "A payment of this invoice is under way. Wait some minutes and look again."
        ),
        "no_way_to_pay": pgettext(
            "portal",
            "This cannot be paid for here yet, so nothing was ordered. Write to us, and you get an "
            "invoice.",
        ),
        "payment_method_needed": pgettext(
            "portal",
            "This is the only card, and your subscription is charged to it. Add another one first.",
        ),
        "payment_method_retired": pgettext("portal", "This card has been removed."),
        "payment_method_refused": pgettext(
            "portal", "The bank accepts this card no longer. Add another one."
        ),
        "no_payment_method": pgettext("portal", "Add a card first."),
        "charging_stopped": not_by_card,
        "clock_ahead": not_by_card,
    }


def _of_gateways() -> dict[str, str]:
    not_now = pgettext(
        "portal", "This cannot be done just now, and nothing has changed. Come back later today."
    )
    return {
        "outbound_off": not_now,
        "outbound_held": not_now,
        "gateway_unavailable": pgettext(
            "portal",
            "The payment page cannot be reached. Nothing was lost: try again soon.",
        ),
        "gateway_unclear": pgettext(
            "portal",
            "The payment page did not answer. Nothing was lost: try again soon.",
        ),
        "gateway_refused": pgettext(
            "portal",
            "The payment page did not open. Nothing was lost: try again, or ask us.",
        ),
    }
