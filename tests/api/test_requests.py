"""What is wrong with a request is told with status, code and field, and nothing is half-done."""

from dataclasses import dataclass
from typing import Any

import pytest
from django.db import DataError, IntegrityError, OperationalError, connection

from billing.api import errors
from billing.api.parsing import BODY_MAX
from billing.engine.errors import BillingError
from customers import actions
from customers.models import Customer
from tests.api.calling import Shop, errors_of
from tests.api.world import schema
from tests.factories import CustomerFactory, PlanFactory, PriceFactory, ProductFactory


def refused(answer: Any) -> tuple[int, str, str | None]:
    """Status, and code and field of the only error."""
    ((code, attr),) = errors_of(answer)
    return answer.status_code, code, attr


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"{", (400, "malformed", None)),
        (b"\xff", (400, "malformed", None)),
        (b'{"name": NaN}', (400, "malformed", None)),
        (b'{"name": 1e999999999}', (400, "malformed", None)),
        (b'{"name": "A", "name": "B"}', (400, "malformed", None)),
        (b'{"name": "A", "metadata": {"a": "1", "a": "2"}}', (400, "malformed", None)),
        (b"[" * 100_000, (400, "malformed", None)),
        (b'{"metadata": ' + b'{"a":' * 30 + b"1" + b"}" * 31, (400, "malformed", None)),
        (b"1" * 5000, (400, "malformed", None)),
        (b"[]", (400, "invalid", "non_field_errors")),
        (b"null", (400, "null", "non_field_errors")),
        (b'{"name": "a\\u0000b"}', (400, "control_character", "name")),
        (b'{"name": "\\ud800"}', (400, "control_character", "name")),
        (b'{"name": "A", "metadata": {"a\\u0001": "b"}}', (400, "control_character", "metadata")),
        (b'{"name": ["A"]}', (400, "invalid", "name")),
        (b'{"name": 5}', (400, "invalid", "name")),
        (b'{"name": ""}', (400, "blank", "name")),
        (b"{}", (400, "required", "name")),
        (b'{"name": "A", "balance_minor": 5}', (400, "unknown_field", "balance_minor")),
        (b'{"name": "A", "id": "cus_1"}', (400, "unknown_field", "id")),
        (b'{"name": "A", "is_business": "yes"}', (400, "invalid", "is_business")),
        (b'{"name": "A", "net_terms_days": "30"}', (400, "invalid", "net_terms_days")),
        (b'{"name": "A", "net_terms_days": true}', (400, "invalid", "net_terms_days")),
        (b'{"name": "A", "net_terms_days": 3.0}', (400, "invalid", "net_terms_days")),
        (b'{"name": "A", "country": "XX"}', (400, "unknown_country", "country")),
        (b'{"name": "A", "metadata": {"a": 1}}', (400, "invalid", "metadata")),
        (b'{"name": "A", "email": "nobody"}', (400, "invalid", "email")),
    ],
)
def test_a_bad_body_makes_nothing(
    shop: Shop, body: bytes, expected: tuple[int, str, str | None]
) -> None:
    assert refused(shop.post("customers", body)) == expected
    assert not Customer.objects.exists()


def test_a_body_over_a_megabyte_is_refused_before_it_is_read(shop: Shop) -> None:
    body = b'{"name": "' + b"a" * BODY_MAX + b'"}'
    assert refused(shop.post("customers", body)) == (413, "body_too_large", None)


