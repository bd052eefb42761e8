"""What a form of the desk refuses, in which words: guards of the database, and unknown codes."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib import admin
from django.db.models import BaseConstraint, Model
from django.test import Client
from django.utils import translation

from billing.base.guard_words import GUARD_WORDS
from billing.base.typed import in_words
from billing.ledger.models import Account
from billing.tax.models import TaxRate
from billing.usage.models import Meter
from catalog.models import Coupon, Plan, Price, Product
from dunning.models import DunningPolicy, DunningStep
from tests.admin.conftest import Rows
from tests.admin.shown import MAY, url
from tests.dunning.test_pages import as_sent
from tests.factories import CouponFactory, PlanFactory, PriceFactory, ProductFactory
from tests.matrix.spoiling import filled_in

pytestmark = pytest.mark.django_db


def edited() -> Iterator[type[Model]]:
    """The models whose rows a form of the desk writes, with those that stand within a form."""
    for model, desk in admin.site._registry.items():
        if {"a", "c"} & {*MAY[model]}:
            yield model
            yield from (inline.model for inline in desk.inlines)


def refusing() -> list[str]:
    """The guards that such a form can meet; what writes history down refuses nothing."""
    found = []
    for model in edited():
        options: Any = model._meta
        has_own = {
            each.name
            for each in options.constraints
            if each.violation_error_message != BaseConstraint.default_violation_error_message
        }
        triggers = [each.name for each in getattr(options, "triggers", [])]
        guards = [each.name for each in options.constraints] + [
            name for name in triggers if not name.startswith(("insert", "update", "delete"))
        ]
        found += [name for name in guards if name not in has_own]
    return found


def test_each_guard_that_a_form_can_meet_has_a_sentence_and_each_sentence_its_guard() -> None:
    assert {*refusing()} == {*GUARD_WORDS}


def test_the_sentences_say_something_else_than_the_names_and_name_nothing_of_the_database() -> None:
    for guard, words in GUARD_WORDS.items():
        assert guard.replace("_", " ") not in words.lower()
        assert "_" not in words and words[0].isupper() and words.endswith(".")
    with translation.override("en"):
        assert in_words("transfer_is_positive") == "This cannot be: transfer is positive."


def sent_by(anna: Client, address: str, **typed: Any) -> Any:
    form = anna.get(address).context["adminform"].form
    return anna.post(address, filled_in(form) | typed)


def errors_of(page: Any) -> dict[str, list[str]]:
    assert page.status_code == 200
    return {name: [*errors] for name, errors in page.context["adminform"].form.errors.items()}


@pytest.mark.parametrize("language", ["en", "sv"])
def test_what_a_constraint_refuses_is_said_in_words_of_the_browsers_language(
    anna: Client, language: str
) -> None:
    taken, plan = PriceFactory(), PlanFactory()
    second = PriceFactory(plan=taken.plan, code="second")
    coupon = CouponFactory()
    anna.defaults["HTTP_ACCEPT_LANGUAGE"] = language
    refused: list[tuple[str, dict[str, Any], str]] = [
        (
            url(Price, "change", second.pk),
            {"code": taken.code},
            "active_price_code_is_unique",
        ),
        (
            url(Coupon, "change", coupon.pk),
            {"duration": "repeating"},
            "repeating_coupon_has_periods",
        ),
        (url(Coupon, "change", coupon.pk), {"percent_off": ""}, "coupon_is_percent_or_amount"),
        (
            url(Plan, "add"),
            {"code": plan.code, "name": "x", "seller": plan.seller_id, "product": plan.product_id},
            "plan_code_is_unique",
        ),
        (
            url(TaxRate, "add"),
            {
                "country": "NO",
                "category": "odd",
                "is_default": "",
                "percent": "25",
                "valid_from": "2026-01-02",
                "valid_until": "2026-01-01",
            },
            "tax_rate_holds_for_some_days",
        ),
    ]
    for address, typed, guard in refused:
        errors = errors_of(sent_by(anna, address, **typed))
        with translation.override(language):
            assert errors == {"__all__": [in_words(guard)]}
        assert (errors["__all__"] == [GUARD_WORDS[guard]]) == (language == "en")


@pytest.mark.parametrize("is_there_already", [True, False])
def test_what_a_constraint_refuses_of_a_row_within_a_form_is_said_in_its_words(
    anna: Client, is_there_already: bool
) -> None:
    address = url(DunningPolicy, "change", DunningPolicy.objects.get(code="sweden").pk)
    page = anna.get(address)
    step = DunningStep.objects.filter(policy__code="sweden").order_by("since", "days", "id")[0]
    first = page.context["inline_admin_formsets"][0].formset.total_form_count()
    sent = as_sent(page) | {"name": "Sweden", "steps-TOTAL_FORMS": first + 2}
    for new, days in ((first, step.days if is_there_already else 77), (first + 1, 77)):
        sent |= {f"steps-{new}-{name}": getattr(step, name) for name in ("since", "kind")}
        sent |= {f"steps-{new}-days": days}
    answer = anna.post(address, sent)
    formset = answer.context["inline_admin_formsets"][0].formset
    said = [*formset.non_form_errors()]
    said += [words for errors in formset.errors for words in errors.get("__all__", [])]
    assert GUARD_WORDS["dunning_step_is_in_a_policy_once"] in said
    assert DunningStep.objects.filter(policy__code="sweden").count() == first


def test_a_code_that_names_nothing_is_refused_with_those_that_there_are(
    anna: Client, rows: Rows
) -> None:
    plan = rows[Plan]
    price, coupon = PriceFactory(plan=plan, code="cups"), CouponFactory(seller=plan.seller)
    other = PriceFactory(code="elsewhere")
    Meter.objects.create(seller=plan.seller, code="gb")
    Account.objects.create(seller=plan.seller, role="revenue", number="3051", name="Beans")
    wrong: list[tuple[type[Model], int, str, str | list[str], list[str]]] = [
        (Price, price.pk, "meter", "gbx", ["Thing 1", "gb"]),
        (Product, rows[Product].pk, "tax_category", "stanard", ["category 1", "standard"]),
        (Product, rows[Product].pk, "revenue_account", "9999", ["3041", "3051"]),
        (Coupon, coupon.pk, "plans", "moln-xx", [plan.code]),
        (Coupon, coupon.pk, "prices", ["cups", other.code], ["base", "cups"]),
    ]
    for model, pk, field, typed, there_are in wrong:
        more = {"billing": "in_arrears"} if model is Price else {}
        errors = errors_of(sent_by(anna, url(model, "change", pk), **{field: typed}, **more))
        (said,) = errors.pop(field)
        unknown = typed[-1] if isinstance(typed, list) else typed
        assert said.startswith(f"No such code: “{unknown}”. There are: ")
        assert {*there_are} <= {*said.partition("There are: ")[2].rstrip(".").split(", ")}
        assert not errors


def test_codes_that_there_are_are_taken_and_what_stood_there_before_is_left_alone(
    anna: Client, rows: Rows
) -> None:
    plan = rows[Plan]
    price = PriceFactory(plan=plan, code="cups")
    Meter.objects.create(seller=plan.seller, code="gb")
    typed = {"meter": "gb", "billing": "in_arrears"}
    assert sent_by(anna, url(Price, "change", price.pk), **typed).status_code == 302
    old = ProductFactory(seller=plan.seller, tax_category="bygone", revenue_account="3999")
    assert sent_by(anna, url(Product, "change", old.pk), name="Renamed").status_code == 302
    old.refresh_from_db()
    assert (old.name, old.tax_category) == ("Renamed", "bygone")
