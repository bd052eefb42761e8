"""What is kept as JSON is typed as a table, and what has a code is chosen by its name."""

from typing import Any

import pytest
from django import forms
from django.contrib import admin
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import models
from django.http import QueryDict
from django.test import Client, RequestFactory
from django.urls import reverse

from billing.desk.model_admin import Desk
from billing.desk.typed_rows import EMPTY_ROWS, ROWS_MAX, NotesField, RowsField, TypedRows
from billing.engine.bounds import METADATA_KEY, METADATA_KEYS, METADATA_VALUE
from billing.tax.stated import TaxField
from billing.usage.admin import FilterField
from billing.usage.models import Meter
from catalog.forms import TiersField
from catalog.models import Coupon, Price
from customers.models import Customer
from tests.admin.conftest import Rows
from tests.admin.shown import url
from tests.admin.test_refusals import errors_of, sent_by
from tests.admin.test_two_tabs import opened, sent_back
from tests.factories import CouponFactory, PlanFactory, PriceFactory, SellerFactory

pytestmark = pytest.mark.django_db
TIERS = [
    {"up_to": "100", "unit_amount": "0.10"},
    {"up_to": None, "unit_amount": "0.05", "flat_amount": "9"},
]


# No JSON


def fields_of_all_forms() -> list[tuple[str, forms.Field, models.Field | None]]:
    """Each field that anybody may type into at the desk: of pages, rows within them and buttons."""
    request = RequestFactory().get("/admin/")
    request.user = User.objects.create_superuser("anna")
    found: list[tuple[str, forms.Field, models.Field | None]] = []
    for model, page in admin.site._registry.items():
        parts = []
        if page.has_add_permission(request):
            parts.append((model, page.get_form(request)))
        if page.has_change_permission(request):
            parts.append((model, page.get_form(request, model(), change=True)))
        parts += [
            (part.model, part.get_formset(request).form)
            for part in page.get_inline_instances(request)
        ]
        for each, form in parts:
            kept = {field.name: field for field in each._meta.fields}
            for name, field in form.base_fields.items():
                found.append((f"{each.__name__}.{name}", field, kept.get(name)))
        for action in page.page_actions if isinstance(page, Desk) else ():
            for name, field in action.form_class.base_fields.items():
                found.append((f"{action.name}.{name}", field, None))
    return found


def test_nobody_types_json_at_the_desk() -> None:
    all_fields = fields_of_all_forms()
    typed_as_text = [
        name
        for name, field, kept in all_fields
        if isinstance(field, forms.JSONField)
        or (isinstance(kept, models.JSONField) and not isinstance(field, RowsField))
    ]
    assert not typed_as_text
    asked_for = [name for name, field, _ in all_fields if {*"[]{}"} & {*str(field.help_text)}]
    assert not asked_for
    tables = {name for name, field, _ in all_fields if isinstance(field, RowsField)}
    assert tables == {
        "Seller.tax",
        "Customer.tax",
        "Customer.metadata",
        "Price.tax",
        "Price.tiers",
        "Meter.filter",
    }


# Tables


@pytest.mark.parametrize(
    ("field", "kept"),
    [
        (TiersField(when_empty=[], required=False), []),
        (TiersField(when_empty=[], required=False), TIERS),
        (TaxField(required=False), None),
        (TaxField(required=False), []),
        (
            TaxField(required=False),
            [
                {"category": "S", "rate": "5", "inclusive": True, "name": "GST"},
                {"category": "Z", "rate": "0", "inclusive": False, "name": ""},
                {"category": "Z", "rate": "0", "inclusive": True, "name": "", "relief": "25"},
            ],
        ),
        (TaxField(required=False), [{"rate": "25.00"}, {"rate": 6, "category": "S"}]),
        (TiersField(when_empty=[], required=False), [{"unit_amount": "1E+2"}]),
        (NotesField(when_empty={}, required=False), {}),
        (NotesField(when_empty={}, required=False), {"order": "7", "Åsa": ""}),
        (FilterField(when_empty={}, required=False), {}),
        (FilterField(when_empty={}, required=False), {"zone": ["eu", "us"], "kind": "call"}),
    ],
)
def test_a_table_that_is_sent_back_as_it_was_shown_keeps_what_was_kept(
    field: RowsField, kept: Any
) -> None:
    class Form(forms.Form):
        kept = field

    sent = QueryDict(mutable=True)
    sent.update(Form.base_fields["kept"].widget.as_sent("kept", field.prepare_value(kept)))
    form = Form(sent, initial={"kept": kept})
    assert field.can_show(kept)
    assert form.is_valid(), form.errors
    assert form.cleaned_data["kept"] == kept
    assert not form.has_changed()
    # What the page shows is what a browser would send.
    page = str(Form(initial={"kept": kept})["kept"])
    assert all(f'name="{name}"' in page for name in sent)


