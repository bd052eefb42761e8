"""What is agreed to when somebody orders, in plain words: shown, and kept as it was shown."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from django.utils import translation
from django.utils.translation import pgettext

from billing.base.intervals import interval_in_words
from billing.checkout.models import Order
from billing.engine.declines import Decline
from billing.engine.money import to_minor
from billing.invoicing.abroad import country_of
from billing.invoicing.changes import FullPrice, Preview, SeenBill
from billing.invoicing.models import InvoiceLine
from billing.invoicing.writing import Writer, decline_in_words
from catalog.models import Plan, Price
from customers.models import Customer
from portal.words import units_of, with_tax

# Another one when the words below mean something else than before.
VERSION = "2026-11-28"


@dataclass(frozen=True, slots=True)
class Row:
    """When something is paid, how much, and for what."""

    when: str
    on: str
    amount: str
    why: list[str]


@dataclass(frozen=True, slots=True)
class Terms:
    """An order in words. ``digest`` tells one wording, with its sums, from another.

    ``tax`` says why there is no VAT, or why there still is; empty where nothing is to be said.
    """

    figure: str
    figure_note: str
    rows: list[Row]
    tax: str
    sentences: list[str]
    consent: str
    button: str
    today_minor: int

    @property
    def text(self) -> str:
        """All that is agreed to, as it is kept."""
        rows = [f"{row.when}: {row.amount} {row.on}".strip() for row in self.rows]
        tax = [self.tax] if self.tax else []
        return "\n".join([*rows, *tax, *self.sentences, self.consent, f"[{self.button}]"])

    @property
    def digest(self) -> str:
        return digest_of(self.text)


def digest_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def terms_of(
    order: Order, seen: Preview, *, as_of: date, number: str = "", standing: str = ""
) -> Terms:
    """An order's terms in the active language, from what it would really come to.

    ``standing`` is what is known of the VAT number that was given, where that makes a difference.
    """
    write = Writer(translation.get_language() or "en", order.currency)
    today_minor, ahead = seen.to_pay_today_minor, seen.upcoming
    rows = [
        Row(
            pgettext("pay", "Today"),
            write.day(as_of),
            write.money(today_minor),
            [line for bill in seen.today for line in _why(bill, write)]
            or [pgettext("pay", "Nothing yet. You only need to add your card.")],
        )
    ]
    names = (pgettext("pay", "Next invoice"), pgettext("pay", "After that"))
    for name, bill in zip(names, ahead, strict=False):
        # What is billed again and again is said once.
        is_new = not any(row.why for row in rows[1:]) and not seen.today
        why = list(_why(bill, write)) if is_new else []
        rows.append(Row(name, write.day(bill.on), write.money(bill.to_pay_minor), why))
    if seen.full_price:
        rows.append(_without_discount(seen.full_price, write))
    return Terms(
        figure=write.money(today_minor),
        figure_note=_note(order.plan, seen, write),
        rows=rows,
        tax=_tax(seen, number, standing),
        sentences=list(_sentences(order, seen, write, as_of)),
        consent=pgettext(
            "pay",
            "I have read what I am ordering and what it costs, and I agree to the terms above.",
        ),
        button=pgettext("pay", "Order with obligation to pay"),
        today_minor=today_minor,
    )


def each_in_words(price: Price) -> str:
    """What one unit costs, of what the customer orders several: ``62,00 kr each (excl. VAT)``."""
    said = _amount_of(price)
    if price.model == Price.Model.PER_UNIT:
        said = pgettext("pay", "%(amount)s each") % {"amount": said}
    return with_tax(said, [price])


def price_in_words(price: Price) -> str:
    """What one price of a plan costs, and whether VAT is in it."""
    return with_tax(_amount_of(price), [price])


def _amount_of(price: Price) -> str:
    terms = price.terms()
    if price.meter or price.model not in {Price.Model.FLAT, Price.Model.PER_UNIT}:
        said = ", ".join(units_of(terms, price.unit, price.currency))
        return said or pgettext("pay", "by quantity")
    write = Writer(translation.get_language() or "en", price.currency)
    amount = write.money(to_minor(price.amount, price.currency))
    if price.billing == Price.Billing.ONCE:
        return pgettext("pay", "%(amount)s once") % {"amount": amount}
    return amount


def _without_discount(full_price: FullPrice, write: Writer) -> Row:
    """What is paid when a discount has ended: it is agreed to as much as what is paid before."""
    return Row(
        pgettext("pay", "When the discount has ended"),
        pgettext("pay", "from %(day)s") % {"day": write.day(full_price.from_on)},
        write.money(full_price.amount_minor),
        [],
    )


def _why(bill: SeenBill, write: Writer) -> Iterator[str]:
    """Each line of a bill that was seen, with its days, and the tax in its sum."""
    for line in bill.lines:
        if line.kind in {InvoiceLine.Kind.DISCOUNT, InvoiceLine.Kind.ROUNDING}:
            if line.kind == InvoiceLine.Kind.DISCOUNT:
                yield f"{line.description} {write.money(line.amount_minor)}"
            continue
        if line.starts_on and line.ends_on:
            yield f"{line.description}, {write.period(line.starts_on, line.ends_on)}"
        else:
            yield line.description
    yield from _taxes(bill, write)


def _taxes(bill: SeenBill, write: Writer) -> Iterator[str]:
    """The tax of a bill, by rate; another country's with its name."""
    for group in bill.taxes:
        said = {
            "percent": write.percent(group.percent.normalize()),
            "amount": write.money(group.tax_minor),
            "country": write.country(country_of(group.name)) if country_of(group.name) else "",
        }
        if group.category == "AE":
            yield pgettext("pay", "Reverse charge: you account for the VAT")
        elif group.tax_minor and said["country"]:
            yield pgettext("pay", "of which VAT in %(country)s %(percent)s, %(amount)s") % said
        elif group.tax_minor:
            yield pgettext("pay", "of which VAT %(percent)s, %(amount)s") % said


