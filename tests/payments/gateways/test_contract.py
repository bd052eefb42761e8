"""What is asked of any gateway, tried on each that is registered, as it really is.

A gateway is registered by one line in ``registry.py``. From then on these tests run over it, and
want its double: see ``double.py``.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import pytest
from django.db import connections, transaction

from billing.base import clock
from billing.engine.declines import Decline
from billing.outbound.actions import hold
from billing.payments.gateways import registry
from billing.payments.gateways.base import (
    KEY_USED_BEFORE,
    About,
    Charge,
    ChargeRequest,
    Gateway,
    GatewayError,
    GatewayHeld,
    GatewayKind,
    GatewayRefused,
    GatewayUnavailable,
    GatewayUnclear,
    Notice,
    Purpose,
    RefundMade,
    Session,
)
from customers.models import Seller
from tests.factories import SellerFactory
from tests.payments.gateways.double import Card, Double, double_of

# The gate's holds are rows, and no gateway is called in a transaction.
pytestmark = pytest.mark.django_db(transaction=True)
# No two tests share a reference or a key, as they share the double.
_NUMBERS = count(1)


@dataclass
class Tried:
    """A gateway, the account of a seller there, and its double."""

    kind: GatewayKind
    double: Double
    seller: Seller
    reference: str

    @property
    def gateway(self) -> Gateway:
        return registry.account(self.kind.name, self.seller)

    def asked(self, card: Card = Card.WORKS, **changed: Any) -> ChargeRequest:
        """What is asked for: 199.00 of a new customer's card."""
        customer, method = self.double.card(self.reference, card)
        request = ChargeRequest(
            key=f"chg_{self.reference}",
            customer=customer,
            payment_method=method,
            amount_minor=19_900,
            currency="SEK",
            reference=self.reference,
            seller=self.seller.public_id,
            metadata={"seller": self.seller.public_id, "number": "1001"},
        )
        return replace(request, **changed)

    def charged(self, card: Card = Card.WORKS) -> Charge:
        return self.gateway.charge(self.asked(card))

    def opened(self, amount_minor: int | None = None) -> Session:
        """A page to pay so much on, or to leave a card."""
        owner = self.gateway.add_customer(
            f"cus_{self.reference}", reference=self.reference, name="Åsa Öberg", email="a@b.example"
        )
        return self.gateway.open_session(
            f"cs_{self.reference}",
            customer=owner,
            reference=self.reference,
            return_url="https://shop.example/back",
            locale="sv",
            seller=self.seller.public_id,
            seller_name=self.seller.name,
            amount_minor=amount_minor,
            currency="SEK" if amount_minor else "",
        )


@pytest.fixture(scope="module", params=registry.GATEWAYS, ids=lambda kind: kind.name)
def running(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[GatewayKind, Double]]:
    kind: GatewayKind = request.param
    with double_of(kind)(tmp_path_factory.mktemp(kind.name)) as double:
        yield kind, double


@pytest.fixture
def tried(running: tuple[GatewayKind, Double], settings: Any) -> Tried:
    kind, double = running
    seller = SellerFactory(live=not kind.is_for_tests)
    double.connect(settings, seller)
    return Tried(kind, double, seller, f"ours-{next(_NUMBERS):04}")


# Who it is


def test_it_has_a_name_for_rows_and_says_how_it_is_set_up(tried: Tried) -> None:
    assert registry.is_gateway(tried.kind.name)
    assert tried.kind.name.isidentifier()
    assert len(tried.kind.name) <= 40
    assert tried.kind.how_to_set_up.endswith(".")
    assert tried.gateway.name == tried.kind.name


def test_it_serves_what_it_says_and_sellers_of_its_own_sort_alone(tried: Tried) -> None:
    other = SellerFactory(live=tried.kind.is_for_tests)
    for purpose in Purpose:
        names = registry.names_for(tried.seller, purpose)
        assert (tried.kind.name in names) == (purpose in tried.kind.purposes)
        assert tried.kind.name not in registry.names_for(other, purpose)


def test_it_is_among_the_accounts_that_are_polled(tried: Tried) -> None:
    assert tried.gateway in list(registry.accounts())
    assert tried.gateway in registry.accounts_at(tried.kind.name)


def test_it_tells_the_time_or_that_it_does_not(tried: Tried) -> None:
    told = tried.gateway.clock()
    assert told is None or abs(told - clock.now()) < timedelta(minutes=2)


# Charges