@pytest.mark.parametrize(
    ("model", "name", "kept"),
    [
        (Customer, "metadata", {"tags": ["a", "b"]}),
        (Customer, "metadata", {"n": 7}),
        (Customer, "metadata", {"n": None}),
        (Customer, "metadata", {"n": True}),
        (Customer, "metadata", [1]),
        (Customer, "metadata", {"long": "x" * (METADATA_VALUE + 1)}),
        (Customer, "metadata", {"x" * (METADATA_KEY + 1): "long"}),
        (Customer, "metadata", {"": "nameless"}),
        (Customer, "metadata", {"wide": " x "}),
        (Customer, "metadata", {"lines": "one\ntwo"}),
        (Customer, "metadata", {f"n{number}": "x" for number in range(METADATA_KEYS + 1)}),
        (Customer, "metadata", {"card": "4111 1111 1111 1111"}),
        (Customer, "tax", [{"rate": "5.123456"}]),
        (Customer, "tax", [{"rate": "5", "name": "x" * 101}]),
        (Price, "tiers", [{"up_to": None, "unit_amount": "0.10", "note": "x"}]),
        (Price, "tiers", [{"up_to": None, "unit_amount": "0.12345678901"}]),
    ],
)
def test_what_no_table_can_show_is_only_shown_and_stays_when_the_page_is_saved(
    anna: Client, rows: Rows, model: Any, name: str, kept: Any
) -> None:
    row = PriceFactory(model="graduated", amount=0, tiers=TIERS) if model is Price else rows[model]
    model.objects.filter(pk=row.pk).update(**{name: kept})
    address = url(model, "change", row.pk)
    page = anna.get(address)
    assert name not in page.context["adminform"].form.fields
    assert f'name="{name}-0-' not in page.content.decode()
    answer = anna.post(address, {**opened(anna, address), "name": "Renamed"})
    assert answer.status_code == 302, errors_of(answer)
    row.refresh_from_db()
    assert (row.name, getattr(row, name)) == ("Renamed", kept)


def test_what_nobody_touched_stays_as_it_is_kept_beside_what_was_changed(
    anna: Client, rows: Rows
) -> None:
    customer = rows[Customer]
    tax = [{"rate": "25.00"}]
    Customer.objects.filter(pk=customer.pk).update(tax=tax, metadata={"order": "7"})
    answer = sent_by(anna, url(Customer, "change", customer.pk), **{"metadata-0-value": "8"})
    assert answer.status_code == 302, errors_of(answer)
    customer.refresh_from_db()
    assert (customer.tax, customer.metadata) == (tax, {"order": "8"})


def test_a_table_holds_as_many_rows_as_it_says_without_its_empty_ones() -> None:
    field = TiersField(when_empty=[], required=False)
    kept = [{"up_to": str(number), "unit_amount": "1"} for number in range(1, ROWS_MAX + 1)]
    empty = [{"up_to": ""}] * EMPTY_ROWS
    assert field.can_show(kept)
    assert field.clean(TypedRows([*field.cells_of(kept), *empty])) == kept
    with pytest.raises(ValidationError):
        field.clean(TypedRows([*field.cells_of(kept), {"up_to": "999"}]))