def test_a_body_in_chunks_is_refused_rather_than_lost(shop: Shop) -> None:
    """The web server hands it on without a length, and what has no length is not read."""
    answer = shop.post("customers", {"name": "A"}, **{"Transfer-Encoding": "chunked"})
    assert refused(answer) == (411, "length_required", None)
    assert not Customer.objects.exists()


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_only_json_is_read(shop: Shop, media_type: str) -> None:
    answer = shop.client.generic(
        "POST",
        "/api/v1/customers",
        b'{"name": "A"}',
        content_type=media_type,
        headers=shop.headers(**{"Idempotency-Key": "a"}),
    )
    assert refused(answer) == (415, "unsupported_media_type", None)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"limit": "0"}, (400, "invalid", "limit")),
        ({"limit": "101"}, (400, "invalid", "limit")),
        ({"limit": "x"}, (400, "invalid", "limit")),
        ({"limit": "٣"}, (400, "invalid", "limit")),
        ({"cursor": "x"}, (400, "invalid_cursor", "cursor")),
        ({"cursor": ""}, (400, "invalid", "cursor")),
        ({"email": ""}, (400, "invalid", "email")),
        ({"cursor": "YTpjdXNfMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAw"}, (400, "invalid_cursor", "cursor")),
        ({"cursor": "ö"}, (400, "invalid_cursor", "cursor")),
        ({"emial": "a@example.com"}, (400, "unknown_parameter", "emial")),
        ({"email": "a\x00b"}, (400, "control_character", "email")),
        ({"expand": "seller"}, (400, "not_expandable", "expand")),
    ],
)
def test_a_bad_query_is_refused(
    shop: Shop, query: dict[str, str], expected: tuple[int, str, str | None]
) -> None:
    assert refused(shop.get("customers", **query)) == expected


@pytest.mark.parametrize(
    ("path", "query", "expected"),
    [
        ("invoices", {"issued_from": "10/25/2026"}, (400, "invalid", "issued_from")),
        ("invoices", {"due_before": "Oct 25 2026"}, (400, "invalid", "due_before")),
        ("invoices", {"status": "paidd"}, (400, "invalid", "status")),
        ("payments", {"received_from": "2026-02-30"}, (400, "invalid", "received_from")),
        ("events", {"type": "invoice.payed"}, (400, "unknown_event_type", "type")),
        ("events", {"type": "invoice*"}, (400, "unknown_event_type", "type")),
    ],
)
def test_a_filter_that_can_mean_nothing_is_refused(
    shop: Shop, path: str, query: dict[str, str], expected: tuple[int, str, str | None]
) -> None:
    assert refused(shop.get(path, **query)) == expected


@pytest.mark.parametrize(
    ("path", "body", "expected"),
    [
        ("subscriptions", {"customer": "cus_0"}, (404, "not_found", "customer")),
        ("subscriptions", {"plan": "none"}, (404, "not_found", "plan")),
        ("subscriptions", {"coupons": ["none"]}, (404, "coupon_unknown", "coupons")),
        ("subscriptions", {"quantities": {"none": "1"}}, (422, "unknown_price", "quantities")),
        ("checkout_sessions", {"customer": "cus_0"}, (404, "not_found", "customer")),
        ("checkout_sessions", {"coupon": "none"}, (404, "coupon_unknown", "coupon")),
        ("portal_sessions", {"plan": None, "customer": "x"}, (404, "not_found", "customer")),
        (
            "credit_notes",
            {"plan": None, "customer": None, "invoice": "inv_" + "0" * 24},
            (404, "not_found", "invoice"),
        ),
        (
            "one_off_items",
            {
                "plan": None,
                "currency": "SEK",
                "amount_minor": 5,
                "description": "Kaffe",
                "subscription": "sub_" + "0" * 24,
            },
            (404, "not_found", "subscription"),
        ),
        (
            "webhook_endpoints",
            {"plan": None, "customer": None, "url": "http://shop.example/", "types": ["*"]},
            (422, "webhook_url_refused", "url"),
        ),
        (
            "webhook_endpoints",
            {"plan": None, "customer": None, "url": "https://shop.example/", "types": ["x.y"]},
            (422, "unknown_event_type", "types"),
        ),
    ],
)
def test_what_a_body_names_and_is_not_there_is_told_by_its_field(
    shop: Shop, path: str, body: dict[str, Any], expected: tuple[int, str, str | None]
) -> None:
    plan = PlanFactory(seller=shop.seller, product=ProductFactory(seller=shop.seller))
    PriceFactory(plan=plan)
    customer = CustomerFactory(seller=shop.seller)
    whole = {"customer": customer.public_id, "plan": plan.public_id} | body
    asked = {name: value for name, value in whole.items() if value is not None}
    assert refused(shop.post(path, asked)) == expected