def test_a_charge_is_what_was_asked_for_and_is_found_again(tried: Tried) -> None:
    asked = tried.asked()
    made = tried.gateway.charge(asked)
    assert (made.status, made.failure_code, made.refunded_minor) == ("succeeded", "", 0)
    assert (made.amount_minor, made.currency) == (19_900, "SEK")
    assert (made.reference, made.customer) == (tried.reference, asked.customer)
    assert made.metadata == asked.metadata
    assert tried.gateway.get_charge(made.gateway_id) == made
    assert tried.gateway.charges_of(tried.reference) == [made]


def test_amounts_are_in_the_currencys_smallest_unit(tried: Tried) -> None:
    made = tried.gateway.charge(tried.asked(amount_minor=500, currency="JPY"))
    assert (made.amount_minor, made.currency) == (500, "JPY")


def test_the_same_key_twice_is_one_charge(tried: Tried) -> None:
    asked = tried.asked()
    first, again = (tried.gateway.charge(asked) for _ in range(2))
    assert first == again
    assert tried.gateway.charges_of(tried.reference) == [first]


def test_the_same_key_at_once_is_one_charge(tried: Tried) -> None:
    asked = tried.asked()

    def ask(_: int) -> str:
        try:
            return tried.gateway.charge(asked).gateway_id
        except GatewayUnclear:
            return ""  # The first one is still at work.
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as threads:
        answers = set(threads.map(ask, range(4))) - {""}
    (made,) = tried.gateway.charges_of(tried.reference)
    assert answers <= {made.gateway_id}


def test_a_key_that_was_used_for_other_words_is_unclear_and_charges_nothing(tried: Tried) -> None:
    asked = tried.asked()
    first = tried.gateway.charge(asked)
    with pytest.raises(GatewayUnclear) as unclear:
        tried.gateway.charge(replace(asked, amount_minor=1))
    assert unclear.value.code == KEY_USED_BEFORE
    assert tried.gateway.charges_of(tried.reference) == [first]


@pytest.mark.parametrize(("card", "is_hard"), [(Card.NO_MONEY, False), (Card.NEVER, True)], ids=str)
def test_a_decline_is_an_answer_with_a_reason_among_ours(
    tried: Tried, card: Card, is_hard: bool
) -> None:
    made = tried.charged(card)
    assert made.status == "failed"
    decline = tried.kind.decline_of(made.failure_code)
    assert decline is not Decline.DECLINED
    assert (made.is_hard or decline.is_hard) == is_hard
    assert tried.gateway.charges_of(tried.reference) == [made]


def test_a_reason_that_nobody_knows_is_a_plain_decline(tried: Tried) -> None:
    for code in ("", "something_new", "\x00", "x" * 500):
        assert tried.kind.decline_of(code) is Decline.DECLINED


def test_a_charge_that_the_bank_asks_about_waits_for_its_customer(tried: Tried) -> None:
    made = tried.charged(Card.ASKS)
    assert made.status == "requires_action"
    assert made.action_url.startswith("http")
    tried.double.confirm(made)
    paid = tried.gateway.get_charge(made.gateway_id)
    assert (paid.status, paid.action_url) == ("succeeded", "")


def test_what_waits_can_be_withdrawn_and_what_is_paid_cannot(tried: Tried) -> None:
    waiting = tried.charged(Card.ASKS)
    for _ in range(2):
        assert tried.gateway.cancel_charge(waiting.gateway_id).status == "canceled"
    tried.reference += "-paid"
    paid = tried.charged()
    with pytest.raises(GatewayRefused):
        tried.gateway.cancel_charge(paid.gateway_id)
    assert tried.gateway.get_charge(paid.gateway_id).status == "succeeded"


@pytest.mark.parametrize(
    "wrong", [{"payment_method": "pm_of_nobody"}, {"amount_minor": 0}, {"currency": "XX"}], ids=str
)
def test_what_makes_no_sense_is_refused_and_charges_nothing(
    tried: Tried, wrong: dict[str, Any]
) -> None:
    with pytest.raises(GatewayRefused) as refused:
        tried.gateway.charge(tried.asked(**wrong))
    assert refused.value.code
    assert tried.gateway.charges_of(tried.reference) == []


