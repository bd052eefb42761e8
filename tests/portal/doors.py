"""What tests of the portal have, how they come into it, and how they read what it says."""

import re
from functools import partial
from html import unescape
from typing import Any

from django.http import HttpResponse
from django.test import Client

from billing.base import clock
from billing.invoicing.changes import bill_after
from billing.subscriptions import actions
from billing.subscriptions.models import Subscription
from catalog.models import Plan
from customers.links import make_link
from customers.models import AccessLink, Customer, Seller
from tests.factories import DAY, PlanFactory, PriceFactory

Purpose = AccessLink.Purpose


def plan_of(seller: Seller, amount: str, **fields: Any) -> Plan:
    plan: Plan = PlanFactory(**{"seller": seller, "family": "main", **fields})
    PriceFactory(plan=plan, code="fee", amount=amount)
    return plan


def started(customer: Customer, plan: Plan, **terms: Any) -> Subscription:
    """A subscription from the first day, with its first invoice."""
    change = partial(actions.start, customer, plan, as_of=DAY, actor="test", **terms)
    return bill_after(change, as_of=DAY, actor="test").subscription


def token_for(customer: Customer, purpose: str = Purpose.PORTAL, **terms: Any) -> str:
    return make_link(customer, purpose, now=clock.now(), **terms)


def sign_in(client: Client, customer: Customer, **terms: Any) -> None:
    answer = client.post(f"/portal/enter/{token_for(customer, **terms)}/")
    assert answer.status_code == 302


def text_of(answer: Any) -> str:
    """What a person reads on a page, in one line; spaces that do not break are spaces."""
    html = answer.content.decode()
    body = html[html.index("<body>") :]
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", body)).replace("\xa0", " ").split())


def hidden_of(answer: HttpResponse | Any, button: str = 'name="seen"') -> dict[str, str]:
    """What the form with the three lines sends as it stands there, without its token."""
    html = answer.content.decode()
    form = next(part for part in html.split("<form")[1:] if button in part).split("</form>")[0]
    sent = {}
    for field in re.findall(r"<input\b[^>]*>", form):
        said = {name: unescape(value) for name, value in re.findall(r'([\w-]+)="([^"]*)"', field)}
        is_chosen = said["type"] not in ("radio", "checkbox") or re.search(r"\bchecked\b", field)
        if is_chosen and said["name"] != "csrfmiddlewaretoken":
            sent[said["name"]] = said.get("value", "")
    return sent
