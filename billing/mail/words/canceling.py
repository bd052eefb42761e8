"""Mails of subscriptions that end, and of those that do not after all."""

from collections.abc import Iterator
from datetime import date
from zoneinfo import ZoneInfo

from django.utils.translation import pgettext

from billing.invoicing.balances import free_balances
from billing.invoicing.models import BalanceEntry, Invoice
from billing.mail.kinds import MailKind, News, Series
from billing.mail.letters import Letter, Occasion, Section, Unneeded
from billing.mail.words.bills import where_it_goes
from billing.mail.words.common import (
    manage_button,
    next_bill_of,
    next_costs,
)
from billing.mail.words.subscriptions import (
    issued_for_it,
    subscription_of,
    what_it_costs,
    what_it_is,
)
from billing.subscriptions.allowed_changes import WITHDRAWAL
from billing.subscriptions.models import Subscription
from dunning.models import DunningAction
from dunning.steps import CANCEL


def canceled(occasion: Occasion) -> Letter:
    subscription, end = subscription_of(occasion), occasion.day_told("ends_on")
    if subscription.cancels_on != end or end is None:
        raise Unneeded("The canceling was undone or changed.")
    is_over = end <= occasion.today
    named = {
        "plan": subscription.plan.name,
        "last": occasion.day(subscription.last_day_before(end)),
        "day": occasion.day(occasion.day_told("occurred_on") or occasion.today),
    }
    rows = (
        (pgettext("mail", "Subscription"), named["plan"]),
        (pgettext("mail", "Canceled on"), named["day"]),
        (pgettext("mail", "Last day"), named["last"]),
        (pgettext("mail", "Days paid in advance"), _given_back(subscription, end)),
    )
    if occasion.told("reason") == WITHDRAWAL:
        return _withdrawn(occasion, subscription, named)
    invoice = _unpaid_cause(subscription, end)
    return Letter(
        subject=(
            pgettext("mail", "Your subscription to %(plan)s has ended")
            if is_over
            else pgettext("mail", "Your subscription to %(plan)s ends on %(last)s")
        )
        % named,
        happened=(
            pgettext(
                "mail",
                "Your subscription to %(plan)s has ended, because invoice %(number)s is not paid.",
            )
            % {**named, "number": invoice.number}
            if invoice
            else pgettext("mail", "Your subscription to %(plan)s has been canceled.") % named
        ),
        next=_until_when(subscription, is_over=is_over, is_unpaid=bool(invoice)) % named,
        button=None
        if is_over
        else manage_button(occasion, subscription, pgettext("mail", "Undo the cancellation")),
        details=tuple((label, value) for label, value in rows if value),
        closing=_balance_left(occasion),
    )


_CANCELING = Series("canceling", about="subject")
CANCELED = MailKind(
    "canceled",
    "canceled",
    canceled,
    told_by=(News("subscription.canceled"),),
    series=_CANCELING,
)


def _balance_left(occasion: Occasion) -> str:
    """What the customer has with us that no order keeps, and how to get it back; empty where that
    is nothing.
    """
    free = free_balances([occasion.customer.pk])
    amounts = [occasion.money(minor, currency) for (_, currency), minor in sorted(free.items())]
    if not amounts:
        return ""
    said = pgettext(
        "mail",
        "You have a balance of %(amount)s. It goes towards what is still billed. Write to "
        "us if you want the rest paid back.",
    )
    return said % {"amount": ", ".join(amounts)}


