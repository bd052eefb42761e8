"""What is written without a template is what Django's and the desk's templates write."""

import re
from copy import deepcopy
from typing import Any

import pytest
from django import forms
from django.contrib import admin
from django.contrib.auth.models import User
from django.forms.renderers import DjangoTemplates
from django.test import RequestFactory
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from billing.desk.quick_forms import QuickForms

CHOICES = [("", "---"), ("<", "<b>"), (1, "One"), ("Group & co", [("a", "A"), ("b", "B")])]
AWKWARD = {"title": 'say "it" <now>', "required": True, "disabled": False, "data-n": 0}


def tidy(html: str) -> str:
    """Without what a browser does not show: space between tags."""
    return re.sub(r"\s*([<>])\s*", r"\1", html)


def both(widget: forms.Widget, value: Any) -> tuple[str, str]:
    quick, plain = QuickForms(), DjangoTemplates()
    return (
        tidy(deepcopy(widget).render("it", value, AWKWARD, renderer=quick)),
        tidy(deepcopy(widget).render("it", value, AWKWARD, renderer=plain)),
    )


@pytest.mark.parametrize("value", [None, "", 0, 'a "b" <c>', "a", ["a", "<"], True], ids=repr)
@pytest.mark.parametrize(
    "widget",
    [
        forms.TextInput(),
        forms.NumberInput(),
        forms.HiddenInput(),
        forms.CheckboxInput(),
        forms.EmailInput(),
        forms.URLInput(),
        forms.DateInput(),
        forms.DateTimeInput(),
        forms.TimeInput(),
        forms.Select(choices=CHOICES),
        forms.SelectMultiple(choices=CHOICES),
        UnfoldAdminTextInputWidget(),
        UnfoldAdminTextInputWidget(attrs={"prefix_icon": "search"}),
        UnfoldAdminSelectWidget(choices=CHOICES),
    ],
    ids=lambda widget: type(widget).__name__,
)
def test_a_widget_is_written_as_its_template_says(widget: forms.Widget, value: Any) -> None:
    quick, plain = both(widget, value)
    assert quick == plain
    assert "it" in quick


class Coloured(forms.Select):
    option_template_name = "django/forms/widgets/radio_option.html"


def test_what_is_unusual_is_left_to_its_template() -> None:
    quick, plain = both(Coloured(choices=CHOICES), "a")
    assert quick == plain
    assert "<label>" in quick


@pytest.mark.django_db
def test_every_form_of_the_desk_is_written_as_its_templates_say() -> None:
    request = RequestFactory().get("/admin/")
    request.user = User(is_superuser=True, is_active=True)
    fields = 0
    for page in admin.site._registry.values():
        if not page.has_add_permission(request):
            continue
        inlines = [each[0].form for each in page.get_formsets_with_inlines(request)]
        for form_class in (page.get_form(request), *inlines):
            for quick, plain in zip(
                form_class(renderer=QuickForms()),
                form_class(renderer=DjangoTemplates()),
                strict=True,
            ):
                assert tidy(str(quick)) == tidy(str(plain)), (page, quick.name)
                fields += 1
    assert fields > 100