def test_what_is_not_there_is_refused_and_not_unclear(tried: Tried) -> None:
    made = tried.charged()
    for ask in (
        lambda: tried.gateway.get_charge(f"{made.gateway_id}x"),
        lambda: tried.gateway.get_method(f"{made.payment_method}x"),
        lambda: tried.gateway.get_session(f"{made.gateway_id}x"),
    ):
        with pytest.raises(GatewayRefused):
            ask()
    assert tried.gateway.charges_of(f"{tried.reference}-of-nobody") == []
    assert tried.gateway.refunds_of(f"{tried.reference}-of-nobody") == []


# Silence


def test_a_request_that_was_lost_is_unclear_and_made_once_when_it_is_asked_again(
    tried: Tried,
) -> None:
    asked = tried.asked()
    tried.double.lose_request()
    with pytest.raises((GatewayUnclear, GatewayUnavailable)):
        tried.gateway.charge(asked)
    assert tried.gateway.charges_of(tried.reference) == []
    made = tried.gateway.charge(asked)
    assert tried.gateway.charges_of(tried.reference) == [made]


def test_an_answer_that_was_lost_is_unclear_until_it_is_asked_about(tried: Tried) -> None:
    asked = tried.asked()
    tried.double.lose_answer()
    with pytest.raises(GatewayUnclear):
        tried.gateway.charge(asked)
    (made,) = tried.gateway.charges_of(tried.reference)
    assert made.status == "succeeded"
    assert tried.gateway.charge(asked) == made


def test_a_refund_whose_answer_was_lost_is_made_once(tried: Tried) -> None:
    paid = tried.charged()
    tried.double.lose_answer()
    with pytest.raises(GatewayUnclear):
        refund(tried, paid, 4_900)
    (made,) = tried.gateway.refunds_of(f"rfd_{tried.reference}")
    assert refund(tried, paid, 4_900) == made
    assert tried.gateway.get_charge(paid.gateway_id).refunded_minor == 4_900


def test_a_page_whose_answer_was_lost_is_the_same_when_it_is_asked_for_again(tried: Tried) -> None:
    tried.gateway.add_customer(
        f"cus_{tried.reference}", reference=tried.reference, name="Åsa Öberg", email="a@b.example"
    )
    tried.double.lose_answer()
    with pytest.raises(GatewayUnclear):
        tried.opened(5_000)
    first, again = tried.opened(5_000), tried.opened(5_000)
    assert first == again


def test_where_nobody_listens_nothing_was_done(tried: Tried, settings: Any) -> None:
    asked = tried.asked()
    tried.double.unreachable(settings, tried.seller)
    with pytest.raises(GatewayUnavailable):
        tried.gateway.charge(asked)
    tried.double.connect(settings, tried.seller)
    assert tried.gateway.charges_of(tried.reference) == []


# Refunds


def refund(tried: Tried, paid: Charge, amount_minor: int, key: str = "") -> RefundMade:
    reference = f"rfd_{tried.reference}{key}"
    return tried.gateway.refund(
        reference, charge=paid.gateway_id, amount_minor=amount_minor, reference=reference
    )


def test_a_refund_is_made_once_for_a_key_and_found_again(tried: Tried) -> None:
    paid = tried.charged()
    first, again = refund(tried, paid, 4_900), refund(tried, paid, 4_900)
    assert first == again
    assert (first.charge, first.amount_minor, first.currency) == (paid.gateway_id, 4_900, "SEK")
    assert tried.gateway.refunds_of(first.reference) == [first]
    assert tried.gateway.get_charge(paid.gateway_id).refunded_minor == 4_900


def test_no_more_is_paid_back_than_came(tried: Tried) -> None:
    paid = tried.charged()
    refund(tried, paid, 15_000)
    with pytest.raises(GatewayRefused) as refused:
        refund(tried, paid, 4_901, key="-more")
    assert refused.value.code
    assert tried.gateway.get_charge(paid.gateway_id).refunded_minor == 15_000


def test_a_key_of_a_refund_is_not_used_for_other_words(tried: Tried) -> None:
    paid = tried.charged()
    refund(tried, paid, 4_900)
    with pytest.raises(GatewayUnclear) as unclear:
        refund(tried, paid, 4_800)
    assert unclear.value.code == KEY_USED_BEFORE
    assert tried.gateway.get_charge(paid.gateway_id).refunded_minor == 4_900


# Its pages


def test_a_customer_is_made_known_once(tried: Tried) -> None:
    first, again = tried.opened().customer, tried.opened().customer
    assert first == again


