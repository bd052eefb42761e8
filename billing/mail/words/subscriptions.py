"""What happens to subscriptions, by the customer's wish or in the course of time."""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta

from django.utils.translation import pgettext

from billing.events.models import Event
from billing.invoicing.changes import SeenBill
from billing.invoicing.models import Invoice
from billing.mail.kinds import MailKind, News, Notice, Series
from billing.mail.letters import Letter, Occasion, Unneeded
from billing.mail.words.common import (
    Rows,
    held_up,
    manage_button,
    next_bill_of,
    next_costs,
    rhythm,
)
from billing.payments.outlook import chargeable_card
from billing.subscriptions.models import Pause, Subscription
from catalog.models import Plan

ONE_DAY = timedelta(days=1)


# What becomes due in time


def renewal(occasion: Occasion) -> Letter:
    subscription, on = subscription_of(occasion), occasion.day_told("renews_on")
    assert on is not None
    if subscription.ends_on is not None or subscription.status != Subscription.Status.ACTIVE:
        raise Unneeded("It is not renewed any more.")
    if on <= occasion.today:
        raise Unneeded("It has been renewed by now.")
    bill = _bill_on(occasion, subscription, on)
    named = {
        "plan": subscription.plan.name,
        "day": occasion.day(on),
        "before": occasion.day(on - ONE_DAY),
        "amount": occasion.money(bill.to_pay_minor, bill.document.currency) if bill else "",
    }
    return Letter(
        subject=(
            pgettext("mail", "%(plan)s renews on %(day)s: %(amount)s")
            if bill
            else pgettext("mail", "%(plan)s renews on %(day)s")
        )
        % named,
        happened=pgettext("mail", "Your subscription to %(plan)s renews on %(day)s.") % named,
        next=" ".join(
            filter(
                None,
                (
                    _how_it_is_paid(occasion, bill),
                    pgettext("mail", "If you do not want to renew it, cancel by %(before)s.")
                    % named,
                ),
            )
        ),
        button=manage_button(
            occasion, subscription, pgettext("mail", "View or cancel the subscription")
        ),
        details=(
            *what_it_is(occasion, subscription),
            (pgettext("mail", "Renews on"), named["day"]),
            (pgettext("mail", "Cancel by"), named["before"]),
            *_costs(occasion, bill),
        ),
    )


# The days are to be reviewed by somebody who knows the law, whenever one is added or changed.
RENEWAL = MailKind(
    "renewal",
    "upcoming renewal",
    renewal,
    notices=(
        Notice(
            "SE",
            38,
            "Lag (2014:1449) 3 §: in writing, a month at the latest before the last day on which "
            "the renewal can still be refused, which is the day before it. A month has at most 31 "
            "days; a week is for retries.",
        ),
        Notice(
            "",
            30,
            "California ARL (AB 2863): 15 to 45 days before terms of a year or more; France and "
            "Germany have no later day. Shops elsewhere do it as a courtesy.",
        ),
    ),
)


def trial_ending(occasion: Occasion) -> Letter:
    subscription = subscription_of(occasion)
    on = subscription.paid_from
    if subscription.status != Subscription.Status.TRIALING or on <= occasion.today:
        raise Unneeded("The trial was over before this could be sent.")
    if subscription.ends_on is not None and subscription.ends_on <= on:
        raise Unneeded("It ends with the trial.")
    bill = _bill_on(occasion, subscription, on)
    named = {
        "plan": subscription.plan.name,
        "day": occasion.day(on),
        "before": occasion.day(on - ONE_DAY),
        "amount": occasion.money(bill.to_pay_minor, bill.document.currency) if bill else "",
    }
    return Letter(
        subject=(
            pgettext("mail", "Your trial of %(plan)s ends on %(before)s, then %(amount)s")
            if bill
            else pgettext("mail", "Your trial of %(plan)s ends on %(before)s")
        )
        % named,
        happened=pgettext(
            "mail",
            "Your trial of %(plan)s ends on %(before)s, and the subscription continues after that.",
        )
        % named,
        next=" ".join(
            filter(
                None,
                (
                    _how_it_is_paid(occasion, bill),
                    pgettext("mail", "Cancel by %(before)s and you pay nothing.") % named,
                ),
            )
        ),
        button=manage_button(
            occasion, subscription, pgettext("mail", "View or cancel the subscription")
        ),
        details=(
            *what_it_is(occasion, subscription),
            (pgettext("mail", "First paid day"), named["day"]),
            (pgettext("mail", "Cancel by"), named["before"]),
            *_costs(occasion, bill),
        ),
    )


TRIAL_ENDING = MailKind(
    "trial_ending",
    "trial ending",
    trial_ending,
    notices=(
        Notice(
            "",
            3,
            "California ARL (AB 2863): 3 to 21 days before the end of a trial; card networks ask "
            "for no later day.",
        ),
    ),
)


