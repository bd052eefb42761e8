"""Bad input at the desk: each field of each form and of each button, from their own definitions.

Nothing that is typed is a failure of ours, no guard of the database is shown by its name, and
where something is refused the field is named and nothing has been written.
"""

import re
from http.cookies import SimpleCookie
from typing import Any

import pytest
from django.contrib import admin
from django.db import connection
from django.db.models import Model
from django.test import Client
from django.urls import reverse

from billing.desk.model_admin import Desk
from billing.tax.models import TaxRegistration
from tests.admin.rows import fill
from tests.matrix.asking import Actors, undone
from tests.matrix.spoiling import Spoiled, filled_in, guard_names, spoiled
from tests.matrix.world import World

pytestmark = pytest.mark.django_db

MODELS = sorted(
    (model for model, desk in admin.site._registry.items() if isinstance(desk, Desk)),
    key=lambda model: model._meta.label,
)


def desk_of(model: type[Model]) -> Any:
    return admin.site._registry[model]


BUTTONS = [
    pytest.param(model, action, id=f"{model._meta.label_lower}-{action.name}")
    for model in MODELS
    for action in desk_of(model).page_actions
]


@pytest.fixture(scope="module")
def strangers(house: World) -> dict[type[Model], Any]:
    """A row of each model that is another seller's; one's own are right as they stand."""
    registration = house.rows[TaxRegistration]
    for row, name in ((registration, "number"), (registration.seller, "vat_number")):
        type(row).objects.filter(pk=row.pk).update(**{name: "SE556012579001"})
    return fill(7, "Other")


@pytest.fixture(scope="module")
def names(house: World) -> re.Pattern[str]:
    return guard_names()


@pytest.fixture
def desk(actors: Actors, quick: None) -> Client:
    client = Client()
    client.cookies = SimpleCookie(actors.credentials["superuser"][0])
    return client


def stood(model: type[Model]) -> Any:
    """What the table of a model holds: its rows and their contents, as one text."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), '')) FROM"  # noqa: S608
            f" {model._meta.db_table} t"
        )
        return cursor.fetchone()[0]


def check(
    client: Client, path: str, sent: dict[str, Any], one: Spoiled, model: type[Model], names: Any
) -> list[str]:
    """What is wrong with how a spoiled form was met, in words."""
    with undone():
        before = stood(model)
        told = f"{path} {one.field} ({one.kind})"
        try:
            answer = client.post(path, sent | {one.field: one.value})
        except Exception as error:
            return [f"{told}: {type(error).__name__} {error}"[:300]]
        faults = []
        if answer.status_code >= 500:
            return [f"{told}: {answer.status_code}"]
        said = _words(answer)
        if shown := names.search(said):
            faults.append(f"{told}: shows {shown[0]}")
        is_done = answer.status_code == 302
        if is_done and one.is_refused:
            faults.append(f"{told}: was taken")
        if not is_done and stood(model) != before:
            faults.append(f"{told}: refused, and written all the same")
        return faults


def _words(answer: Any) -> str:
    """What a person reads: the errors of the forms, and the messages."""
    context = getattr(answer, "context_data", None) or {}
    said = []
    for name in ("adminform", "form", "errors"):
        found = context.get(name)
        if found is not None:
            said.append(str(getattr(getattr(found, "form", found), "errors", found)))
    request = answer.wsgi_request
    said += [str(message) for message in getattr(request, "_messages", [])]
    return " ".join(said)


@pytest.mark.parametrize("page", ["add", "change"])
@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label_lower)
def test_a_form_of_the_desk_refuses_what_is_wrong(
    house: World, desk: Client, strangers: Any, names: Any, model: type[Model], page: str
) -> None:
    meta = model._meta
    args = [house.rows[model].pk] if page == "change" else []
    path = reverse(f"admin:{meta.app_label}_{meta.model_name}_{page}", args=args)
    shown: Any = desk.get(path)
    form = (getattr(shown, "context_data", None) or {}).get("adminform")
    if shown.status_code == 403 or form is None or not form.form.fields:
        return
    sent = filled_in(form.form)
    for formset in (inline.formset for inline in shown.context_data["inline_admin_formsets"]):
        sent |= filled_in(formset.management_form)
        for one in formset.initial_forms:
            sent |= filled_in(one)
    if page == "change":
        with undone():
            answer = desk.post(path, sent)
            assert answer.status_code == 302, _words(answer)
    faults = [
        fault
        for one in spoiled(form.form, strangers)
        for fault in check(desk, path, sent, one, model, names)
    ]
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize(("model", "action"), BUTTONS)
def test_a_button_of_the_desk_refuses_what_is_wrong(
    house: World, desk: Client, strangers: Any, names: Any, model: type[Model], action: Any
) -> None:
    row = house.rows[model]
    form = action.form_class(row)
    path = reverse(
        f"admin:{model._meta.app_label}_{model._meta.model_name}_act", args=[row.pk, action.name]
    )
    sent = filled_in(form)
    faults = [
        fault
        for one in spoiled(form, strangers)
        for fault in check(desk, path, sent, one, model, names)
    ]
    assert not faults, "\n".join(faults)