def test_an_amount_is_paid_on_its_page(tried: Tried) -> None:
    opened = tried.opened(5_000)
    assert (opened.status, opened.charge) == ("open", "")
    assert opened.url.startswith("http")
    assert tried.gateway.get_session(opened.gateway_id) == opened
    tried.double.pay(opened, Card.WORKS)
    done = tried.gateway.get_session(opened.gateway_id)
    assert done.status == "complete"
    paid = tried.gateway.get_charge(done.charge)
    assert (paid.status, paid.amount_minor, paid.currency) == ("succeeded", 5_000, "SEK")
    assert paid.reference == tried.reference
    assert tried.gateway.charges_of(tried.reference) == [paid]


def test_who_is_declined_on_the_page_may_try_another_card(tried: Tried) -> None:
    opened = tried.opened(5_000)
    tried.double.pay(opened, Card.NO_MONEY)
    still_open = tried.gateway.get_session(opened.gateway_id)
    assert still_open.status == "open"
    assert tried.gateway.get_charge(still_open.charge).status == "failed"
    tried.double.pay(opened, Card.WORKS)
    done = tried.gateway.get_session(opened.gateway_id)
    assert (done.status, tried.gateway.get_charge(done.charge).status) == ("complete", "succeeded")


def test_a_card_is_left_on_its_page_without_a_charge(tried: Tried) -> None:
    opened = tried.opened()
    tried.double.pay(opened, Card.WORKS)
    done = tried.gateway.get_session(opened.gateway_id)
    assert (done.status, done.charge) == ("complete", "")
    method = tried.gateway.get_method(done.payment_method)
    assert method.customer == opened.customer
    assert len(method.last4) == 4
    assert method.last4.isdecimal()
    assert method.expires_on is None or method.expires_on > clock.today("UTC")
    assert tried.gateway.charges_of(tried.reference) == []


def test_a_page_that_was_closed_takes_nothing(tried: Tried) -> None:
    opened = tried.opened(5_000)
    for _ in range(2):
        assert tried.gateway.expire_session(opened.gateway_id).status == "expired"
    tried.double.pay(opened, Card.WORKS)
    assert tried.gateway.get_session(opened.gateway_id).status == "expired"
    assert tried.gateway.charges_of(tried.reference) == []


def test_a_page_on_which_somebody_has_paid_is_not_closed(tried: Tried) -> None:
    opened = tried.opened(5_000)
    tried.double.pay(opened, Card.WORKS)
    with pytest.raises(GatewayRefused):
        tried.gateway.expire_session(opened.gateway_id)
    assert tried.gateway.get_session(opened.gateway_id).status == "complete"


# What it tells


def seconds() -> int:
    return int(clock.now().timestamp())


def test_a_notice_is_believed_and_says_what_it_is_about(tried: Tried) -> None:
    made = tried.charged()
    headers, body = tried.double.told_of(tried.reference)
    notice = tried.gateway.read_hook(headers, body, seconds())
    assert 0 < len(notice.event_id) <= 80
    subject = registry.subject_of(tried.kind.name, notice)
    assert subject is not None
    assert (subject.kind, subject.gateway_id) == (About.CHARGE, made.gateway_id)
    assert (subject.reference, subject.status) == (tried.reference, "succeeded")


def test_a_notice_that_was_touched_or_is_old_or_anothers_is_refused(tried: Tried) -> None:
    tried.charged()
    headers, body = tried.double.told_of(tried.reference)
    touched = body.replace(tried.reference.encode(), tried.reference[::-1].encode())
    assert touched != body
    for given, content, now in (
        (headers, touched, seconds()),
        (headers, body + b" ", seconds()),
        (headers, body, seconds() + 3600),
        (headers, body, seconds() - 3600),
        ({}, body, seconds()),
        ({name: "nonsense" for name in headers}, body, seconds()),
        ({name: "" for name in headers}, b"", seconds()),
    ):
        with pytest.raises(GatewayRefused):
            tried.gateway.read_hook(given, content, now)


@pytest.mark.parametrize(
    "body", ["", "nonsense", "[]", "null", "{}", '{"object": "\\u0000"}', "[" * 100_000], ids=len
)
def test_a_notice_of_nothing_is_about_nothing(tried: Tried, body: str) -> None:
    for type in ("charge.succeeded", "something.new", ""):
        assert tried.kind.subject_of(Notice("evt_1", type, body)) is None


