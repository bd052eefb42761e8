from datetime import date
from typing import Any

from django.contrib import admin
from django.utils.translation import pgettext, pgettext_lazy
from unfold.contrib.filters.admin import BooleanRadioFilter, RelatedDropdownFilter

from billing.desk.columns import label_column, link_column, plain_column
from billing.desk.figures import NOTHING, link
from billing.desk.model_admin import Desk, ReadOnly
from billing.desk.page_actions import PageAction
from billing.desk.panels import Panel
from billing.tax.checks import ASKED_BY_HAND, ask_by_hand
from billing.tax.loading import STANDARD
from billing.tax.models import TaxRate, TaxRegistration, VatNumberCheck
from billing.tax.stated import TaxField
from billing.tax.supplies import counts_for, plain
from billing.tax.vies import MALFORMED, UNREACHABLE
from catalog.admin import PriceAdmin, ProductAdmin
from customers.admin import CustomerAdmin, SellerAdmin
from customers.models import Customer

for page in (SellerAdmin, CustomerAdmin, PriceAdmin):
    page.extend(tables={"tax": TaxField})

# Of all countries: a buyer abroad is charged the rate of this category at home.
ProductAdmin.extend(
    codes={
        "tax_category": lambda product: {
            STANDARD,
            *TaxRate.objects.order_by().values_list("category", flat=True).distinct(),
        }
    }
)


@admin.register(TaxRate)
class TaxRateAdmin(Desk):
    list_display = ("country", "category", "rate", "valid_from", "valid_until", "is_default")
    list_filter = (("is_default", BooleanRadioFilter),)
    search_fields = ("country__iexact", "category__istartswith")
    fieldsets = (
        (None, {"fields": (("country", "category"), ("percent", "is_default"))}),
        ("In force", {"fields": (("valid_from", "valid_until"),)}),
        ("Where it is from", {"fields": ("source", "note")}),
    )

    rate = plain_column("percent", "percent")


# The codes with which VIES, or whoever asked it, says that there is no clear answer.
PROBLEMS: dict[str, Any] = {
    UNREACHABLE: pgettext_lazy("desk", "The register could not be reached."),
    MALFORMED: pgettext_lazy("desk", "The answer could not be understood."),
    ASKED_BY_HAND: pgettext_lazy("desk", "It is asked about within a minute."),
    "INVALID_INPUT": pgettext_lazy("desk", "The register does not take it for a VAT number."),
    "INVALID_REQUESTER_INFO": pgettext_lazy(
        "desk", "The register does not know the seller's own number."
    ),
    "SERVICE_UNAVAILABLE": pgettext_lazy("desk", "The register is not available right now."),
    "MS_UNAVAILABLE": pgettext_lazy("desk", "The country's register is not available right now."),
    "TIMEOUT": pgettext_lazy("desk", "The country's register did not answer in time."),
}


def problem_of(check: VatNumberCheck) -> str:
    """Why there was no clear answer; a code that nobody knows stands as it is."""
    if check.problem.endswith("MAX_CONCURRENT_REQ"):
        return pgettext("desk", "The register has too much to do right now.")
    return str(PROBLEMS.get(check.problem, check.problem)) or NOTHING


ANSWERS = {"valid": "success", "invalid": "danger", "unknown": "warning"}
REGISTRATIONS = Panel(
    "VAT registrations",
    rows=lambda seller: TaxRegistration.objects.filter(seller=seller),
    columns={
        "Registration": link,
        "Country": lambda registration: registration.country.name,
        "From": lambda registration: registration.valid_from,
        "Until": lambda registration: registration.valid_until,
    },
    list_of=TaxRegistration,
    list_by="seller__id__exact",
    when_empty="None: every buyer is charged as at home, wherever they are.",
)
CHECKS = Panel(
    "VAT number checks",
    rows=lambda customer: VatNumberCheck.objects.filter(
        seller=customer.seller_id, number=plain(customer.vat_number)
    ),
    columns={
        "Asked": lambda check: check.asked_at,
        "Answer": lambda check: check.get_answer_display(),
        "Consultation number": lambda check: check.consultation_number,
        "Whose it is": lambda check: check.name,
        "Problem": problem_of,
    },
    list_of=VatNumberCheck,
    list_by="seller__id__exact",
    listed=lambda customer: [customer.seller_id],
)
SellerAdmin.extend(panels=[REGISTRATIONS])


class CheckVatNumber(PageAction):
    name = "check-vat-number"
    label = "Check VAT number"
    explanation = pgettext_lazy(
        "desk",
        "Asks the EU's register (VIES) within a minute, whatever it has "
        "answered before. The answer counts for bills from then on. Issued "
        "documents stay as they are.",
    )
    permission = "customers.change_customer"
    icon = "verified"

    def is_offered(self, obj: Customer) -> bool:
        return counts_for(obj.seller, plain(obj.vat_number))

    def run(self, obj: Customer, *, as_of: date, actor: str, **asked: Any) -> str:
        ask_by_hand(obj)
        return f"The register is asked about {obj.vat_number} within a minute."


CustomerAdmin.extend(panels=[CHECKS], page_actions=[CheckVatNumber()])


@admin.register(TaxRegistration)
class TaxRegistrationAdmin(Desk):
    fixed_fields = ("seller",)
    list_display = ("number", "scheme", "country", "seller_link", "valid_from", "valid_until")
    list_filter = (("seller", RelatedDropdownFilter), "scheme")
    list_select_related = ("seller",)
    search_fields = ("number__istartswith", "country__iexact")
    autocomplete_fields = ("seller",)
    fieldsets = (
        (None, {"fields": ("seller", ("scheme", "country"), "number")}),
        ("In force", {"fields": (("valid_from", "valid_until"),)}),
    )

    seller_link = link_column("seller", ordering="seller__name")


@admin.register(VatNumberCheck)
class VatNumberCheckAdmin(ReadOnly):
    list_display = ("number", "answer_label", "asked_at", "seller_link", "consultation_number")
    list_filter = (("seller", RelatedDropdownFilter), "answer")
    list_select_related = ("seller",)
    search_fields = ("number__istartswith", "consultation_number__iexact")
    fieldsets = (
        (None, {"fields": (("number", "seller"), ("answer", "asked_at"))}),
        ("As told", {"fields": ("consultation_number", "name", "problem_said")}),
    )
    readonly_fields = ("problem_said",)

    answer_label = label_column("answer", ANSWERS)
    seller_link = link_column("seller", ordering="seller__name")

    @admin.display(description="problem", ordering="problem")
    def problem_said(self, check: VatNumberCheck) -> str:
        return problem_of(check)
