"""A subscription that cannot be billed: shops see it and hear of it."""

from billing.events.models import Event
from billing.events.recorder import fan_out
from billing.invoicing.actions import bill_customer
from billing.invoicing.batch import park
from billing.subscriptions import actions
from billing.subscriptions.models import Subscription
from customers.models import Seller
from tests.api.calling import Shop
from tests.factories import DAY, CustomerFactory, PlanFactory, PriceFactory, ProductFactory

REASON = "There is no tax rate for food in FR."


def parked(seller: Seller) -> Subscription:
    plan = PlanFactory(seller=seller, product=ProductFactory(seller=seller))
    PriceFactory(plan=plan)
    begun = actions.start(CustomerFactory(seller=seller), plan, as_of=DAY, actor="user:anna")
    park(seller, {begun.pk: REASON}, DAY, "tick")
    return begun


def told(shop: Shop, subject: str) -> list[str]:
    while fan_out():
        pass
    listed = shop.get("events", subject=subject).json()["results"]
    return [each["type"] for each in reversed(listed)]


def test_a_parked_subscription_says_so_and_why(shop: Shop) -> None:
    begun = parked(shop.seller)
    shown = shop.get(f"subscriptions/{begun.public_id}").json()
    assert (shown["is_parked"], shown["parked_reason"]) == (True, REASON)
    listed = shop.get("subscriptions", is_parked="true").json()["results"]
    assert [each["id"] for each in listed] == [begun.public_id]
    assert shop.get("subscriptions", is_parked="false").json()["results"] == []


def test_shops_hear_that_it_is_parked_and_that_it_goes_on(shop: Shop) -> None:
    begun = parked(shop.seller)
    assert told(shop, begun.public_id) == ["subscription.started", "subscription.parked"]
    assert bill_customer(begun.customer, as_of=DAY, actor="user:anna", subscription=begun)
    assert told(shop, begun.public_id)[-1] == "subscription.unparked"
    shown = shop.get(f"subscriptions/{begun.public_id}").json()
    assert (shown["is_parked"], shown["parked_reason"]) == (False, None)


def test_what_was_never_parked_is_not_said_to_go_on(shop: Shop) -> None:
    begun = parked(shop.seller)
    Subscription.objects.filter(pk=begun.pk).update(parked_reason="")
    bill_customer(begun.customer, as_of=DAY, actor="user:anna", subscription=begun)
    assert not Event.objects.filter(type="subscription.unparked").exists()
