"""The till of the demo's shop: cards are left and charged at a sandbox, as in the living shop."""

import html
import re
from collections.abc import Callable
from datetime import date
from random import Random

import requests

from billing.engine.errors import Refused
from billing.payments.charging import resolve
from billing.payments.collection import collect_due, resolve_due
from billing.payments.gateways.sandbox.client import Sandbox
from billing.payments.inbox import poll_gateways, process_hooks
from billing.payments.methods import keep_method
from billing.payments.models import Payment
from billing.payments.sessions import customer_at
from customers.models import Customer, Seller

ACTOR = "demo"
# Who is asked to confirm a charge mostly does; the others let it lapse.
CONFIRMS_PERCENT = 80
PAGE_SECONDS = 10


class SandboxTill:
    """Takes cards at a sandbox that runs and is the one of the settings."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox

    def leave_card(self, customer: Customer, number: str, on: date) -> None:
        card = self.sandbox.leave_card(
            f"{customer.public_id}-{on}",
            customer=customer_at(self.sandbox, customer),
            number=number,
        )
        keep_method(customer, gateway=self.sandbox.name, gateway_id=card, as_of=on, actor=ACTOR)

    def charge(self, seller: Seller, on: date) -> None:
        _until_none(lambda: collect_due(seller, as_of=on, actor=ACTOR))

    def close(self, seller: Seller, on: date) -> None:
        waiting = Payment.objects.filter(
            seller=seller, state=Payment.State.REQUIRES_ACTION, gateway=self.sandbox.name
        ).select_related("customer")
        for payment in waiting:
            chance = Random(f"{payment.customer.external_id}/{payment.planned_on}")  # noqa: S311
            if chance.randrange(100) < CONFIRMS_PERCENT:
                _confirm(payment.action_url)
                resolve(payment.pk, ACTOR)
        resolve_due()
        _until_none(poll_gateways)
        _until_none(process_hooks)


def _until_none(work: Callable[[], int]) -> None:
    while work():
        pass


def _confirm(action_url: str) -> None:
    """Approve a charge on the bank's page, as its cardholder does."""
    page = requests.get(action_url, timeout=PAGE_SECONDS)
    form = hidden_fields(page.text) | {"decision": "approve"}
    answer = requests.post(action_url, data=form, timeout=PAGE_SECONDS, allow_redirects=False)
    if not answer.ok:
        raise Refused(f"The bank's page answered {answer.status_code}.", code="bank_page")


def hidden_fields(page: str) -> dict[str, str]:
    """The fields of a page's form that a person does not see."""
    found = re.findall(r'<input type="hidden" name="([a-z_]+)" value="([^"]*)">', page)
    return {name: html.unescape(value) for name, value in found}
