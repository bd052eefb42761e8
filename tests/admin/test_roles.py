"""What can be given to a role or a person of the desk."""

from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, Permission, User
from django.test import Client
from django.urls import reverse

from billing.staff.admin import ForSuperusers

pytestmark = pytest.mark.django_db


def offered(client: Client, page: str, field: str) -> set[str]:
    client.force_login(User.objects.create_superuser("anna"))
    form = client.get(reverse(page)).context["adminform"].form
    return {
        f"{each.content_type.app_label}.{each.codename}" for each in form.fields[field].queryset
    }


def test_a_role_is_offered_what_pages_tables_in_them_and_buttons_ask_for(client: Client) -> None:
    found = offered(client, "admin:auth_group_add", "permissions")
    assert found >= {
        "invoicing.view_invoice",
        "invoicing.void_invoice",
        "dunning.change_dunningstep",
        "payments.add_paymentmethod",
        "jobs.view_jobrun",
    }
    # Nobody may do these, or only superusers, or there is no page.
    assert not found & {
        "invoicing.change_invoice",
        "invoicing.add_invoiceline",
        "auth.change_user",
        "admin.view_logentry",
        "sessions.view_session",
        "dunning.view_dunningstepevent",
    }


def test_a_person_with_all_that_can_be_given_sees_every_page_but_those_of_superusers(
    client: Client, settings: Any
) -> None:
    settings.STAFF_MFA = False
    found = offered(client, "admin:auth_group_add", "permissions")
    everything = Group.objects.create(name="Everything")
    for name in found:
        app, _, codename = name.partition(".")
        everything.permissions.add(
            Permission.objects.get(content_type__app_label=app, codename=codename)
        )
    bo = User.objects.create_user("bo", is_staff=True)
    bo.groups.add(everything)
    client.force_login(bo)
    for model, page in admin.site._registry.items():
        address = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
        expected = 403 if isinstance(page, ForSuperusers) else 200
        assert client.get(address).status_code == expected, model


def test_what_a_person_was_given_is_kept_when_the_page_is_saved(client: Client) -> None:
    bo = User.objects.create_user("bo", is_staff=True)
    given = Permission.objects.get(codename="void_invoice")
    bo.user_permissions.add(given)
    client.force_login(User.objects.create_superuser("anna"))
    address = reverse("admin:auth_user_change", args=[bo.pk])
    form = client.get(address).context["adminform"].form
    sent = {
        name: value
        for name in form.fields
        if (value := form[name].value()) not in (None, False) and name != "password"
    }
    joined = {"date_joined_0": "2026-01-01", "date_joined_1": "00:00:00"}
    answer = client.post(address, {**sent, **joined, "user_permissions": [given.pk]})
    assert answer.status_code == 302
    assert list(bo.user_permissions.all()) == [given]