def _bill_on(occasion: Occasion, subscription: Subscription, on: date) -> SeenBill | None:
    """The bill of a day that is to come, with whatever else is due by then."""
    bill = next_bill_of(subscription, occasion.today)
    return bill if bill is None or bill.on == on else next_bill_of(subscription, on)


def _how_it_is_paid(occasion: Occasion, bill: SeenBill | None) -> str:
    if bill is None or bill.to_pay_minor <= 0:
        return ""
    named = {
        "amount": occasion.money(bill.to_pay_minor, bill.document.currency),
        "day": occasion.day(bill.on),
    }
    card = chargeable_card(occasion.customer) if occasion.is_charged else None
    if card is None:
        return pgettext("mail", "You will then get an invoice for %(amount)s.") % named
    taken = pgettext("mail", "We will then take %(amount)s from your card %(card)s.") % {
        **named,
        "card": card.in_words(),
    }
    return " ".join(filter(None, (taken, held_up(occasion))))


# What the customer has decided


def plan_changed(occasion: Occasion) -> Letter:
    subscription = subscription_of(occasion)
    if subscription.status == Subscription.Status.ENDED:
        raise Unneeded("The subscription has ended.")
    if occasion.told("planned_on"):
        return _change_undone(occasion, subscription)
    new, old = _plan(occasion, "plan"), _plan(occasion, "from_plan")
    on = occasion.day_told("effective_on") or occasion.today
    bill = next_bill_of(subscription, occasion.today)
    issued = issued_for_it(occasion, subscription)
    named = {"plan": new.name, "old": old.name, "day": occasion.day(on)}
    rows = (
        (pgettext("mail", "Subscription"), new.name),
        (pgettext("mail", "Before"), old.name if old.pk != new.pk else ""),
        (pgettext("mail", "From"), named["day"]),
        *_billed_rows(occasion, issued),
        rhythm(subscription, new),
        *next_costs(occasion, bill),
    )
    subject, happened = _change_in_words(is_another=old.pk != new.pk, is_later=on > occasion.today)
    return Letter(
        subject=subject % named,
        happened=happened % named,
        next=" ".join([*_billed_sentences(occasion, issued), what_it_costs(occasion, bill)]),
        button=manage_button(occasion, subscription, pgettext("mail", "View the subscription")),
        details=tuple((label, value) for label, value in rows if value),
    )


PLAN_CHANGED = MailKind(
    "plan_changed",
    "plan changed",
    plan_changed,
    told_by=(News("subscription.changed"), News("subscription.change_undone")),
    series=Series("changes", about="subject"),
)


def _change_undone(occasion: Occasion, subscription: Subscription) -> Letter:
    planned_on = occasion.day_told("planned_on")
    assert planned_on is not None
    bill = next_bill_of(subscription, occasion.today)
    named = {"plan": subscription.plan.name, "day": occasion.day(planned_on)}
    return Letter(
        subject=pgettext("mail", "Your subscription to %(plan)s stays as it is") % named,
        happened=pgettext(
            "mail",
            "The change that was planned for %(day)s will not be made. Your subscription "
            "to %(plan)s stays as it is.",
        )
        % named,
        next=what_it_costs(occasion, bill),
        button=manage_button(occasion, subscription, pgettext("mail", "View the subscription")),
        details=(*what_it_is(occasion, subscription), *next_costs(occasion, bill)),
    )


def _change_in_words(*, is_another: bool, is_later: bool) -> tuple[str, str]:
    if not is_another:
        return (
            pgettext("mail", "Your subscription to %(plan)s has been changed"),
            pgettext("mail", "Your subscription to %(plan)s has been changed as of %(day)s."),
        )
    if is_later:
        return (
            pgettext("mail", "You will switch to %(plan)s on %(day)s"),
            pgettext("mail", "Your subscription will change from %(old)s to %(plan)s on %(day)s."),
        )
    return (
        pgettext("mail", "You now have %(plan)s"),
        pgettext("mail", "Your subscription has changed from %(old)s to %(plan)s."),
    )


def issued_for_it(occasion: Occasion, subscription: Subscription) -> list[Invoice]:
    """What the change has cost at once, or given back: documents of the same day."""
    issued = Invoice.objects.filter(
        lines__subscription=subscription,
        issued_on=occasion.told("occurred_on"),
        recorded_at__gte=occasion.told("recorded_at"),
    )
    return list(issued.distinct().order_by("pk"))


def _billed_rows(occasion: Occasion, issued: list[Invoice]) -> Rows:
    rows = []
    for document in issued:
        is_note = document.kind == Invoice.Kind.CREDIT_NOTE
        label = pgettext("mail", "Credited now") if is_note else pgettext("mail", "Billed now")
        rows.append((label, occasion.money(document.total_minor, document.currency)))
    return tuple(rows)


def _billed_sentences(occasion: Occasion, issued: list[Invoice]) -> list[str]:
    said = []
    for document in issued:
        is_note = document.kind == Invoice.Kind.CREDIT_NOTE
        sentence = (
            pgettext("mail", "For this we have now credited you %(amount)s.")
            if is_note
            else pgettext("mail", "For this we have now billed you %(amount)s.")
        )
        said.append(sentence % {"amount": occasion.money(document.total_minor, document.currency)})
    return said


