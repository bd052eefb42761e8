"""What came out of a scenario, and whether it is what was expected."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from django.db import transaction

from billing.engine.errors import BillingError
from billing.engine.money import major_string
from billing.engine.periods import period_of
from billing.engine.recognition import recognize_by_month
from billing.events.models import Event
from billing.invoicing.models import CustomerBalance, Invoice, InvoiceLine
from billing.ledger.models import Transfer
from billing.payments.models import Payment
from billing.simulation.playing import Player, StepFailed
from billing.simulation.reading import Scenario, ScenarioError, plain
from billing.subscriptions.agreements import Contract, load_contracts


class _Done(Exception):
    """Raised to roll a scenario back once its outcome has been read."""


def simulate(scenario: Scenario) -> dict[str, Any]:
    """Play a scenario, read what it made, compare, and leave no trace of it."""
    result: dict[str, Any] = {"name": scenario.name}
    if scenario.error is not None:
        return result | {"error": _error(None, scenario.error)}
    with suppress(_Done), transaction.atomic():
        try:
            player = Player(scenario)
        except (ScenarioError, BillingError) as error:
            result["error"] = _error(None, error)
            raise _Done from error
        player.on_preview = _preview
        try:
            player.play()
        except StepFailed as error:
            result["error"] = _error(error.step, error)
        except ScenarioError as error:
            result["error"] = _error(None, error)
        result |= _outcome(player)
        result["failed"] = list(_failures(scenario.content.get("expect") or {}, result))
        raise _Done
    return result


def _error(step: int | None, error: Any) -> dict[str, Any]:
    line = getattr(error, "line", None)
    return {"step": step, "line": line, "code": error.code, "message": error.message}


def _outcome(player: Player) -> dict[str, Any]:
    company = player.company
    documents = _documents(player)
    return {
        "invoices": [_invoice(player, one) for one in documents if one.kind == "invoice"],
        "credit_notes": [_credit_note(player, one) for one in documents if one.kind != "invoice"],
        "payments": _payments(player, documents),
        "balances": _balances(player),
        "subscriptions": {
            name: _subscription(player, subscription.pk)
            for name, subscription in company.subscriptions.items()
        },
        "books": _books(player),
        "recognized": _recognized(player, documents),
        "events": _events(player),
        "previews": player.previews,
    }


def _preview(player: Player, number: int) -> dict[str, Any]:
    since = player.marks[-1][2]["invoice"]
    made = [document for document in _documents(player) if document.pk > since]
    return {
        "step": number,
        "on": player.today.isoformat(),
        "invoices": [_invoice(player, one) for one in made if one.kind == "invoice"],
        "credit_notes": [_credit_note(player, one) for one in made if one.kind != "invoice"],
    }


def _documents(player: Player) -> list[Invoice]:
    return list(
        Invoice.objects.filter(seller=player.company.seller)
        .select_related("customer", "subscription")
        .prefetch_related("lines__price__plan", "lines__subscription", "lines__corrects", "taxes")
        .order_by("id")
    )


def _head(player: Player, document: Invoice) -> dict[str, Any]:
    step, _ = player.step_of("invoice", document.pk)
    money = _money_in(document.currency)
    return {
        "step": step,
        "on": document.issued_on.isoformat(),
        "number": document.number,
        "customer": document.customer.external_id,
        "currency": document.currency,
        "lines": [_line(line, document.currency) for line in document.lines.all()],
        "taxes": [
            {
                "category": group.category,
                "rate": _number(group.percent),
                "inclusive": group.is_inclusive,
                "name": group.name,
                "net": money(group.net_minor),
                "tax": money(group.tax_minor),
            }
            for group in document.taxes.all()
        ],
        "subtotal": money(document.subtotal_minor),
        "discount": money(document.discount_minor),
        "tax": money(document.tax_minor),
        "rounding": money(document.rounding_minor),
        "total": money(document.total_minor),
    }


def _invoice(player: Player, invoice: Invoice) -> dict[str, Any]:
    money = _money_in(invoice.currency)
    return _head(player, invoice) | {
        "subscription": invoice.subscription.external_id if invoice.subscription else None,
        "status": invoice.status,
        "due_on": invoice.due_on.isoformat(),
        "credit_applied": money(invoice.credit_applied_minor),
        "amount_due": money(invoice.amount_due_minor),
        "paid": money(invoice.paid_minor),
        "credited": money(invoice.credited_minor),
    }


def _credit_note(player: Player, note: Invoice) -> dict[str, Any]:
    corrected = InvoiceLine.objects.filter(corrected_by__invoice=note).values_list(
        "invoice__number", flat=True
    )
    return _head(player, note) | {
        "corrects": sorted({number for number in corrected if number}),
        "to": note.credit_to or "balance",
    }


def _line(line: InvoiceLine, currency: str) -> dict[str, Any]:
    money = _money_in(currency)
    return {
        "kind": line.kind,
        "subscription": line.subscription.external_id if line.subscription else None,
        "plan": line.price.plan.code if line.price else None,
        "price": line.price.code if line.price else None,
        "description": line.description,
        "from": line.starts_on.isoformat() if line.starts_on else None,
        "to": line.ends_on.isoformat() if line.ends_on else None,
        "quantity": _number(line.quantity),
        "unit_amount": _number(line.unit_amount),
        "amount": money(line.amount_minor),
        "discount": money(line.discount_minor),
        "net": money(line.net_minor),
        "days": line.days,
        "of_days": line.of_days,
        "tiers": [
            {key: _number(value) for key, value in tier.items()} for tier in line.tiers or []
        ],
        "corrects": _corrects(line),
    }


def _corrects(line: InvoiceLine) -> dict[str, Any] | None:
    if line.corrects is None:
        return None
    corrected = line.corrects
    return {"invoice": corrected.invoice.number, "line": corrected.position}


def _payments(player: Player, documents: list[Invoice]) -> list[dict[str, Any]]:
    invoices = [document.pk for document in documents if document.kind == "invoice"]
    rows = []
    for payment in (
        Payment.objects.filter(seller=player.company.seller)
        .prefetch_related("allocations")
        .order_by("id")
    ):
        step, on = player.step_of("payment", payment.pk)
        allocation = payment.allocations.all()[0]
        rows.append(
            {
                "step": step,
                "on": on.isoformat() if on else None,
                "invoice": invoices.index(allocation.invoice_id) + 1,
                "amount": major_string(payment.amount_minor, payment.currency),
                "status": payment.state,
            }
        )
    return rows


def _balances(player: Player) -> dict[str, dict[str, str]]:
    company = player.company
    zero = major_string(0, company.currency)
    balances = {name: {company.currency: zero} for name in company.customers}
    for balance in CustomerBalance.objects.filter(customer__seller=company.seller).select_related(
        "customer"
    ):
        balances[str(balance.customer.external_id)][balance.currency] = major_string(
            balance.balance_minor, balance.currency
        )
    return balances


def _subscription(player: Player, pk: int) -> dict[str, Any]:
    contract = load_contracts([pk])[pk]
    period = _period_on(contract, player.today)
    return {
        "status": contract.status_on(player.today),
        "period": {"from": period[0].isoformat(), "to": period[1].isoformat()} if period else None,
        "next_bill_on": contract.next_bill_on.isoformat() if contract.next_bill_on else None,
    }


def _period_on(contract: Contract, on: date) -> tuple[date, date] | None:
    """The period in force on a day: the trial, or the grid's period as far as it is served."""
    agreement = contract.agreement
    if agreement.end is not None and agreement.end <= on:
        return None
    if on < agreement.paid_from:
        return agreement.start, agreement.paid_from
    period = period_of(agreement.cycles, on)
    end = min(period.end, agreement.end) if agreement.end else period.end
    return max(period.start, agreement.paid_from), end


