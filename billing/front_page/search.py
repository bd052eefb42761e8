"""Ctrl-K: what is called so, of every kind."""

from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import pgettext
from unfold.dataclasses import SearchResult

from billing.invoicing.models import CreditNote, Invoice
from billing.payments.models import Payment
from billing.subscriptions.models import Subscription
from customers.models import Customer

FOUND_MAX = 8
SEARCHED = {
    Customer: "group",
    Invoice: "receipt_long",
    CreditNote: "assignment_return",
    Subscription: "autorenew",
    Payment: "payments",
}


def search(request: HttpRequest, term: str) -> list[SearchResult]:
    """What Ctrl-K finds, a few of each kind: by number, public id, name or email."""
    found: list[SearchResult] = []
    for model, icon in SEARCHED.items():
        desk = admin.site.get_model_admin(model)
        if desk.has_view_permission(request):
            rows, _ = desk.get_search_results(request, desk.get_queryset(request), term)
            found.extend(_result(row, icon) for row in rows[:FOUND_MAX])
    return found


def _result(row: Any, icon: str) -> SearchResult:
    options = row._meta
    said = [str(options.verbose_name), *_more_of(row)]
    return SearchResult(
        title=str(row),
        description=" · ".join(said),
        link=reverse(f"admin:{options.app_label}_{options.model_name}_change", args=[row.pk]),
        icon=icon,
    )


def _more_of(row: Any) -> Iterator[str]:
    """Whose a row is, and of a customer into whom it was merged."""
    if isinstance(row, Customer):
        if row.merged_into is not None:
            yield pgettext("desk", "merged into %(customer)s") % {"customer": row.merged_into}
    elif owner := getattr(row, "customer", None):
        yield owner.name