def what_it_costs(occasion: Occasion, bill: SeenBill | None) -> str:
    if bill is None:
        return pgettext("mail", "You do not need to do anything.")
    if bill.to_pay_minor <= 0:
        said = pgettext(
            "mail", "Your next invoice comes on %(day)s, and there is nothing to pay on it."
        )
        return said % {"day": occasion.day(bill.on)}
    return pgettext("mail", "Your next invoice is for %(amount)s and comes on %(day)s.") % {
        "amount": occasion.money(bill.to_pay_minor, bill.document.currency),
        "day": occasion.day(bill.on),
    }


def paused(occasion: Occasion) -> Letter:
    subscription, until = subscription_of(occasion), occasion.day_told("until")
    if subscription.status != Subscription.Status.PAUSED:
        raise Unneeded("It is not paused any more.")
    since = occasion.day_told("occurred_on") or occasion.today
    named = {
        "plan": subscription.plan.name,
        "day": occasion.day(since),
        "until": occasion.day(until) if until else "",
    }
    again = (
        pgettext("mail", "It resumes automatically on %(until)s.")
        if until
        else pgettext("mail", "It stays paused until you resume it.")
    )
    rows = (
        (pgettext("mail", "Subscription"), named["plan"]),
        (pgettext("mail", "Paused from"), named["day"]),
        (pgettext("mail", "Resumes"), named["until"]),
        (pgettext("mail", "Days paid in advance"), _paid_ahead(occasion)),
    )
    return Letter(
        subject=pgettext("mail", "Your subscription to %(plan)s is paused") % named,
        happened=pgettext("mail", "Your subscription to %(plan)s is paused from %(day)s.") % named,
        next=again % named,
        button=manage_button(
            occasion, subscription, pgettext("mail", "View or resume the subscription")
        ),
        details=tuple((label, value) for label, value in rows if value),
    )


def _by_nobody(events: Sequence[Event]) -> Iterator[Event]:
    """Pauses that nobody asked for: billing tells once more when it finds one that has begun."""
    return (event for event in events if "until" not in event.data)


_PAUSES = Series("pauses", about="subject")
PAUSED = MailKind(
    "paused",
    "paused",
    paused,
    told_by=(News("subscription.paused", untold=_by_nobody),),
    series=_PAUSES,
)


def _paid_ahead(occasion: Occasion) -> str:
    said = {
        Pause.Unused.CREDIT: pgettext("mail", "are credited to you"),
        Pause.Unused.KEEP: pgettext("mail", "stay paid"),
        Pause.Unused.SHIFT: pgettext("mail", "are moved to after the pause"),
    }
    return said[Pause.Unused(occasion.told("unused"))]


def resumed(occasion: Occasion) -> Letter:
    subscription = subscription_of(occasion)
    if subscription.status not in {Subscription.Status.ACTIVE, Subscription.Status.TRIALING}:
        raise Unneeded("It does not go on any more.")
    bill = next_bill_of(subscription, occasion.today)
    named = {
        "plan": subscription.plan.name,
        "day": occasion.day(occasion.day_told("occurred_on") or occasion.today),
    }
    return Letter(
        subject=pgettext("mail", "Your subscription to %(plan)s is active again") % named,
        happened=pgettext("mail", "Your subscription to %(plan)s is active again from %(day)s.")
        % named,
        next=what_it_costs(occasion, bill),
        button=manage_button(occasion, subscription, pgettext("mail", "View the subscription")),
        details=(
            *what_it_is(occasion, subscription),
            (pgettext("mail", "From"), named["day"]),
            *next_costs(occasion, bill),
        ),
    )


def _after_no_pause(events: Sequence[Event]) -> Iterator[Event]:
    return (event for event in events if event.data.get("from") != Subscription.Status.PAUSED)


RESUMED = MailKind(
    "resumed",
    "resumed",
    resumed,
    told_by=(
        News("subscription.resumed"),
        News("subscription.activated", untold=_after_no_pause),
    ),
    series=_PAUSES,
)


def subscription_of(occasion: Occasion) -> Subscription:
    found = Subscription.objects.select_related("plan", "customer__seller", "seller")
    return found.get(public_id=occasion.told("subject"))


def _plan(occasion: Occasion, name: str) -> Plan:
    return Plan.objects.get(seller=occasion.seller, code=occasion.told(name))


def what_it_is(occasion: Occasion, subscription: Subscription) -> Rows:
    return (
        (pgettext("mail", "Subscription"), subscription.plan.name),
        rhythm(subscription, subscription.plan),
    )


def _costs(occasion: Occasion, bill: SeenBill | None) -> Rows:
    if bill is None:
        return ()
    amount = occasion.money(max(bill.to_pay_minor, 0), bill.document.currency)
    return ((pgettext("mail", "To pay then"), amount),)