def _books(player: Player) -> dict[str, str]:
    """Balances of accounts, debit positive; in other currencies than the story's by name."""
    company = player.company
    sums: dict[tuple[str, str], int] = defaultdict(int)
    for transfer in Transfer.objects.filter(seller=company.seller).select_related(
        "debit_account", "credit_account"
    ):
        sums[transfer.debit_account.role, transfer.currency] += transfer.amount_minor
        sums[transfer.credit_account.role, transfer.currency] -= transfer.amount_minor
    return {
        role if currency == company.currency else f"{role} {currency}": major_string(
            minor, currency
        )
        for (role, currency), minor in sorted(sums.items())
    }


def _recognized(player: Player, documents: list[Invoice]) -> dict[str, str]:
    """Net revenue by month of service, straight line by day; without a span, of the issue day."""
    months: dict[tuple[int, int], int] = defaultdict(int)
    currency = player.company.currency
    for document in documents:
        if document.status == Invoice.Status.VOID or document.currency != currency:
            continue
        sign = -1 if document.kind == "credit_note" else 1
        for line in document.lines.all():
            start = line.starts_on or document.issued_on
            end = line.ends_on or start
            for month, minor in recognize_by_month(sign * line.net_minor, start, end).items():
                months[month] += minor
    return {
        f"{year}-{month:02}": major_string(minor, currency)
        for (year, month), minor in sorted(months.items())
        if minor
    }