def test_bad_paths_and_methods_are_refused(shop: Shop) -> None:
    assert refused(shop.get("customers/a%00b")) == (400, "control_character", "customer")
    assert refused(shop.get("nothing")) == (404, "not_found", None)
    assert refused(shop.get("customers/")) == (404, "not_found", None)
    assert refused(shop.send("DELETE", "customers", None)) == (405, "method_not_allowed", None)
    assert refused(shop.send("PUT", "customers", None)) == (405, "method_not_allowed", None)
    assert refused(shop.send("OPTIONS", "customers", None)) == (405, "method_not_allowed", None)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "customers", {"GET", "HEAD", "POST"}),
        ("POST", "customers/cus_1", {"GET", "HEAD", "PATCH"}),
        ("GET", "webhook_endpoints/we_1/test", {"POST"}),
        ("DELETE", "plans", {"GET", "HEAD", "OPTIONS"}),
    ],
)
def test_a_wrong_method_is_told_the_right_ones(
    shop: Shop, method: str, path: str, allowed: set[str]
) -> None:
    answer = shop.send(method, path, None)
    assert refused(answer) == (405, "method_not_allowed", None)
    assert set(answer.headers["Allow"].split(", ")) == allowed


def test_what_django_refuses_before_an_endpoint_is_asked_is_json_too(shop: Shop) -> None:
    strange = shop.client.get("/api/v1/plans", headers=shop.headers(Host="else\\where"))
    assert refused(strange) == (400, "malformed", None)
    many = shop.client.get(f"/api/v1/plans?{'a&' * 1500}", headers=shop.headers())
    assert refused(many) == (400, "malformed", None)
    # What others have set on the answer stays there.
    assert many.headers["X-Content-Type-Options"] == "nosniff"
    assert shop.client.get("/nothing").headers["Content-Type"].startswith("text/html")


@pytest.mark.parametrize(
    ("body", "status"),
    [({}, 400), ({"name": 5}, 400), ({"name": "A", "email": "x"}, 400), (b"{", 400)],
)
def test_errors_are_english_whatever_language_is_asked_for(
    shop: Shop, body: Any, status: int
) -> None:
    usual = shop.post("customers", body)
    swedish = shop.post("customers", body, **{"Accept-Language": "sv"})
    assert swedish.status_code == status
    assert swedish.json() == usual.json()
    assert swedish.headers["Content-Language"] == "en"
    missing = shop.client.get("/api/v1/nothing", headers=shop.headers(**{"Accept-Language": "sv"}))
    assert missing.headers["Content-Language"] == "en"


def test_no_cookie_is_set_and_no_page_may_read_an_answer(shop: Shop) -> None:
    answer = shop.get("customers")
    assert not answer.cookies
    assert "Access-Control-Allow-Origin" not in answer.headers
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"


def test_pages_follow_each_other_and_back_while_rows_are_added(shop: Shop) -> None:
    ids = [CustomerFactory(seller=shop.seller).public_id for _ in range(7)][::-1]

    def page(url: str) -> Any:
        return shop.client.get(url, headers=shop.headers()).json()

    first = shop.get("customers", limit=3).json()
    assert first["previous"] is None
    CustomerFactory(seller=shop.seller)
    second, third = page(first["next"]), page(page(first["next"])["next"])
    pages = [[row["id"] for row in each["results"]] for each in (first, second, third)]
    assert pages == [ids[:3], ids[3:6], ids[6:]]
    assert third["next"] is None
    back = page(third["previous"])
    assert [row["id"] for row in back["results"]] == ids[3:6]
    assert [row["id"] for row in page(back["previous"])["results"]] == ids[:3]


def test_a_cursor_of_another_seller_is_no_cursor(shop: Shop) -> None:
    other = Shop(CustomerFactory().seller)
    CustomerFactory.create_batch(2, seller=other.seller)
    cursor = other.get("customers", limit=1).json()["next"].rpartition("cursor=")[2]
    assert refused(shop.get("customers", cursor=cursor)) == (400, "invalid_cursor", "cursor")


# What the house below refuses, as a shop sees it


