"""Keys: shown once, kept as a hash, never of two modes; who has none gets in nowhere."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.test import Client

from billing.api import keys
from billing.api.keys import change_limits, make_key, open_with, revoke_key, rotate_key
from billing.api.models import ApiKey, Bucket
from billing.api.scopes import PUBLISHABLE, Scope
from billing.base import clock
from billing.engine.errors import Refused
from billing.events.models import Event
from customers.models import Seller
from tests.api.calling import Shop, errors_of
from tests.factories import CustomerFactory, SellerFactory

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
HALF = Decimal("0.5")


def call(text: str | None) -> tuple[int, str]:
    headers = {"Authorization": f"Bearer {text}"} if text is not None else {}
    answer = Client().get("/api/v1/customers", headers=headers)
    code = "" if answer.status_code == 200 else answer.json()["errors"][0]["code"]
    return answer.status_code, code


def test_a_keys_text_says_its_kind_and_mode_and_is_kept_nowhere(seller: Seller) -> None:
    key, text = make_key(seller, name="Shop", actor="user:anna")
    assert text.startswith("sk_test_") and len(text) == 8 + 43
    assert key.prefix == text[:14]
    row = ApiKey.objects.filter(pk=key.pk).values().get()
    assert not any(text[14:] in str(value) for value in row.values())
    event = Event.objects.get(subject=key.public_id)
    assert (event.type, event.actor) == ("api_key.made", "user:anna")
    assert text[14:] not in str(event.data)


@pytest.mark.parametrize(
    ("kind", "live", "prefix"),
    [("secret", True, "sk_live_"), ("publishable", False, "pk_test_")],
)
def test_a_keys_mode_is_its_sellers(db: None, kind: str, live: bool, prefix: str) -> None:
    _, text = make_key(SellerFactory(is_live=live), name="Shop", actor="user:anna", kind=kind)
    assert text.startswith(prefix)


def test_a_publishable_key_can_have_no_scope_that_is_not_for_everybody(seller: Seller) -> None:
    key, _ = make_key(seller, name="Page", actor="user:anna", kind="publishable")
    assert set(key.scopes) == PUBLISHABLE
    with pytest.raises(Refused) as refused:
        make_key(
            seller,
            name="Page",
            actor="user:anna",
            kind="publishable",
            scopes=[Scope.CUSTOMERS_READ],
        )
    assert refused.value.code == "scope_not_publishable"


def test_a_key_opens_its_sellers_things_and_nobody_elses(shop: Shop) -> None:
    mine = CustomerFactory(seller=shop.seller)
    other = CustomerFactory()
    listed = shop.get("customers").json()["results"]
    assert [row["id"] for row in listed] == [mine.public_id]
    assert shop.get(f"customers/{mine.public_id}").status_code == 200
    foreign = shop.get(f"customers/{other.public_id}")
    unknown = shop.get("customers/cus_" + "0" * 24)
    assert foreign.status_code == unknown.status_code == 404
    assert foreign.content == unknown.content


def test_to_ask_for_the_head_alone_takes_the_same_scope(seller: Seller) -> None:
    CustomerFactory(seller=seller)
    for scopes, status in (([Scope.PLANS_READ], 403), ([Scope.CUSTOMERS_READ], 200)):
        _, text = make_key(seller, name="Shop", actor="user:anna", scopes=scopes)
        headers = {"Authorization": f"Bearer {text}"}
        answer = Client().head("/api/v1/customers?limit=5", headers=headers)
        assert (answer.status_code, answer.content) == (status, b"")


def test_unknown_revoked_and_expired_keys_get_one_answer(seller: Seller) -> None:
    revoked, revoked_text = make_key(seller, name="Old", actor="user:anna")
    revoke_key(revoked, now=clock.now(), actor="user:anna")
    _, expired_text = make_key(
        seller, name="Past", actor="user:anna", expires_at=clock.now() - SECOND
    )
    _, text = make_key(seller, name="New", actor="user:anna")
    assert call(text) == (200, "")
    answers = [call(wrong) for wrong in (revoked_text, expired_text, "sk_test_x", text + "x")]
    assert answers == [(401, "key_invalid")] * 4
    assert call(None) == (401, "key_missing")
    assert call("") == (401, "key_missing")
    assert call("\x00" * 200) == (401, "key_invalid")


def test_a_revoked_key_stays_so(seller: Seller) -> None:
    key, _ = make_key(seller, name="Old", actor="user:anna")
    key = revoke_key(key, now=NOW, actor="user:anna")
    with pytest.raises(Refused) as refused:
        revoke_key(key, now=NOW, actor="user:anna")
    assert refused.value.code == "key_revoked"


def test_a_rotated_key_opens_for_its_overlap_beside_its_successor(seller: Seller) -> None:
    key, text = make_key(seller, name="Shop", actor="user:anna", scopes=[Scope.PLANS_READ])
    successor, new_text = rotate_key(key, now=NOW, actor="user:anna", overlap=timedelta(hours=24))
    assert successor.scopes == [Scope.PLANS_READ]
    old, new = open_with(text, NOW), open_with(new_text, NOW)
    assert old and new and old.owner_id == new.owner_id == key.pk
    assert open_with(text, NOW + timedelta(hours=24)) is None
    assert open_with(new_text, NOW + timedelta(hours=24)) is not None
    third, _ = rotate_key(successor, now=NOW, actor="user:anna", overlap=timedelta())
    assert third.origin_id == key.pk


def test_a_successor_may_make_as_many_requests_and_ends_when_it_is_told(seller: Seller) -> None:
    key, _ = make_key(seller, name="Shop", actor="user:anna", expires_at=NOW + timedelta(days=30))
    ApiKey.objects.filter(pk=key.pk).update(burst=1000, per_s=400)
    until = NOW + timedelta(days=60)
    successor, _ = rotate_key(
        key, now=NOW, actor="user:anna", overlap=timedelta(hours=1), expires_at=until
    )
    kept = ApiKey.objects.get(pk=successor.pk)
    assert (kept.burst, kept.per_s, kept.tokens) == (1000, 400, Decimal(1000))
    assert kept.expires_at == until
    assert ApiKey.objects.get(pk=key.pk).expires_at == NOW + timedelta(hours=1)


def test_use_is_noted_once_a_minute(seller: Seller) -> None:
    key, text = make_key(seller, name="Shop", actor="user:anna")

    def used_at(now: datetime) -> datetime | None:
        open_with(text, now)
        return ApiKey.objects.get(pk=key.pk).last_used_at

    assert used_at(NOW) == NOW
    assert used_at(NOW + 59 * SECOND) == NOW
    assert used_at(NOW + 60 * SECOND) == NOW + 60 * SECOND


def test_a_key_makes_its_burst_of_requests_and_then_so_many_a_second(seller: Seller) -> None:
    key, text = make_key(seller, name="Shop", actor="user:anna")
    ApiKey.objects.filter(pk=key.pk).update(burst=3, per_s=2, tokens=3, filled_at=NOW)

    def wait_s(now: datetime) -> Decimal:
        caller = open_with(text, now)
        assert caller is not None
        return caller.limit.wait_s

    assert [wait_s(NOW) for _ in range(5)] == [0, 0, 0, HALF, HALF]
    later = NOW + timedelta(seconds=0.5)
    assert [wait_s(later), wait_s(later)] == [0, HALF]
    assert [wait_s(NOW + timedelta(hours=1)) for _ in range(4)] == [0, 0, 0, HALF]


def test_too_many_requests_are_told_when_to_go_on(shop: Shop) -> None:
    ApiKey.objects.filter(pk=shop.key.pk).update(burst=1, per_s=1, tokens=1)
    assert shop.get("customers").status_code == 200
    refused = shop.get("customers")
    assert refused.status_code == 429
    assert refused.headers["Retry-After"] == "1"
    assert errors_of(refused) == [("rate_limited", None)]


def test_who_guesses_keys_is_soon_told_to_wait(seller: Seller) -> None:
    answers = [call("sk_test_guess")[0] for _ in range(keys.GUESSES + 2)]
    assert answers[: keys.GUESSES - 1] == [401] * (keys.GUESSES - 1)
    assert answers[-1] == 429
    assert Bucket.objects.get().address == "127.0.0.1"
    _, text = make_key(seller, name="Shop", actor="user:anna")
    assert call(text) == (200, "")


def test_an_answer_says_what_is_left_and_when_all_is_there_again(seller: Seller) -> None:
    shop = Shop(seller, burst=4, per_s=2)
    # Nothing comes back while the bucket was last filled in the future.
    ApiKey.objects.update(filled_at=clock.now() + timedelta(hours=1))
    told = [shop.get("plans").headers for _ in range(5)]
    assert {each["RateLimit-Policy"] for each in told} == {'"requests";q=4;w=2'}
    assert [each["RateLimit"] for each in told[:4]] == [
        '"requests";r=3;t=1',
        '"requests";r=2;t=1',
        '"requests";r=1;t=2',
        '"requests";r=0;t=2',
    ]
    assert (told[4]["RateLimit"], told[4]["Retry-After"]) == ('"requests";r=0;t=1', "1")
    assert "RateLimit" not in Client().get("/api/v1/plans").headers


def test_a_refusal_says_what_is_left_too(shop: Shop) -> None:
    for answer in (shop.get("customers/nobody"), shop.post("customers", b"{")):
        assert answer.headers["RateLimit"].startswith('"requests";r=19')


def test_limits_are_changed_from_now_on_and_have_bounds(seller: Seller) -> None:
    key, text = make_key(seller, name="Shop", actor="user:anna", burst=5, per_s=1)
    change_limits(key, burst=2, per_s=1, actor="user:anna")
    caller = open_with(text, clock.now())
    assert caller is not None and (caller.limit.burst, caller.limit.left) == (2, 1)
    event = Event.objects.get(type="api_key.limits_changed")
    assert (event.actor, event.data) == ("user:anna", {"burst": 2, "per_s": 1})
    for burst, per_s in ((0, 1), (1, 0), (100_001, 1), (1, 10_001)):
        with pytest.raises(Refused) as refused:
            change_limits(key, burst=burst, per_s=per_s, actor="user:anna")
        assert refused.value.code == "limits_out_of_bounds"
    revoke_key(key, now=clock.now(), actor="user:anna")
    with pytest.raises(Refused) as refused:
        change_limits(key, burst=1, per_s=1, actor="user:anna")
    assert refused.value.code == "key_revoked"
