"""schemathesis over the whole document: whatever is sent, no failure of ours and no wrong shape.

Requests go to the WSGI application in this process, and what they do is committed. Half of them
have real ids in place of made-up ones, or they would get no further than "not found". In the end
the books must still be whole. Seeds are fixed; the long run is under ``proof``.
"""

from collections.abc import Iterator
from typing import Any

import hypothesis
import pytest
import schemathesis
from django.core.wsgi import get_wsgi_application
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
)

from billing.api.models import ApiKey
from billing.verification.books import broken_invariants
from tests.api.calling import Shop
from tests.api.conftest import open_seller
from tests.api.world import World, schema

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
SHORT, LONG = 12, 200
# Printing takes longer than all else.
PRINTED_MAX = 3


@pytest.fixture
def world(transactional_db: None) -> World:
    return World(open_seller())


@pytest.fixture
def shop(world: World) -> Shop:
    shop = Shop(world.seller)
    ApiKey.objects.filter(pk=shop.key.pk).update(burst=10**6, tokens=10**6, per_s=10**6)
    return shop


def real_values(world: World) -> dict[str, Any]:
    """What stands for a field or part of a path that names something."""
    return world.named | {
        "meter": "calls",
        "code": "WELCOME",
        "coupon": "WELCOME",
        "feature": "filter",
        "coupons": ["WELCOME"],
        "quantities": {"base": "2"},
        "currency": "SEK",
        "line": 1,
    }


def with_real_names(case: Any, real: dict[str, Any]) -> Any:
    """The request with its names put right, wherever it has the field."""
    for part in (case.path_parameters, case.query):
        for name in part or {}:
            if name in real:
                part[name] = real[name]
    _put_right(case.body, real)
    return case


def _put_right(value: Any, real: dict[str, Any]) -> None:
    if isinstance(value, dict):
        for name, inner in value.items():
            if name in real:
                value[name] = real[name]
            else:
                _put_right(inner, real)
    elif isinstance(value, list):
        for inner in value:
            _put_right(inner, real)


def each_operation() -> Iterator[Any]:
    loaded = schemathesis.openapi.from_dict(schema())
    loaded.app = get_wsgi_application()
    found: Any
    for found in loaded.get_all_operations():
        yield found.ok()


def fuzz(world: World, shop: Shop, examples: int) -> dict[str, str]:
    """What each operation did wrong first, in words; empty where nothing did."""
    faults = {}
    for operation in each_operation():
        most = min(examples, PRINTED_MAX) if operation.path.endswith("/pdf") else examples
        for mode in GenerationMode:
            name = f"{operation.label}, {mode}"
            try:
                fuzz_one(operation, mode, real_values(world), shop, most)
            except (Exception, BaseExceptionGroup) as error:
                faults[name] = str(error)[:1500]
    return faults


def check(world: World, shop: Shop, examples: int) -> None:
    faults = fuzz(world, shop, examples)
    assert not faults, "\n\n".join(f"{name}: {told}" for name, told in faults.items())
    assert broken_invariants() == {}


def fuzz_one(
    operation: Any, mode: GenerationMode, real: dict[str, Any], shop: Shop, most: int
) -> None:
    # Of a query without a body it may spoil what is not sent at all, and calls the answer wrong;
    # that strange parameters are refused is tested beside the other operations.
    has_body = operation.method.upper() in {"POST", "PATCH"}
    is_refused = mode.is_negative and has_body
    checks = [*CHECKS, negative_data_rejection] if is_refused else CHECKS

    @hypothesis.settings(
        max_examples=most,
        database=None,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(hypothesis.HealthCheck),
        phases=[hypothesis.Phase.generate],
    )
    @hypothesis.given(st.tuples(operation.as_strategy(generation_mode=mode), st.booleans()))
    def send(drawn: tuple[Any, bool]) -> None:
        case, is_real = drawn
        if is_real and mode.is_positive:
            case = with_real_names(case, real)
        case.call_and_validate(headers=shop.headers(), checks=checks)

    send()


def test_nothing_that_is_sent_makes_us_fail(world: World, shop: Shop) -> None:
    check(world, shop, SHORT)


@pytest.mark.proof
def test_nothing_that_is_sent_in_a_long_time_makes_us_fail(world: World, shop: Shop) -> None:
    check(world, shop, LONG)