def _tax(seen: Preview, number: str, standing: str) -> str:
    """Why there is no VAT, or why there still is though a VAT number was given."""
    # Of the bills on which it was for the buyer's country to decide, and not for what is stated.
    bills = [bill for bill in (*seen.today, *seen.upcoming) if "supply" in bill.document.bill_to]
    if not bills:
        return ""
    categories = {group.category for bill in bills for group in bill.taxes}
    if categories & {"AE", "K"}:
        return pgettext(
            "pay",
            "The VAT number %(number)s is valid, so you pay no VAT to us: your company accounts "
            "for it in its own country.",
        ) % {"number": number}
    if categories & {"G", "O"}:
        return pgettext("pay", "We charge no VAT on what we sell to your country.")
    if standing == "invalid":
        return pgettext(
            "pay",
            "The EU's register does not have %(number)s as a valid VAT number. Check the number: "
            "without a valid one we charge VAT.",
        ) % {"number": number}
    if standing == "unknown":
        return pgettext(
            "pay",
            "The EU's register did not answer when we checked the VAT number %(number)s. We "
            "charge VAT until it is confirmed. We keep checking, and once it is confirmed your "
            "later invoices are without VAT.",
        ) % {"number": number}
    return ""


def _note(plan: Plan, seen: Preview, write: Writer) -> str:
    """Beneath the figure of today: what comes after it, and when a discount has ended."""
    if not seen.upcoming:
        return pgettext("pay", "once, and nothing more")
    note = _note_at_first(plan, seen, write)
    if seen.full_price is None:
        return note
    return pgettext("pay", "%(note)s, and %(amount)s from %(day)s") % {
        "note": note,
        "amount": write.money(seen.full_price.amount_minor),
        "day": write.day(seen.full_price.from_on),
    }


def _note_at_first(plan: Plan, seen: Preview, write: Writer) -> str:
    then = seen.upcoming[0]
    said = {"amount": write.money(then.to_pay_minor), "day": write.day(then.on)}
    if seen.to_pay_today_minor == then.to_pay_minor and not seen.subscription.has_trial:
        return interval_in_words(plan.interval_unit, plan.interval_count)
    if not seen.to_pay_today_minor:
        return pgettext("pay", "today, then %(amount)s on %(day)s") % said
    return pgettext("pay", "today, then %(amount)s %(interval)s") % (
        said | {"interval": interval_in_words(plan.interval_unit, plan.interval_count)}
    )


