from typing import Any

from django.contrib import admin
from unfold.contrib.filters.admin import BooleanRadioFilter

from billing.desk import Desk, plain_column
from billing.tax.models import TaxRate
from billing.tax.rates import treatment_of
from catalog.admin import PriceAdmin
from customers.admin import CustomerAdmin, SellerAdmin


def check_stated_tax(row: Any) -> None:
    """Raise InvalidTax where rates are stated that no bill could be made with."""
    if row.tax is not None:
        treatment_of(row.tax)


for page in (SellerAdmin, CustomerAdmin, PriceAdmin):
    page.extend(checks=[check_stated_tax])


@admin.register(TaxRate)
class TaxRateAdmin(Desk):
    list_display = ("country", "category", "rate", "valid_from", "valid_until", "is_default")
    list_filter = (("is_default", BooleanRadioFilter),)
    search_fields = ("country__iexact", "category__istartswith")
    fieldsets = (
        (None, {"fields": (("country", "category"), ("percent", "is_default"))}),
        ("Holds", {"fields": (("valid_from", "valid_until"),)}),
        ("Where it is from", {"fields": ("source", "note")}),
    )

    rate = plain_column("percent", "percent")