def _withdrawn(occasion: Occasion, subscription: Subscription, named: dict[str, str]) -> Letter:
    """The receipt of a withdrawal, with its words, day and hour (Directive 2011/83/EU, 11a(4))."""
    received_at = occasion.moment_told("recorded_at") or occasion.now
    said = {
        **named,
        "name": occasion.customer.name,
        "time": f"{received_at.astimezone(ZoneInfo(occasion.seller.time_zone)):%H:%M}",
    }
    words = pgettext("mail", "I, %(name)s, hereby withdraw from my contract for %(plan)s.")
    return Letter(
        subject=pgettext("mail", "Your withdrawal from %(plan)s") % said,
        happened=pgettext(
            "mail",
            "We received your withdrawal from the contract for %(plan)s on %(day)s at %(time)s, "
            "and the contract has ended.",
        )
        % said,
        next=" ".join(
            [
                pgettext("mail", "You pay for the days that you have had."),
                *_what_comes_back(occasion, subscription),
                *_what_is_paid_out(occasion, subscription),
            ]
        ),
        details=(
            (pgettext("mail", "Subscription"), named["plan"]),
            (pgettext("mail", "Withdrawn on"), named["day"]),
        ),
        sections=(Section(pgettext("mail", "What you sent us"), (words % said,)),),
    )


def _what_comes_back(occasion: Occasion, subscription: Subscription) -> Iterator[str]:
    """What has become of what was billed for the days that were not had.

    A credit note that is still to be made comes with a mail of its own, which says it then.
    """
    for document in issued_for_it(occasion, subscription):
        if document.kind == Invoice.Kind.CREDIT_NOTE:
            yield where_it_goes(occasion, document)


def _what_is_paid_out(occasion: Occasion, subscription: Subscription) -> Iterator[str]:
    """What goes back of the balance, where the withdrawal has paid it out."""
    taken = BalanceEntry.objects.filter(
        customer=occasion.customer,
        currency=subscription.currency,
        effective_on=subscription.ends_on or occasion.today,
        invoice__kind=Invoice.Kind.CREDIT_NOTE,
        amount_minor__lt=0,
    )
    if minor := -sum(taken.values_list("amount_minor", flat=True)):
        said = pgettext("mail", "We refund %(amount)s of your balance to you.")
        yield said % {"amount": occasion.money(minor, subscription.currency)}


def _unpaid_cause(subscription: Subscription, end: date) -> Invoice | None:
    """The invoice for which a policy has ended the subscription, if that was the reason."""
    action = (
        DunningAction.objects.filter(
            kind=CANCEL.name, done_on=end, case__invoice__lines__subscription=subscription
        )
        .select_related("case__invoice")
        .first()
    )
    return action.case.invoice if action else None


def _until_when(subscription: Subscription, *, is_over: bool, is_unpaid: bool) -> str:
    """Until when the service goes on, what it still costs, and whether it can be taken back."""
    if is_unpaid:
        return pgettext("mail", "What you owe until %(last)s still has to be paid.")
    if is_over and subscription.is_final_usage_billed:
        return pgettext(
            "mail",
            "It will not renew. If you have used something that is billed afterwards, you will "
            "get one last invoice.",
        )
    if is_over:
        return pgettext("mail", "You will not be billed any more.")
    return pgettext(
        "mail",
        "You have it until %(last)s, that day included, and it will not renew after that. Until "
        "then you can undo the cancellation.",
    )


def _given_back(subscription: Subscription, end: date) -> str:
    if subscription.is_unused_refunded_at_end:
        return pgettext("mail", "are refunded, if you have paid for them")
    if subscription.is_unused_credited_at_end:
        return pgettext("mail", "are credited to your balance")
    return ""


def cancel_undone(occasion: Occasion) -> Letter:
    subscription = subscription_of(occasion)
    if subscription.cancels_on is not None:
        raise Unneeded("It was canceled again.")
    bill = next_bill_of(subscription, occasion.today)
    named = {"plan": subscription.plan.name}
    return Letter(
        subject=pgettext("mail", "Your subscription to %(plan)s continues") % named,
        happened=pgettext(
            "mail", "You have undone the cancellation, and your subscription to %(plan)s continues."
        )
        % named,
        next=what_it_costs(occasion, bill),
        button=manage_button(occasion, subscription, pgettext("mail", "View the subscription")),
        details=(*what_it_is(occasion, subscription), *next_costs(occasion, bill)),
    )


CANCEL_UNDONE = MailKind(
    "cancel_undone",
    "canceling undone",
    cancel_undone,
    told_by=(News("subscription.cancel_undone"),),
    series=_CANCELING,
)


# Rows that several share