def test_what_it_has_told_is_read_from_where_one_stopped(tried: Tried) -> None:
    tried.charged()
    before = read_all(tried)
    assert tried.gateway.events_after(before[-1].event_id, 100) == []
    tried.reference += "-later"
    made = tried.charged()
    (new,) = tried.gateway.events_after(before[-1].event_id, 100)
    subject = registry.subject_of(tried.kind.name, new)
    assert subject is not None
    assert subject.gateway_id == made.gateway_id
    assert len({notice.event_id for notice in [*before, new]}) == len(before) + 1
    with pytest.raises(GatewayError):
        tried.gateway.events_after(f"{new.event_id}x", 100)


def read_all(tried: Tried) -> list[Notice]:
    found: list[Notice] = []
    while page := tried.gateway.events_after(found[-1].event_id if found else "", 2):
        assert len(page) <= 2
        found += page
    return found


# What it has on record


def test_charges_between_two_times_are_listed_oldest_first(tried: Tried) -> None:
    name, began = tried.reference, clock.now() - timedelta(minutes=1)
    made = []
    for number in range(3):
        tried.reference = f"{name}-{number}"
        made.append(tried.charged(Card.NO_MONEY if number == 1 else Card.WORKS))
    mine = [each for each in paged(tried.gateway.charges_since, began) if each in made]
    assert mine == made
    after = paged(tried.gateway.charges_since, began, made[0].gateway_id)
    assert [each for each in after if each in made] == made[1:]
    assert paged(tried.gateway.charges_since, clock.now() + timedelta(hours=1)) == []


def test_refunds_between_two_times_are_listed_oldest_first(tried: Tried) -> None:
    began, paid = clock.now() - timedelta(minutes=1), tried.charged()
    made = [refund(tried, paid, 100, key=f"-{number}") for number in range(2)]
    assert [each for each in paged(tried.gateway.refunds_since, began) if each in made] == made
    after = paged(tried.gateway.refunds_since, began, made[0].gateway_id)
    assert [each for each in after if each in made] == made[1:]
    assert paged(tried.gateway.refunds_since, clock.now() + timedelta(hours=1)) == []


def paged[Made: (Charge, RefundMade)](
    listed: Callable[[datetime, str], Sequence[Made]], since: datetime, after: str = ""
) -> list[Made]:
    """All pages of what was made since an instant."""
    found: list[Made] = []
    while page := listed(since, found[-1].gateway_id if found else after):
        found += page
    return found


# Our own care, which no gateway goes past

CALLS: dict[str, Callable[[Tried, ChargeRequest], Any]] = {
    "charge": lambda tried, asked: tried.gateway.charge(asked),
    "refund": lambda tried, asked: tried.gateway.refund(
        "rfd", charge="ch_1", amount_minor=1, reference="rfd"
    ),
    "open_session": lambda tried, asked: tried.opened(5_000),
    "cancel_charge": lambda tried, asked: tried.gateway.cancel_charge("ch_1"),
    "expire_session": lambda tried, asked: tried.gateway.expire_session("cs_1"),
}
QUESTIONS: dict[str, Callable[[Tried, ChargeRequest], Any]] = {
    "get_charge": lambda tried, asked: tried.gateway.get_charge("ch_1"),
    "get_method": lambda tried, asked: tried.gateway.get_method("pm_1"),
    "get_session": lambda tried, asked: tried.gateway.get_session("cs_1"),
    "charges_of": lambda tried, asked: tried.gateway.charges_of("x"),
    "refunds_of": lambda tried, asked: tried.gateway.refunds_of("x"),
    "charges_since": lambda tried, asked: tried.gateway.charges_since(clock.now()),
    "refunds_since": lambda tried, asked: tried.gateway.refunds_since(clock.now()),
    "events_after": lambda tried, asked: tried.gateway.events_after("", 1),
}


@pytest.mark.parametrize("name", [*CALLS, *QUESTIONS])
def test_nothing_is_asked_of_it_while_a_transaction_is_open(tried: Tried, name: str) -> None:
    asked = tried.asked()
    with transaction.atomic(), pytest.raises(RuntimeError):
        (CALLS | QUESTIONS)[name](tried, asked)
    assert tried.gateway.charges_of(tried.reference) == []


@pytest.mark.parametrize("name", CALLS)
def test_nothing_is_done_there_while_all_is_held(tried: Tried, name: str) -> None:
    asked = tried.asked()
    hold("test", "Look first.")
    with pytest.raises(GatewayHeld):
        CALLS[name](tried, asked)
    assert tried.gateway.charges_of(tried.reference) == []


def test_every_gateway_that_is_registered_has_a_double() -> None:
    assert len([double_of(kind) for kind in registry.GATEWAYS]) == len(registry.GATEWAYS)
