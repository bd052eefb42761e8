"""The link that signs a customer in, and what is told where it no longer goes."""

from datetime import timedelta

from django.utils.translation import pgettext

from billing.mail.kinds import MailKind
from billing.mail.letters import Button, Letter, Occasion, Unneeded
from customers.links import LIVES, Purpose

# Who asked an hour ago has asked again since, or given up.
LATE_AFTER = timedelta(hours=1)


def sign_in(occasion: Occasion) -> Letter:
    if occasion.now - occasion.message.recorded_at > LATE_AFTER:
        raise Unneeded("It was asked for too long ago.")
    minutes = int(LIVES[Purpose.SIGN_IN].total_seconds() // 60)
    named = {"seller": occasion.seller.name, "minutes": minutes}
    order = occasion.told("order") or ""
    if order:
        subject = pgettext("mail", "Continue your order at %(seller)s")
        happened = pgettext(
            "mail", "You have asked for a link to continue your order at %(seller)s."
        )
        label = pgettext("mail", "Continue the order")
    else:
        subject = pgettext("mail", "Sign in to %(seller)s")
        happened = pgettext("mail", "You have asked for a link to sign in to %(seller)s.")
        label = pgettext("mail", "Sign in")
    return Letter(
        subject=subject % named,
        happened=happened % named,
        next=pgettext("mail", "It works only once, within %(minutes)s minutes.") % named,
        button=Button(label, Purpose.SIGN_IN, order),
        closing=pgettext(
            "mail",
            "If it was not you, you can ignore this email. Nobody can sign in without the link.",
        ),
    )


SIGN_IN = MailKind("sign_in", "sign-in link", sign_in, is_asked_for=True)


def address_changed(occasion: Occasion) -> Letter:
    """To the old address, whatever has been changed since: the change has been made."""
    changed_on = occasion.day_told("occurred_on") or occasion.today
    named = {"seller": occasion.seller.name, "day": occasion.day(changed_on)}
    return Letter(
        subject=pgettext("mail", "Your email address at %(seller)s has been changed") % named,
        happened=pgettext("mail", "Your email address at %(seller)s was changed on %(day)s.")
        % named,
        next=pgettext(
            "mail",
            "We now write to you at the new address, and links to sign in no longer go to "
            "this one.",
        ),
        closing=pgettext("mail", "If you did not ask for this, please tell us right away."),
    )


ADDRESS_CHANGED = MailKind("address_changed", "address changed", address_changed)
