from datetime import date
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.utils import label_for_field
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.translation import pgettext, pgettext_lazy
from unfold.contrib.filters.admin import BooleanRadioFilter, RelatedDropdownFilter
from unfold.widgets import UnfoldAdminColorInputWidget

from billing.desk.columns import link_column
from billing.desk.figures import as_pages_write, link
from billing.desk.forms import ActionForm
from billing.desk.lists import CappedPaginator
from billing.desk.model_admin import Desk
from billing.desk.page_actions import PageAction, Told
from billing.desk.panels import Panel
from billing.desk.typed_rows import NotesField
from billing.webhooks.actions import create
from billing.webhooks.models import WebhookEndpoint
from customers.actions import record_new_address
from customers.calendar import today_of
from customers.going_live import missing_to_go_live
from customers.logos import LogoField, LogoInput
from customers.models import Customer, Seller, TestClock

ADDRESS = ("address_line1", "address_line2", ("postal_code", "city"))


CLOCK = Panel(
    "Test clock",
    rows=lambda seller: TestClock.objects.filter(seller=seller),
    columns={
        "It is": lambda test_clock: test_clock.at,
        "On its way to": lambda test_clock: test_clock.advancing_to,
        "Clock": lambda test_clock: test_clock.public_id,
    },
    when_empty="None: time passes here as elsewhere.",
)


ENDPOINTS = Panel(
    "Webhook endpoints",
    rows=lambda seller: WebhookEndpoint.objects.filter(seller=seller.public_id).order_by("pk"),
    columns={
        "Address": link,
        "Types": lambda endpoint: ", ".join(endpoint.types),
        "Turned on": lambda endpoint: endpoint.is_enabled,
    },
)


MISSING = Panel(
    "Missing before it may issue invoices",
    rows=lambda seller: missing_to_go_live(seller) if seller.is_live else [],
    columns={
        "Field": lambda missing: format_html(
            '<a href="#id_{}" class="text-link">{}</a>',
            missing.field,
            str(label_for_field(missing.field, Seller)).capitalize(),
        ),
        "What to do": lambda missing: as_pages_write(str(missing.what)),
    },
    when_empty="Nothing.",
)


MERGED = Panel(
    "Merged into this customer",
    rows=lambda customer: sorted(customer.merged.all(), key=lambda each: -each.pk),
    columns={
        "Customer": link,
        "Email": lambda merged: merged.email or None,
        "Public id": lambda merged: merged.public_id,
    },
    when_empty="",
)


class EndpointForm(ActionForm):
    url = forms.CharField(
        label=pgettext_lazy("desk", "Address"), max_length=2000, help_text="https://…"
    )
    types = forms.CharField(
        label=pgettext_lazy("desk", "Types"),
        initial="*",
        help_text=pgettext_lazy(
            "desk", "Such as invoice.paid, payment.*, separated by commas, or * for all."
        ),
    )
    description = forms.CharField(
        label=pgettext_lazy("desk", "Description"), required=False, max_length=200
    )


class AddEndpoint(PageAction):
    name = "add-webhook-endpoint"
    label = "Add webhook endpoint"
    explanation = pgettext_lazy(
        "desk", "The shop's address is told what happens here. Its secret is shown once."
    )
    permission = "events.add_webhookendpoint"
    icon = "webhook"
    form_class = EndpointForm

    def run(self, obj: Seller, *, as_of: date, actor: str, **asked: Any) -> str:
        types = [each.strip() for each in asked.pop("types").split(",")]
        endpoint, secret = create(
            seller=obj.public_id,
            is_live=obj.is_live,
            as_of=as_of,
            actor=actor,
            types=types,
            **asked,
        )
        done = f"Added the webhook endpoint {endpoint.public_id}."
        said = pgettext(
            "desk",
            "Added the webhook endpoint %(endpoint)s. Its secret, shown only here: %(secret)s",
        )
        shown = said % {"endpoint": endpoint.public_id, "secret": secret}
        return Told(done, shown=shown)


