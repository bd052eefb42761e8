from datetime import UTC, datetime, timedelta

import pytest

from billing.engine.errors import Refused
from customers.links import KEPT, LIVES, Purpose, forget_old_links, make_link, read_link, use_link
from customers.models import AccessLink
from tests.factories import CustomerFactory

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)

pytestmark = pytest.mark.django_db


def test_a_token_is_kept_nowhere_and_opens_its_link() -> None:
    customer = CustomerFactory()
    token = make_link(customer, Purpose.PAY, now=NOW, subject="inv_1")
    link = AccessLink.objects.get()
    assert token not in str(vars(link))
    assert read_link(token, Purpose.PAY, now=NOW) == link
    assert (link.customer, link.subject) == (customer, "inv_1")


def test_a_link_of_another_purpose_opens_nothing() -> None:
    token = make_link(CustomerFactory(), Purpose.PAY, now=NOW)
    with pytest.raises(Refused) as refused:
        read_link(token, Purpose.SIGN_IN, Purpose.PORTAL, now=NOW)
    assert refused.value.code == "link_unknown"


@pytest.mark.parametrize("purpose", Purpose.values)
def test_a_link_opens_until_it_is_too_old(purpose: str) -> None:
    token = make_link(CustomerFactory(), purpose, now=NOW)
    end = NOW + LIVES[purpose]
    assert read_link(token, purpose, now=end - timedelta(seconds=1))
    with pytest.raises(Refused) as refused:
        use_link(token, purpose, now=end)
    assert refused.value.code == "link_expired"
    assert refused.value.details["link"] == AccessLink.objects.get()


def test_a_link_that_signs_in_opens_once() -> None:
    token = make_link(CustomerFactory(), Purpose.SIGN_IN, now=NOW)
    assert use_link(token, Purpose.SIGN_IN, now=NOW).purpose == Purpose.SIGN_IN
    with pytest.raises(Refused) as refused:
        use_link(token, Purpose.SIGN_IN, now=NOW)
    assert refused.value.code == "link_used"


def test_a_link_that_does_one_thing_opens_as_often_as_needed() -> None:
    token = make_link(CustomerFactory(), Purpose.PAY, now=NOW)
    assert use_link(token, Purpose.PAY, now=NOW) == use_link(token, Purpose.PAY, now=NOW)


def test_links_are_forgotten_long_after_they_ran_out_and_a_bounded_number_at_a_time() -> None:
    customer = CustomerFactory()
    long_ago = NOW - KEPT - timedelta(hours=1)
    for made_at in (long_ago, long_ago, long_ago, NOW - KEPT):
        make_link(customer, Purpose.SIGN_IN, now=made_at)
    make_link(customer, Purpose.PAY, now=long_ago)
    AccessLink.objects.update(recorded_at=long_ago)
    assert [forget_old_links(NOW, limit=2) for _ in range(3)] == [2, 1, 0]
    kept = AccessLink.objects.order_by("pk").values_list("purpose", flat=True)
    assert list(kept) == [Purpose.SIGN_IN, Purpose.PAY]


def test_a_link_of_a_clock_that_stands_long_ago_is_not_forgotten() -> None:
    token = make_link(CustomerFactory(), Purpose.SIGN_IN, now=NOW - timedelta(days=400))
    AccessLink.objects.update(recorded_at=NOW)
    assert forget_old_links(NOW) == 0
    assert read_link(token, Purpose.SIGN_IN, now=NOW - timedelta(days=400))
