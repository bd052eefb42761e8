"""What customers are told of before it happens: the end of a trial, and a long renewal."""

from collections.abc import Callable, Iterator, Sequence
from datetime import date, timedelta
from functools import partial
from typing import Any

from django.db import transaction
from django.db.models import F, Q, QuerySet

from billing.engine.periods import period_of
from billing.events.troubles import Watch
from billing.mail.actions import post
from billing.mail.kinds import MailKind
from billing.mail.models import Message
from billing.mail.words.subscriptions import RENEWAL, TRIAL_ENDING
from billing.subscriptions.agreements import load_contracts
from billing.subscriptions.models import Subscription
from catalog.models import IntervalUnit, Plan
from customers.models import Customer, Seller

# A trial that ended so long ago, while nothing ran, is kept in the log as not told of.
MISSED_FOR = timedelta(days=30)
# Who pays every month knows that the next one comes.
LONGER_THAN_A_MONTH = (
    Q(interval_unit=IntervalUnit.YEAR)
    | Q(interval_unit=IntervalUnit.MONTH, interval_count__gt=1)
    | Q(interval_unit=IntervalUnit.WEEK, interval_count__gt=4)
    | Q(interval_unit=IntervalUnit.DAY, interval_count__gt=31)
)


def post_notices(seller: Seller, today: date) -> int:
    """Post what is to be told by now and has not been; how many mails. Missed days are made up for.

    Asks in a number of queries that grows with the mails alone.
    """
    watch = Watch("notify", seller.public_id)
    made = 0

    def tell(part: Sequence[Subscription], find: _Finder) -> int:
        with transaction.atomic():
            told = list(find(part))
            for customer, kind, object, facts in told:
                post(kind, object=object, customer=customer, facts=facts)
        return len(told)

    for found, find in [*_trials(seller, today), *_renewals(seller, today)]:
        ready = list(found.exclude(public_id__in=watch.waiting))
        made += watch.serve(ready, partial(tell, find=find), _name_of)
    return made


def _name_of(subscription: Subscription) -> str:
    return subscription.public_id


type _Told = tuple[Customer, MailKind, str, dict[str, Any]]
type _Finder = Callable[[Sequence[Subscription]], Iterator[_Told]]


def _trials(seller: Seller, today: date) -> Iterator[tuple[QuerySet[Subscription], _Finder]]:
    for days, customers in _leads(TRIAL_ENDING):
        told_on = F("paid_from") - timedelta(days=days)
        is_on = Q(status=Subscription.Status.TRIALING, paid_from__gt=today)
        # It is posted all the same, for the log; whoever writes it leaves it out.
        is_missed = Q(
            status=Subscription.Status.ACTIVE,
            paid_from__gt=today - MISSED_FOR,
            recorded_at__date__lt=told_on,
        )
        ending = _going_on(seller).filter(
            is_on | is_missed,
            customers,
            # Of a trial shorter than that the start has told enough.
            starts_on__lt=told_on,
            # As the index of trials says.
            paid_from__gt=F("starts_on"),
            paid_from__lte=today + timedelta(days=days),
        )
        yield ending, _endings_of


def _endings_of(ending: Sequence[Subscription]) -> Iterator[_Told]:
    known = _known(TRIAL_ENDING, ending)
    for subscription in ending:
        about = f"{subscription.public_id}:{subscription.paid_from}"
        if about not in known:
            facts = {"subject": subscription.public_id}
            yield subscription.customer, TRIAL_ENDING, about, facts


def _renewals(seller: Seller, today: date) -> Iterator[tuple[QuerySet[Subscription], _Finder]]:
    # Asked for first: most shops have none, and need not be looked through for them.
    plans = Plan.objects.filter(LONGER_THAN_A_MONTH, seller=seller).values_list("pk", flat=True)
    long_plans = list(plans)
    for days, customers in _leads(RENEWAL):
        until = today + timedelta(days=days)
        # The day of the next bill may be too early, never too late.
        near = _going_on(seller).filter(
            customers,
            plan__in=long_plans,
            status=Subscription.Status.ACTIVE,
            next_bill_on__lte=until,
        )
        yield near, partial(_renewals_of, today=today, until=until)


def _renewals_of(near: Sequence[Subscription], today: date, until: date) -> Iterator[_Told]:
    known = _known(RENEWAL, near)
    contracts = load_contracts([subscription.pk for subscription in near])
    for subscription in near:
        on = period_of(contracts[subscription.pk].agreement.cycles, today).end
        about = f"{subscription.public_id}:{on}"
        if today < on <= until and about not in known:
            facts = {"subject": subscription.public_id, "renews_on": on.isoformat()}
            yield subscription.customer, RENEWAL, about, facts


def _leads(kind: MailKind) -> Iterator[tuple[int, Q]]:
    """The days of each of a kind's notices, with the customers for whom it holds."""
    named = [notice.country for notice in kind.notices if notice.country]
    for notice in kind.notices:
        is_named = Q(customer__country=notice.country)
        yield notice.days, is_named if notice.country else ~Q(customer__country__in=named)


def _going_on(seller: Seller) -> QuerySet[Subscription]:
    alive = Subscription.objects.filter(seller=seller, ends_on=None, parked_reason="")
    return alive.select_related("customer__seller").order_by("pk")


def _known(kind: MailKind, subscriptions: Sequence[Subscription]) -> set[str]:
    """What has been told of them already."""
    customers = {subscription.customer_id for subscription in subscriptions}
    told = Message.objects.filter(kind=kind.name, customer__in=customers)
    return set(told.values_list("object", flat=True))
