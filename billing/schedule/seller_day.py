"""What is due for one seller on one day: played by the tick as days pass, and by test clocks."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial

from billing.checkout.expiry import expire_orders
from billing.engine.money import major_string
from billing.invoicing.batch import bill_due
from billing.invoicing.recognition import recognize, recognized_until
from billing.jobs.runs import Run
from billing.mail.notices import post_notices
from billing.payments.collection import collect_due, resolve_due
from billing.tax.checks import ask_due
from customers.models import Seller
from dunning.cases import close_where_settled, open_cases, step_due

type Work = Callable[[Run], None]

logger = logging.getLogger(__name__)

ACTOR = "tick"


@dataclass(frozen=True, slots=True)
class Step:
    """A thing that is done for a seller on a day; ``is_daily`` where once in a day is enough."""

    name: str
    work: Callable[[Seller, date, Run], None]
    is_daily: bool = False


def until_none(work: Callable[[], int]) -> Work:
    """A job that does a handful at a time, until there is no more or it should stop."""

    def job(run: Run) -> None:
        while count := work():
            run.advance(count)
            run.end_if_asked()

    return job


def once(work: Callable[[], int]) -> Work:
    """A job that does what it can in one go."""

    def job(run: Run) -> None:
        run.advance(work())

    return job


def bill(seller: Seller, today: date, run: Run) -> None:
    """Bill what is due for a seller's customers, missed periods as well."""

    def on_batch(customers: int) -> None:
        run.advance(customers)
        run.end_if_asked()

    billed = bill_due(seller, today, actor=ACTOR, on_batch=on_batch)
    if billed.refused:
        # They come again with every tick, and are no progress.
        run.advance(-len(billed.refused))
        logger.warning("job=%s refused=%r", run.row.name, billed.refused)
    if billed.invoices or billed.credit_notes or billed.parked:
        totals = ", ".join(
            f"{major_string(minor, currency)} {currency}"
            for currency, minor in sorted(billed.totals_minor.items())
        )
        run.say(
            f"{seller}: {billed.invoices} invoices, {billed.credit_notes} credit notes, "
            f"{billed.parked} parked. Total {totals or 'nothing'}."
        )


def dun(seller: Seller, today: date, run: Run) -> None:
    """Take what is settled out of dunning and what is late into it, and every step that is due."""
    for work in (close_where_settled, open_cases, step_due):
        until_none(partial(work, seller, today, ACTOR))(run)


def recognize_months(seller: Seller, today: date, run: Run) -> None:
    """Post what each month that is over has earned and that is not posted yet, month by month."""
    for first in _months_after(recognized_until(seller), today):
        if written := recognize(seller, as_of=first):
            run.advance(written)
            run.say(f"{seller}: {written} transfers for the month before {first}.")
        run.end_if_asked()


def _months_after(day: date | None, today: date) -> Iterator[date]:
    """The first day of every month after a day's, until today."""
    while day is not None:
        day = (day.replace(day=1) + timedelta(days=31)).replace(day=1)
        if day > today:
            return
        yield day


def collect(seller: Seller, today: date, run: Run) -> None:
    """Charge what is planned until today."""
    until_none(partial(collect_due, seller, as_of=today, actor=ACTOR))(run)


def let_orders_expire(seller: Seller, today: date, run: Run) -> None:
    """Let checkouts run out that nobody has come to the end of."""
    until_none(partial(expire_orders, seller, as_of=today, actor=ACTOR))(run)


def check_numbers(seller: Seller, today: date, run: Run) -> None:
    """Ask about the VAT numbers that are due, a handful at a time."""

    def on_answer() -> None:
        run.advance(1)
        run.end_if_asked()

    ask_due(seller, on_answer)


def tell_ahead(seller: Seller, today: date, run: Run) -> None:
    """Write the mails that have to be sent some days before something happens."""
    run.advance(post_notices(seller, today))


BILL = Step("bill", bill)
RECOGNIZE = Step("recognize", recognize_months, is_daily=True)
EXPIRE_ORDERS = Step("expire orders", let_orders_expire)
DUN = Step("dun", dun)
COLLECT = Step("collect", collect)
CHECK_NUMBERS = Step("check VAT numbers", check_numbers)
NOTIFY = Step("notify", tell_ahead, is_daily=True)


def play_day(seller: Seller, today: date, run: Run) -> None:
    """All of a day for one seller, in the order of the tick, but for mail."""
    for step in (BILL, RECOGNIZE):
        step.work(seller, today, run)
    run.advance(resolve_due(seller=seller))
    for step in (EXPIRE_ORDERS, DUN, COLLECT, CHECK_NUMBERS):
        step.work(seller, today, run)