@admin.register(Seller)
class SellerAdmin(Desk):
    fixed_fields = ("is_live", "country", "currency")
    list_display = ("name", "legal_name", "is_live", "country", "currency", "organisation_number")
    list_filter = (("is_live", BooleanRadioFilter),)
    search_fields = ("name", "legal_name", "organisation_number", "public_id__iexact")
    readonly_fields = ("public_id",)
    fieldsets = (
        (None, {"fields": (("name", "legal_name"), ("is_live", "public_id"), "logo")}),
        ("Where it trades", {"fields": (("country", "seat"), ("currency", "time_zone"))}),
        ("Registration", {"fields": (("organisation_number", "vat_number"), "has_f_tax", "tax")}),
        ("Address", {"fields": (*ADDRESS, ("email", "phone"), "website")}),
        ("Paid to", {"fields": (("bankgiro", "plusgiro"), ("iban", "bic"))}),
        (
            "On documents",
            {"fields": (("language", "accent_color"), ("rounding", "rounding_tolerance_minor"))},
        ),
    )
    panels = (MISSING, ENDPOINTS, CLOCK)
    page_actions = (AddEndpoint(),)

    def formfield_for_dbfield(self, db_field, request, **kwargs):
        if db_field.name == "accent_color":
            kwargs["widget"] = UnfoldAdminColorInputWidget
        if db_field.name == "logo":
            kwargs |= {"form_class": LogoField, "widget": LogoInput}
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    def has_delete_permission(self, request, obj=None) -> bool:
        # All else hangs on a seller; one made by mistake does no harm.
        return False


@admin.register(Customer)
class CustomerAdmin(Desk):
    fixed_fields = ("seller",)
    tables = {"metadata": NotesField}
    list_display = ("called", "email", "external_id", "seller_link", "at_home_in", "collection")
    list_filter = (
        ("seller", RelatedDropdownFilter),
        ("is_business", BooleanRadioFilter),
    )
    list_select_related = ("seller",)
    search_fields = (
        "typed",
        "external_id__iexact",
        "public_id__iexact",
    )
    autocomplete_fields = ("seller",)
    readonly_fields = ("public_id", "merged_into_link")
    paginator = CappedPaginator
    ordering = ("-id",)
    fieldsets = (
        (None, {"fields": (("name", "email"), ("seller", "external_id"), "public_id")}),
        (
            "Billing",
            {
                "fields": (
                    ("collection", "net_terms_days"),
                    ("delivery", "language"),
                    ("is_consolidated", "buyer_reference"),
                )
            },
        ),
        (
            "Addressees",
            {"fields": (("invoice_to", "invoice_cc"), ("reminder_to", "reminder_cc"))},
        ),
        (
            "Tax",
            {
                "fields": (
                    ("is_business", "country"),
                    ("organisation_number", "vat_number"),
                    "business_evidence",
                    "tax",
                )
            },
        ),
        ("Address", {"fields": ADDRESS}),
        ("More", {"fields": ("metadata",), "classes": ("collapse",)}),
    )
    panels = (MERGED,)

    seller_link = link_column("seller", ordering="seller__name")
    merged_into_link = link_column("merged_into")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Customer]:
        found = super().get_queryset(request)
        # Half the tables of a customer's page ask who was merged into it.
        if self.is_list(request):
            return found
        return found.select_related("seller").prefetch_related("merged")

    # A merged customer is read, and no more: what is still to come is done with the other.

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return _is_open(obj) and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return _is_open(obj) and super().has_delete_permission(request, obj)

    def offers(self, action: PageAction, obj: Any) -> bool:
        return _is_open(obj) and super().offers(action, obj)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        found = super().get_fieldsets(request, obj)
        return found if _is_open(obj) else [(None, {"fields": ("merged_into_link",)}), *found]

    @admin.display(description="name", ordering="name")
    def called(self, customer: Customer) -> str:
        if _is_open(customer):
            return customer.name
        return pgettext("desk", "%(name)s (merged)") % {"name": customer.name}

    def save_model(self, request: HttpRequest, obj: Customer, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if change:
            record_new_address(
                obj,
                form.initial["email"],
                as_of=today_of(obj.seller),
                actor=f"user:{request.user.get_username()}",
            )

    @admin.display(description="country", ordering="country")
    def at_home_in(self, customer: Any) -> str:
        """By its code: shown as a field, each row would make the list of all countries anew."""
        return customer.country.name


def _is_open(customer: Customer | None) -> bool:
    """Whether a customer was not merged into another; of none, whether there may be one."""
    return customer is None or customer.merged_into_id is None
