from django.contrib import admin
from unfold.contrib.filters.admin import BooleanRadioFilter

from billing.desk import Desk, plain_column
from billing.tax.models import TaxRate


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
