"""What a customer may change of themselves."""

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import translation
from django.utils.translation import pgettext, pgettext_lazy
from django.views.decorators.http import require_http_methods

from billing.base.typed import Typed
from billing.engine.errors import BillingError
from customers.addressees import (
    addressees_of,
    addressees_of_invoices,
    addressees_of_reminders,
)
from customers.details import change_own_details
from customers.models import LANGUAGES, REFERENCE_MAX, Customer
from customers.numbers import tidy_vat_number
from portal.pages import keep_language
from portal.refusals import sentence_of
from portal.visits import Visit, for_customers, show_to
from portal.words import writer


class DetailsForm(Typed):
    """The fields of :func:`change_own_details`; VAT number and reference for companies."""

    name = forms.CharField(
        label=pgettext_lazy("portal", "Name on the invoice"),
        max_length=200,
        error_messages={
            "required": pgettext_lazy("portal", "Enter the name to put on your invoices.")
        },
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
    )
    address_line1 = forms.CharField(
        label=pgettext_lazy("portal", "Address"),
        max_length=200,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "address-line1"}),
    )
    address_line2 = forms.CharField(
        label=pgettext_lazy("portal", "Address, second line"),
        max_length=200,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "address-line2"}),
    )
    postal_code = forms.CharField(
        label=pgettext_lazy("portal", "Postal code"),
        max_length=20,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "postal-code"}),
    )
    city = forms.CharField(
        label=pgettext_lazy("portal", "City"),
        max_length=100,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "address-level2"}),
    )
    vat_number = forms.CharField(
        label=pgettext_lazy("portal", "VAT number"),
        help_text=pgettext_lazy("portal", "With the country code, such as SE556677889901."),
        max_length=20,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    buyer_reference = forms.CharField(
        label=pgettext_lazy("portal", "Your reference"),
        help_text=pgettext_lazy(
            "portal", "Printed on your invoices, such as a cost centre or an order number."
        ),
        max_length=REFERENCE_MAX,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    language = forms.ChoiceField(
        label=pgettext_lazy("portal", "Language of invoices and emails"), choices=LANGUAGES
    )

    def __init__(self, customer: Customer, data: object = None):
        values = {name: getattr(customer, name) for name in self.base_fields}
        super().__init__(data, initial=values)  # type: ignore[arg-type]
        self.customer = customer
        if not customer.is_business:
            del self.fields["vat_number"]
            del self.fields["buyer_reference"]
        for field in self.fields.values():
            field.is_optional = not field.required  # type: ignore[attr-defined]

    def clean_vat_number(self) -> str:
        number: str = self.cleaned_data["vat_number"]
        try:
            return number and tidy_vat_number(number, str(self.customer.country))
        except BillingError as error:
            raise ValidationError(sentence_of(error)) from error


@require_http_methods(["GET", "HEAD", "POST"])
@for_customers
def details(request: HttpRequest, visit: Visit) -> HttpResponse:
    customer = visit.customer
    form = DetailsForm(customer, request.POST if request.method == "POST" else None)
    if form.is_valid():
        change_own_details(customer, as_of=visit.as_of, actor=visit.actor, **form.cleaned_data)
        return _saved(request, form.cleaned_data["language"])
    context = {
        "form": form,
        "country": writer("SEK").country(str(customer.country)),
        "fixed": customer,
        **_where_mail_goes(customer),
    }
    status = 422 if form.is_bound else 200
    return show_to(request, visit, "portal/details.html", context, section="details", status=status)


def _where_mail_goes(customer: Customer) -> dict[str, str]:
    """In words, where invoices and reminders go elsewhere than to the customer's own address."""
    own, invoices = addressees_of(customer), addressees_of_invoices(customer)
    reminders = addressees_of_reminders(customer)
    return {
        "invoices_go_to": "" if invoices == own else ", ".join(invoices.everybody),
        "reminders_go_to": "" if reminders == invoices else ", ".join(reminders.everybody),
    }


def _saved(request: HttpRequest, language: str) -> HttpResponse:
    """Back to the page, which speaks the chosen language from now on."""
    with translation.override(language):
        messages.success(request, pgettext("portal", "Saved. It applies to future invoices."))
    response = HttpResponseRedirect(reverse("portal:details"))
    keep_language(response, language)
    return response