def test_tiers_are_typed_in_rows(anna: Client) -> None:
    price = PriceFactory(amount=0)
    typed = {"model": "graduated", "meter": "", "tiers-0-up_to": "100", "tiers-5-flat_amount": "9"}
    typed |= {"tiers-0-unit_amount": "0.10", "tiers-5-unit_amount": "0.05"}
    answer = sent_by(anna, url(Price, "change", price.pk), **typed)
    assert answer.status_code == 302, errors_of(answer)
    price.refresh_from_db()
    assert price.tiers == TIERS


@pytest.mark.parametrize(
    ("model", "last"),
    [
        ("graduated", {"up_to": None}),
        ("volume", {"up_to": None, "unit_amount": "0"}),
        ("graduated_percentage", {"up_to": None}),
    ],
)
def test_a_last_tier_that_is_free_stays_when_another_is_changed(
    anna: Client, model: str, last: dict[str, Any]
) -> None:
    paid = {"up_to": "100", "rate" if "percentage" in model else "unit_amount": "0.10"}
    measured = {"meter": "calls", "billing": "in_arrears"}
    price = PriceFactory(model=model, **measured, amount=0, tiers=[paid, last])
    Meter.objects.create(seller=price.plan.seller, code="calls", aggregation="sum")
    answer = sent_by(anna, url(Price, "change", price.pk), **{"tiers-0-up_to": "200"})
    assert answer.status_code == 302, errors_of(answer)
    price.refresh_from_db()
    assert [tier["up_to"] for tier in price.tiers] == ["200", None]
    assert price.terms().tiers[-1].unit_amount == 0


@pytest.mark.parametrize(
    ("model", "typed", "field", "said"),
    [
        (Price, {"tiers-1-up_to": "soon"}, "tiers", "Row 1, Up to: Enter a number."),
        (Price, {"model": "volume", "amount": "0"}, "__all__", "volume needs tiers"),
        (Price, {"tax-0-rate": "25", "tax-0-category": "K"}, "tax", "Tax category K has the rate"),
        (Customer, {"metadata-5-value": "7"}, "metadata", "Row 2, Name: This field is required."),
        (
            Customer,
            {"metadata-3-name": "a", "metadata-4-name": "a"},
            "metadata",
            "“a” is there twice.",
        ),
        (
            Customer,
            {"metadata-0-name": "card", "metadata-0-value": "4111 1111 1111 1111"},
            "metadata",
            "This looks like a card number",
        ),
    ],
)
def test_what_is_wrong_in_a_table_is_said_at_its_field_and_what_was_typed_is_still_there(
    anna: Client, rows: Rows, model: Any, typed: dict[str, str], field: str, said: str
) -> None:
    row = PriceFactory() if model is Price else rows[model]
    page = sent_by(anna, url(model, "change", row.pk), **typed)
    field = "tiers" if field == "__all__" else field
    assert said in errors_of(page)[field][0]
    html = page.content.decode()
    for name, text in typed.items():
        if "-" in name and "category" not in name:
            assert f'value="{text}"' in html, name


def test_no_tax_at_all_is_another_thing_than_the_rate_table(anna: Client, rows: Rows) -> None:
    customer = rows[Customer]
    address = url(Customer, "change", customer.pk)
    for typed, kept in (
        ({"tax-none": "on"}, []),
        ({}, []),
        ({"tax-0-rate": "12"}, None),
    ):
        answer = sent_by(anna, address, **typed)
        customer.refresh_from_db()
        assert customer.tax == kept or answer.status_code == 200
    assert customer.tax == []
    sent = opened(anna, address)
    del sent["tax-none"]
    assert anna.post(address, sent).status_code == 302
    customer.refresh_from_db()
    assert customer.tax is None


