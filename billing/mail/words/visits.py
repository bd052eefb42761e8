"""The link that signs a customer in."""

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
    return Letter(
        subject=pgettext("mail", "Sign in to %(seller)s") % named,
        happened=pgettext("mail", "You have asked for a link to sign in to %(seller)s.") % named,
        next=pgettext("mail", "It works only once, within %(minutes)s minutes.") % named,
        button=Button(pgettext("mail", "Sign in"), Purpose.SIGN_IN),
        closing=pgettext(
            "mail",
            "If it was not you, you can ignore this email. Nobody can sign in without the link.",
        ),
    )


SIGN_IN = MailKind("sign_in", "sign-in link", sign_in, is_asked_for=True)