def _sentences(order: Order, seen: Preview, write: Writer, as_of: date) -> Iterator[str]:
    """Price, trial, renewal, end, usage, how to cancel, and the right to withdraw."""
    plan, subscription = order.plan, seen.subscription
    said = {
        "interval": interval_in_words(plan.interval_unit, plan.interval_count),
        "plan": plan.name,
        "seller": order.seller.name,
    }
    if as_of < subscription.paid_from:
        yield _trial(is_fixed=subscription.ends_on is not None) % {
            "day": write.day(subscription.paid_from)
        }
    if seen.upcoming:
        then = seen.upcoming[0]
        yield _next_payment(seen, is_fixed=subscription.ends_on is not None) % (
            said | {"amount": write.money(then.to_pay_minor), "day": write.day(then.on)}
        )
    if seen.full_price:
        yield pgettext(
            "pay", "The discount ends on %(day)s. From then on you pay %(amount)s %(interval)s."
        ) % (
            said
            | {
                "amount": write.money(seen.full_price.amount_minor),
                "day": write.day(seen.full_price.from_on),
            }
        )
    if order.customer and order.customer.collection == Customer.Collection.INVOICE:
        yield (
            pgettext(
                "pay",
                "You have paid by invoice until now. From this order on, all your new invoices "
                "from %(seller)s are charged to the card that you pay with. The invoices that you "
                "have already received, you still pay yourself.",
            )
            % said
        )
    if any(price.meter for price in plan.prices.filter(is_active=True, currency=order.currency)):
        yield pgettext("pay", "What you use is measured, and billed after each period.")
    if subscription.last_day:
        yield pgettext(
            "pay",
            "The term is fixed: it runs from today until %(day)s, that day included, and then "
            "ends without renewal. It cannot be canceled before then.",
        ) % {"day": write.day(subscription.last_day)}
    else:
        yield _how_to_cancel(order)
    yield pgettext(
        "pay",
        "As a consumer you may withdraw from the order within 14 days. You then pay for the part "
        "that you have had.",
    )


def _trial(*, is_fixed: bool) -> str:
    if is_fixed:
        return pgettext(
            "pay",
            "The trial costs nothing until %(day)s. From that day you pay for the fixed term.",
        )
    return pgettext(
        "pay",
        "The trial costs nothing until %(day)s. Cancel before that day and you pay nothing.",
    )


def _next_payment(seen: Preview, *, is_fixed: bool) -> str:
    has_tax = bool(seen.upcoming[0].document.tax_minor)
    if is_fixed and has_tax:
        return pgettext(
            "pay",
            "You pay for %(plan)s %(interval)s until it ends. The next payment, %(amount)s "
            "including VAT, is taken from your card on %(day)s.",
        )
    if is_fixed:
        return pgettext(
            "pay",
            "You pay for %(plan)s %(interval)s until it ends. The next payment, %(amount)s "
            "without VAT, is taken from your card on %(day)s.",
        )
    if has_tax:
        return pgettext(
            "pay",
            "%(plan)s renews automatically %(interval)s. The next payment, %(amount)s including "
            "VAT, is taken from your card on %(day)s.",
        )
    return pgettext(
        "pay",
        "%(plan)s renews automatically %(interval)s. The next payment, %(amount)s without VAT, "
        "is taken from your card on %(day)s.",
    )


def _how_to_cancel(order: Order) -> str:
    if order.seller.email:
        return pgettext(
            "pay",
            "Cancel whenever you like, on your own page with %(seller)s or by email to "
            "%(email)s. What you have paid for continues until its period ends.",
        ) % {"seller": order.seller.name, "email": order.seller.email}
    return pgettext(
        "pay",
        "Cancel whenever you like, on your own page with %(seller)s. What you have paid for "
        "continues until its period ends.",
    ) % {"seller": order.seller.name}


def failure_in_words(code: str) -> str:
    """Why a card was refused, and what to do."""
    decline = Decline.of(code)
    if decline.is_hard:
        advice = pgettext("pay", "Use another one.")
    elif decline is Decline.AUTHENTICATION_FAILED:
        advice = pgettext("pay", "Try once more.")
    else:
        advice = pgettext("pay", "Try again, or use another card.")
    return f"{decline_in_words(code)} {advice}"


def card_of(customer: Customer) -> str:
    """``Visa ···· 4242``: the card that is charged; empty where there is none."""
    method = customer.payment_methods.filter(is_default=True, retired_at=None).first()
    return method.in_words() if method else ""