def test_who_saves_second_is_told_of_a_changed_table_in_words(anna: Client) -> None:
    price = PriceFactory(model="graduated", amount=0, tiers=TIERS)
    address = url(Price, "change", price.pk)
    mine = opened(anna, address)
    Price.objects.filter(pk=price.pk).update(tiers=[{"up_to": None, "unit_amount": "0.20"}])
    page = anna.post(address, mine | {"name": "Calls"})
    (said,) = page.context["adminform"].form.errors["tiers"]
    assert said.endswith("changed this to “0.20”.")
    assert sent_back(page)["tiers-0-unit_amount"] == "0.20"
    assert anna.post(address, sent_back(page)).status_code == 302
    price.refresh_from_db()
    assert (price.name, price.tiers) == ("Calls", [{"up_to": None, "unit_amount": "0.20"}])


def test_each_value_of_a_meters_filter_has_a_row(anna: Client) -> None:
    seller = SellerFactory()
    typed = {"filter-0-name": "zone", "filter-0-value": "eu"}
    typed |= {"filter-1-name": "zone", "filter-1-value": "us"}
    sent = {"seller": seller.pk, "code": "calls", "aggregation": "sum", "rounding_digits": "0"}
    assert anna.post(url(Meter, "add"), {**sent, **typed}).status_code == 302
    meter = Meter.objects.get()
    assert meter.filter == {"zone": ["eu", "us"]}
    page = anna.get(url(Meter, "change", meter.pk)).content.decode()
    assert "eu, us" in page and 'name="filter-' not in page


# Choices


def test_a_coupon_is_given_plans_and_prices_by_name(anna: Client) -> None:
    seller = SellerFactory()
    plan = PlanFactory(seller=seller, code="kg1", name="Espresso 1 kg")
    PriceFactory(plan=plan, code="fee", name="")
    PriceFactory(plan=PlanFactory(name="Another's", code="x"), code="other")
    coupon = CouponFactory(seller=seller, plans=["gone"])
    address = url(Coupon, "change", coupon.pk)
    form = anna.get(address).context["adminform"].form
    assert form.fields["plans"].choices == [("kg1", "Espresso 1 kg (kg1)"), ("gone", "gone")]
    assert form.fields["prices"].choices == [("fee", "Espresso 1 kg (fee)")]
    assert sent_by(anna, address, plans=["kg1", "gone"], prices=["fee"]).status_code == 302
    coupon.refresh_from_db()
    assert (coupon.plans, coupon.prices) == (["kg1", "gone"], ["fee"])


def offered(client: Client, name: str, **typed: Any) -> list[str]:
    """The codes that the page of a new coupon offers."""
    address = url(Coupon, "add")
    page = client.post(address, typed) if typed else client.get(address)
    return [code for code, _ in page.context["adminform"].form.fields[name].choices]


def test_a_new_coupon_is_offered_codes_once_and_those_of_its_seller(anna: Client) -> None:
    mine, other = SellerFactory(), SellerFactory()
    for number in range(3):
        plan = PlanFactory(seller=mine, code=f"kg{number}", name=f"Kilo {number}")
        PriceFactory(plan=plan, code="fee", name="")
    PriceFactory(plan=PlanFactory(seller=other, code="x"), code="other")
    assert offered(anna, "prices") == ["fee", "other"]
    assert offered(anna, "prices", seller=str(mine.pk), code="") == ["fee"]
    assert offered(anna, "plans", seller=str(other.pk), code="") == ["x"]
    anna.post(reverse("choose_seller"), {"seller": mine.pk})
    page = anna.get(url(Coupon, "add")).context["adminform"].form
    assert page.initial["seller"] == mine.pk
    assert page.fields["prices"].choices == [("fee", "Kilo 0, Kilo 1, Kilo 2 (fee)")]


def test_the_page_of_a_coupon_grows_with_no_price_list(
    anna: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("catalog.forms.CODES_OFFERED_MAX", 2)
    seller = SellerFactory()
    for number in range(4):
        PlanFactory(seller=seller, code=f"kg{number}", name="Espresso")
    coupon = CouponFactory(seller=seller, plans=["kg3"])
    form = anna.get(url(Coupon, "change", coupon.pk)).context["adminform"].form
    assert [code for code, _ in form.fields["plans"].choices] == ["kg0", "kg1", "kg3"]