def _events(player: Player) -> list[dict[str, Any]]:
    company = player.company
    names = {one.public_id: name for name, one in company.subscriptions.items()}
    names |= {one.public_id: name for name, one in company.customers.items()}
    for document in Invoice.objects.filter(seller=company.seller):
        names[document.public_id] = str(document)
    return [
        {
            "step": player.step_of("event", event.pk)[0],
            "on": event.occurred_on.isoformat(),
            "type": event.type,
            "subject": names.get(event.subject, event.subject),
        }
        for event in Event.objects.filter(seller=company.seller.public_id).order_by("id")
    ]


def _money_in(currency: str) -> Any:
    return lambda minor: major_string(minor, currency)


def _number(value: Any) -> str | None:
    if value is None:
        return None
    number = Decimal(value)
    return f"{number.normalize():f}" if number else "0"


# What was expected


def _failures(expect: Mapping[str, Any], result: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Each expectation that does not hold, with both values."""
    is_complete = bool(expect.get("only"))
    for key, expected in expect.items():
        if key == "only":
            continue
        actual = result.get(key)
        if isinstance(expected, list) and isinstance(actual, list):
            yield from _list_failures(key, expected, actual, is_complete)
        else:
            yield from _value_failures(key, expected, actual)


def _list_failures(
    path: str, expected: list[Any], actual: list[Any], is_complete: bool
) -> Iterator[dict[str, Any]]:
    """Expected entries match in order; others may stand between them unless it is complete."""
    if is_complete or not expected:
        if len(expected) != len(actual):
            yield {
                "path": f"{path}.length",
                "expected": len(expected),
                "actual": len(actual),
                "found": actual,
            }
            return
        for index, (one, other) in enumerate(zip(expected, actual, strict=True), 1):
            yield from _value_failures(f"{path}[{index}]", one, other)
        return
    position = 0
    for index, one in enumerate(expected, 1):
        matches = (
            at
            for at in range(position, len(actual))
            if not list(_value_failures("", one, actual[at]))
        )
        at = next(matches, None)
        if at is None:
            yield {"path": f"{path}[{index}]", "expected": plain(one), "actual": actual[position:]}
        else:
            position = at + 1


def _value_failures(path: str, expected: Any, actual: Any) -> Iterator[dict[str, Any]]:
    if isinstance(expected, Mapping):
        if not isinstance(actual, Mapping):
            yield {"path": path, "expected": plain(expected), "actual": actual}
            return
        is_complete = bool(expected.get("only"))
        for key, value in expected.items():
            if key == "only":
                continue
            if isinstance(value, list) and isinstance(actual.get(key), list):
                yield from _list_failures(f"{path}.{key}", value, actual[key], is_complete)
            else:
                yield from _value_failures(f"{path}.{key}", value, actual.get(key))
    elif not _is_same(expected, actual):
        yield {"path": path, "expected": plain(expected), "actual": actual}


def _is_same(expected: Any, actual: Any) -> bool:
    if expected is None or actual is None or isinstance(expected, bool):
        return expected == actual
    if isinstance(expected, date):
        return expected.isoformat() == actual
    try:
        return Decimal(str(expected)) == Decimal(str(actual))
    except InvalidOperation:
        return str(expected) == str(actual)
