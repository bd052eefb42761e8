"""Access that is limited, closed or given back because of a debt."""

from collections.abc import Collection, Iterator, Sequence

from django.utils.translation import pgettext

from billing.events.models import Event
from billing.invoicing.models import Invoice
from billing.mail.kinds import MailKind, News
from billing.mail.letters import Letter, Occasion, Unneeded
from billing.mail.models import Message
from billing.mail.words.common import (
    LATE_DEBT,
    document_of,
    has_refused_card,
    how_to_pay,
    pay_button,
)
from billing.mail.words.debts import case_of, what_comes
from billing.subscriptions.models import Subscription
from catalog.models import Plan
from dunning.access import subscriptions_of
from dunning.models import DunningAction, DunningCase
from dunning.steps import KINDS


def restricted(occasion: Occasion) -> Letter:
    case, document = _unpaid(occasion)
    if case.access != DunningCase.Access.RESTRICTED:
        raise Unneeded("Access is not limited any more, or closed by now.")
    if all(each.access == Subscription.Access.NONE for each in _alive(document)):
        raise Unneeded("Another invoice has closed access altogether.")
    return _taken(
        occasion,
        case,
        document,
        pgettext("mail", "Your access is limited until invoice %(number)s is paid"),
        pgettext(
            "mail",
            "Invoice %(number)s for %(amount)s is not paid, so your access to %(plans)s is limited "
            "for now.",
        ),
    )


RESTRICTED = MailKind(
    "restricted",
    "access restricted",
    restricted,
    told_by=(News("dunning.restricted"),),
    series=LATE_DEBT,
)


def suspended(occasion: Occasion) -> Letter:
    case, document = _unpaid(occasion)
    if case.access != DunningCase.Access.NONE:
        raise Unneeded("Access is not closed any more.")
    return _taken(
        occasion,
        case,
        document,
        pgettext("mail", "Your access is suspended until invoice %(number)s is paid"),
        pgettext(
            "mail",
            "Invoice %(number)s for %(amount)s is not paid, so your access to %(plans)s is "
            "suspended for now.",
        ),
    )


SUSPENDED = MailKind(
    "suspended",
    "access suspended",
    suspended,
    told_by=(News("dunning.suspended"),),
    series=LATE_DEBT,
)


def _unpaid(occasion: Occasion) -> tuple[DunningCase, Invoice]:
    case, document = case_of(occasion), document_of(occasion.told("invoice"))
    if not document.is_collectable:
        raise Unneeded("The invoice is settled by now.")
    if not _alive(document):
        raise Unneeded("The subscriptions have ended.")
    return case, document


def _taken(
    occasion: Occasion, case: DunningCase, document: Invoice, subject: str, happened: str
) -> Letter:
    named = {
        "number": document.number,
        "amount": occasion.money(document.left_minor, document.currency),
        "plans": _plans(document),
    }
    following = pgettext("mail", "As soon as it is paid, you have full access again.")
    coming = KINDS[case.next_step.kind] if case.next_step else None
    if coming and (coming.leaves == DunningCase.Access.NONE or coming.ends_subscription):
        following = f"{following} {what_comes(occasion, case)}"
    rows = (
        (pgettext("mail", "Invoice"), str(document.number)),
        (pgettext("mail", "Invoice date"), occasion.day(document.issued_on)),
        (
            pgettext("mail", "To pay"),
            occasion.money(document.left_minor, document.currency),
        ),
    )
    return Letter(
        subject=subject % named,
        happened=happened % named,
        next=following,
        button=pay_button(occasion, document),
        details=rows if has_refused_card(occasion, document) else rows + how_to_pay(document),
    )


def restored(occasion: Occasion) -> Letter:
    document = document_of(occasion.told("invoice"))
    alive = _alive(document)
    if not alive:
        raise Unneeded("The subscriptions have ended.")
    if any(each.access != Subscription.Access.FULL for each in alive):
        raise Unneeded("Another invoice still limits access.")
    if _is_told_by_another(occasion, alive):
        raise Unneeded("Another mail says so.")
    plans = _plans(document)
    named = {"number": document.number, "plans": plans}
    return Letter(
        subject=pgettext("mail", "You have full access to %(plans)s again") % named,
        happened=pgettext(
            "mail", "Invoice %(number)s is settled, and you have full access to %(plans)s again."
        )
        % named,
        next=pgettext("mail", "You do not need to do anything more."),
        details=(
            (pgettext("mail", "Invoice"), str(document.number)),
            (pgettext("mail", "Subscription"), plans),
        ),
    )


def _had_full_access(events: Sequence[Event]) -> Iterator[Event]:
    limits = DunningAction.objects.filter(
        case__public_id__in=[event.subject for event in events],
        kind__in=[kind.name for kind in KINDS.values() if kind.is_limit],
        outcome="",
    )
    limited = set(limits.values_list("case__public_id", flat=True))
    return (event for event in events if event.subject not in limited)


RESTORED = MailKind(
    "restored",
    "access restored",
    restored,
    told_by=(News("dunning.recovered", untold=_had_full_access),),
)


def _is_told_by_another(occasion: Occasion, alive: Collection[Subscription]) -> bool:
    """Whether a later message tells of any of the same: two debts may be paid at once."""
    later = Message.objects.filter(
        customer=occasion.customer,
        kind=occasion.message.kind,
        state__in=(Message.State.WAITING, Message.State.SENDING, Message.State.SENT),
        pk__gt=occasion.message.pk,
    )
    invoices = Invoice.objects.filter(
        public_id__in=[fact for message in later if (fact := message.fact("invoice"))]
    )
    billed = subscriptions_of(invoices.values_list("pk", flat=True)).values()
    return not {each.pk for each in alive}.isdisjoint(each.pk for one in billed for each in one)


def _alive(document: Invoice) -> list[Subscription]:
    """What an invoice bills that has not ended."""
    billed = subscriptions_of([document.pk])[document.pk]
    return [each for each in billed if each.status != Subscription.Status.ENDED]


def _plans(document: Invoice) -> str:
    """The names of what an invoice bills, each once."""
    ids = [each.plan_id for each in subscriptions_of([document.pk])[document.pk]]
    plans = Plan.objects.filter(pk__in=ids).order_by("name").values_list("name", flat=True)
    return ", ".join(plans) or str(document.number)
