"""Refusals in the customer's language, by their code: what was wrong, and what to do."""

from django.utils.translation import pgettext

from billing.engine.errors import BillingError


def sentence_of(error: BillingError) -> str:
    """What to say of an error; of one that no customer is meant to meet, that nothing changed."""
    said = _of_pages() | _of_subscriptions() | _of_coupons() | _of_payments() | _of_gateways()
    return said.get(
        error.code,
        pgettext("portal", "That cannot be done right now. Nothing has changed."),
    )


def _of_pages() -> dict[str, str]:
    return {
        "form_already_sent": pgettext("portal", "That has already been done."),
        "form_without_key": pgettext("portal", "Open the page again and send the form from there."),
        "amount_changed": pgettext(
            "portal", "The amounts have changed since you opened the page. Check them again."
        ),
        "too_many_attempts": pgettext("portal", "Too many attempts. Wait an hour, then try again."),
        "invalid_vat_number": pgettext(
            "portal",
            "This VAT number is not valid. Include the country code, as in SE556677889901.",
        ),
    }


def _of_subscriptions() -> dict[str, str]:
    return {
        "subscription_ended": pgettext("portal", "The subscription has ended."),
        "already_paused": pgettext("portal", "The subscription is already paused."),
        "not_paused": pgettext("portal", "The subscription is not paused."),
        "pause_ends_before_start": pgettext("portal", "Choose a day after today."),
        "not_canceled": pgettext("portal", "There is no cancellation to undo."),
        "no_change_planned": pgettext("portal", "There is no planned change to undo."),
        "plan_of_another_family": pgettext("portal", "You cannot change to that plan."),
        "currency_mismatch": pgettext("portal", "That is not offered in your currency."),
        "parked": pgettext(
            "portal",
            "We could not calculate this, so nothing has changed. Write to us and we will do it "
            "for you.",
        ),
    }


def _of_coupons() -> dict[str, str]:
    return {
        "coupon_unknown": pgettext("portal", "We do not recognise this code. Check the spelling."),
        "coupon_inactive": pgettext("portal", "This code is no longer valid."),
        "coupon_over": pgettext("portal", "This code is no longer valid."),
        "coupon_used_up": pgettext("portal", "This code has been used up."),
        "coupon_already_there": pgettext("portal", "You already have this discount."),
        "coupon_used": pgettext(
            "portal", "This code works only once, and you have already used it."
        ),
        "coupon_currency": pgettext("portal", "That is not offered in your currency."),
        "coupon_of_another_plan": pgettext("portal", "This code does not apply to your plan."),
    }


def _of_payments() -> dict[str, str]:
    not_by_card = pgettext(
        "portal",
        "Card payments are not possible right now. Nothing has been taken. Come back later today.",
    )
    return {
        "invoice_not_open": pgettext("portal", "There is nothing left to pay on this invoice."),
        "payment_in_flight": pgettext(
            "portal",
            "A payment of this invoice is already under way. Check again in a few minutes.",
        ),
        "no_way_to_pay": pgettext(
            "portal",
            "You cannot pay for this here yet, so nothing was ordered. Write to us and we will "
            "send you an invoice.",
        ),
        "payment_method_needed": pgettext(
            "portal",
            "This is your only card, and we charge your subscription to it. Add another one first.",
        ),
        "payment_method_retired": pgettext("portal", "This card has been removed."),
        "payment_method_refused": pgettext(
            "portal", "The bank no longer accepts this card. Add another one."
        ),
        "no_payment_method": pgettext("portal", "Add a card first."),
        "charging_stopped": not_by_card,
        "clock_ahead": not_by_card,
    }


def _of_gateways() -> dict[str, str]:
    not_now = pgettext(
        "portal", "This cannot be done right now, and nothing has changed. Come back later today."
    )
    return {
        "outbound_off": not_now,
        "outbound_held": not_now,
        "gateway_unavailable": pgettext(
            "portal",
            "The payment page cannot be reached. Nothing has been taken. Try again in a moment.",
        ),
        "gateway_unclear": pgettext(
            "portal",
            "The payment page did not answer. Nothing has been taken. Try again in a moment.",
        ),
        "gateway_refused": pgettext(
            "portal",
            "The payment page did not open. Nothing has been taken. Try again, or write to us.",
        ),
    }
