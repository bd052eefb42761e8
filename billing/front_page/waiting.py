"""What waits for somebody: the kinds of work on the operator's front page, as counts and lists."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import QuerySet
from django.urls import reverse
from django.utils.translation import pgettext

from billing.events.models import Delivery, Trouble
from billing.invoicing.models import CustomerBalance, Invoice
from billing.invoicing.owed import IS_LEFT_BEHIND, IS_OWED
from billing.jobs.queries import failing
from billing.mail.models import Message
from billing.payments.gateway_events import GatewayEvent
from billing.payments.models import Payment, Refund
from billing.subscriptions.models import Subscription
from billing.webhooks.models import WebhookDelivery, WebhookEndpoint
from customers.calendar import by_today, on_today, with_today
from customers.going_live import missing_to_go_live
from customers.models import Seller
from dunning.admin import WORK as LATE_DEBTS
from dunning.models import DunningCase

COUNT_MAX = 10_000
# Of more than this nobody wants to know how many on the front page, which is asked for all day.
SHOWN_MAX = 1_000


@dataclass(frozen=True)
class Work:
    """A kind of work: how much of it, and the list that it is in.

    ``title`` and ``note`` are English, as figures for machines name it; pages translate them. It
    may count all sellers though one is chosen.
    """

    title: str
    note: str
    icon: str
    permission: str
    waiting: QuerySet
    list_of: str
    query: str
    counts_all_sellers: bool = False

    @property
    def url(self) -> str:
        return f"{reverse(f'admin:{self.list_of}_changelist')}?{self.query}"

    def context(self, count: int) -> dict[str, Any]:
        """What the page shows of it; ``count`` is that of :func:`counted`."""
        note = pgettext("desk", self.note)
        if self.counts_all_sellers:
            said = pgettext("desk", "This counts all sellers.")
            note = f"{note} {said}"
        return {
            "title": pgettext("desk", self.title),
            "note": note,
            "icon": self.icon,
            "count": count,
            "shown": count if count <= SHOWN_MAX else _more_than(SHOWN_MAX),
            "url": self.url,
        }


def _more_than(number: int) -> str:
    return pgettext("desk", "more than %(number)s") % {"number": number}


def kinds_of_work() -> list[Work]:
    """All kinds in the order of the page; whether one may see a kind is its ``permission``."""
    return [*_to_bill(), *_late_debts(), *_undelivered(), *_money_and_jobs()]


def counted(kinds: Sequence[Work], at_most: int = SHOWN_MAX) -> list[int]:
    """How much there is of each kind, up to one more than ``at_most``: one statement for all."""
    if not kinds:
        return []
    counts: list[str] = []
    values: list[Any] = []
    for work in kinds:
        found = work.waiting.order_by()[: at_most + 1].values("pk")
        try:
            statement, parameters = found.query.sql_with_params()
        except EmptyResultSet:
            counts.append("0")
            continue
        counts.append(f"(SELECT count(*) FROM ({statement}) found)")  # noqa: S608
        values += parameters
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {', '.join(counts)}", values)
        return list(cursor.fetchone())


def _to_bill() -> list[Work]:
    open_invoices = with_today(Invoice.objects.filter(IS_OWED))
    to_bill = with_today(Subscription.objects.filter(parked_reason=""))
    invoices = ("invoicing.view_invoice", "invoicing_invoice")
    subscriptions = ("subscriptions.view_subscription", "subscriptions_subscription")

    def of_invoices(title: str, note: str, icon: str, found: QuerySet, query: str) -> Work:
        return Work(title, note, icon, invoices[0], found, invoices[1], query)

    def of_subscriptions(title: str, note: str, icon: str, found: QuerySet, query: str) -> Work:
        return Work(title, note, icon, subscriptions[0], found, subscriptions[1], query)

    return [
        of_subscriptions(
            "Parked subscriptions",
            "Cannot be billed until somebody puts them right.",
            "front_hand",
            Subscription.objects.exclude(parked_reason=""),
            "work=parked",
        ),
        of_subscriptions(
            "Due to be billed",
            "Due by today. The next run bills them.",
            "receipt_long",
            to_bill.filter(by_today("next_bill_on")),
            "work=due",
        ),
        of_invoices(
            "Overdue invoices",
            "Open, and due before today.",
            "alarm",
            open_invoices.filter(by_today("due_on", before=True)),
            "work=overdue",
        ),
        of_invoices(
            "Due today",
            "Open, and due today.",
            "event",
            open_invoices.filter(on_today("due_on")),
            "work=due",
        ),
        of_invoices(
            "Open invoices",
            "Issued and not yet paid.",
            "hourglass_top",
            open_invoices,
            "work=open",
        ),
    ]


def _late_debts() -> list[Work]:
    def of_debts(title: str, note: str, icon: str, work: str) -> Work:
        found = LATE_DEBTS[work](DunningCase.objects.all())
        permission, list_of = "dunning.view_dunningcase", "dunning_dunningcase"
        return Work(title, note, icon, permission, found, list_of, f"work={work}")

    return [
        of_debts(
            "Debts with a step today",
            "Taken within a minute, or once a pending payment has gone through or not.",
            "notifications",
            "today",
        ),
        of_debts(
            "Suspended debts",
            "No access until it is paid; canceled before long.",
            "block",
            "suspended",
        ),
        of_debts(
            "Stopped debts",
            "Nobody is reminded until somebody decides.",
            "pan_tool",
            "stopped",
        ),
    ]


def _undelivered() -> list[Work]:
    def of_mails(title: str, note: str, state: str) -> Work:
        found = Message.objects.filter(state=state)
        query = f"state__exact={state}"
        return Work(title, note, "mail", "mail.view_message", found, "mail_message", query)

    return [
        Work(
            "Undelivered events",
            "Given up after the last attempt.",
            "bolt",
            "events.view_delivery",
            Delivery.objects.filter(state=Delivery.State.DEAD),
            "events_delivery",
            "state__exact=dead",
        ),
        of_mails("Emails not sent", "Refused, or tried for three days.", "failed"),
        of_mails(
            "Emails in doubt",
            "Nobody knows whether they were sent. Send them again, or not?",
            "unclear",
        ),
        of_mails(
            "Letters to print", "For customers who have no email address or want paper.", "print"
        ),
        Work(
            "Undelivered webhooks",
            "Given up after three days, or because their endpoint was turned off.",
            "webhook",
            "events.view_webhookdelivery",
            # Those of endpoints that a person turned off are nobody's work.
            WebhookDelivery.objects.filter(state=WebhookDelivery.State.DEAD).exclude(
                endpoint__is_enabled=False, endpoint__disabled_reason=""
            ),
            "events_webhookdelivery",
            "state__exact=dead",
        ),
        Work(
            "Endpoints turned off",
            "They accepted nothing for three days, or answered that they are gone.",
            "link_off",
            "events.view_webhookendpoint",
            WebhookEndpoint.objects.filter(is_enabled=False).exclude(disabled_reason=""),
            "events_webhookendpoint",
            "is_enabled__exact=0",
        ),
    ]


def _unready() -> QuerySet[Seller]:
    live = Seller.objects.filter(is_live=True)
    return live.filter(pk__in=[seller.pk for seller in live if missing_to_go_live(seller)])


def _money_and_jobs() -> list[Work]:
    return [
        Work(
            "Live sellers that may not issue invoices",
            "Something that has to be on invoices is missing. Their pages list it.",
            "storefront",
            "customers.view_seller",
            _unready(),
            "customers_seller",
            "is_live__exact=1",
        ),
        Work(
            "Money to pay back",
            "Somebody has to pay it at the bank and mark it as paid on its page.",
            "account_balance",
            "payments.view_refund",
            Refund.objects.filter(state=Refund.State.OWED),
            "payments_refund",
            "state__exact=owed",
        ),
        Work(
            "Balances left behind",
            "They belong to customers without a subscription. Pay them back from the "
            "customer's page.",
            "savings",
            "invoicing.view_customerbalance",
            CustomerBalance.objects.filter(IS_LEFT_BEHIND),
            "invoicing_customerbalance",
            "work=left",
        ),
        Work(
            "Payments to look at",
            "The gateway and our books do not agree, or it gives no answer.",
            "report",
            "payments.view_payment",
            Payment.objects.exclude(attention=""),
            "payments_payment",
            "work=attention",
        ),
        Work(
            "Parked gateway events",
            "They are about nothing that we know of, or were given up.",
            "move_to_inbox",
            "payments.view_gatewayevent",
            GatewayEvent.objects.exclude(parked_reason=""),
            "payments_gatewayevent",
            "work=parked",
        ),
        Work(
            "Troubles",
            "Unforeseen errors. They are tried again automatically, while the others are served.",
            "healing",
            "events.view_trouble",
            Trouble.objects.all(),
            "events_trouble",
            "",
        ),
        Work(
            "Failed jobs",
            "Their latest run failed, or was stopped. Run the job again from its page.",
            "error",
            "jobs.view_jobrun",
            failing(),
            "jobs_jobrun",
            "state__exact=failed",
        ),
    ]