@dataclass
class _Diagnosis:
    constraint_name: str


def database_error(
    kind: type[Exception], state: str, guard: str = "customer_external_id_is_unique"
) -> Exception:
    cause = Exception("secret details of other rows")
    cause.sqlstate, cause.diag = state, _Diagnosis(guard)  # type: ignore[attr-defined]
    error = kind("secret details of other rows")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (database_error(IntegrityError, "23505"), (409, "external_id_taken", "external_id")),
        (database_error(IntegrityError, "23514", "a_rule"), (409, "conflict", None)),
        (database_error(DataError, "22001", "a_rule"), (400, "invalid_data", None)),
        (database_error(OperationalError, "40P01", "a_rule"), (503, "try_again", None)),
        (database_error(OperationalError, "55P03", "a_rule"), (503, "try_again", None)),
        (database_error(OperationalError, "57014", "a_rule"), (503, "try_again", None)),
    ],
)
def test_what_the_database_refuses_is_no_failure_of_ours(
    shop: Shop,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    expected: tuple[int, str, str | None],
) -> None:
    def refuse(*args: Any, **options: Any) -> None:
        raise error

    monkeypatch.setattr(actions, "add_customer", refuse)
    answer = shop.post("customers", {"name": "A"})
    assert refused(answer) == expected
    assert "secret" not in answer.content.decode()
    assert ("Retry-After" in answer.headers) == (answer.status_code == 503)


@pytest.mark.parametrize("exception", ["P0001", "23514", "restrict_violation"])
def test_a_triggers_refusal_is_a_conflict(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, exception: str
) -> None:
    def refuse(*args: Any, **options: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                f"DO $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '{exception}'; END $$"
            )

    monkeypatch.setattr(actions, "add_customer", refuse)
    assert refused(shop.post("customers", {"name": "A"}))[:2] == (409, "conflict")


def test_a_fault_of_ours_is_told_without_its_details(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: Any, **options: Any) -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr(actions, "add_customer", fail)
    answer = shop.post("customers", {"name": "A"})
    assert refused(answer) == (500, "error", None)
    assert "secret" not in answer.content.decode()


def test_every_refusal_has_a_status_that_says_whose_turn_it_is() -> None:
    def kinds(of: type[BillingError]) -> list[type[BillingError]]:
        return [of, *(kind for sub in of.__subclasses__() for kind in kinds(sub))]

    found = {kind.code: errors.status_of(kind("no")) for kind in kinds(BillingError)}
    assert set(found.values()) <= {400, 402, 404, 409, 422, 503}


def test_an_external_id_is_one_customers(shop: Shop) -> None:
    assert shop.post("customers", {"name": "A", "external_id": "x"}).status_code == 201
    again = shop.post("customers", {"name": "B", "external_id": "x"})
    assert refused(again) == (409, "external_id_taken", "external_id")
    assert shop.get("customers/external:x").json()["name"] == "A"
    other = shop.post("customers", {"name": "C"}).json()["id"]
    changed = shop.patch(f"customers/{other}", {"external_id": "x"})
    assert refused(changed) == (409, "external_id_taken", "external_id")


def test_an_external_id_is_one_subscriptions(shop: Shop) -> None:
    plan = PlanFactory(seller=shop.seller, product=ProductFactory(seller=shop.seller))
    PriceFactory(plan=plan)
    for status in (201, 409):
        customer = CustomerFactory(seller=shop.seller)
        body = {"customer": customer.public_id, "plan": plan.public_id, "external_id": "order/1"}
        answer = shop.post("subscriptions", body)
        assert answer.status_code == status, answer.content
    assert refused(answer) == (409, "external_id_taken", "external_id")
    assert answer.json()["errors"][0]["detail"].startswith("This id is another subscription's.")


def test_a_customer_of_whom_no_country_is_said_is_in_the_sellers_and_the_answer_shows_it(
    shop: Shop,
) -> None:
    assert shop.post("customers", {"name": "A"}).json()["country"] == str(shop.seller.country)
    said = schema()["components"]["schemas"]["CustomerRequest"]["properties"]["country"]
    assert "seller's own country" in said["description"]
