"""What webhooks and the list of events show of an object: what the API itself shows of it."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from django.db.models import Model
from rest_framework import serializers

from billing.api import resources  # noqa: F401 -- with it stands what is shown of each.
from billing.api.reading import SHOWN, Reading
from billing.api.resources.documents import DocumentDetail
from billing.api.scopes import Scope
from billing.invoicing.models import Invoice
from billing.webhooks.bodies import Renderer
from dunning.models import DunningCase


class CaseReading(Reading):
    """A late debt, and how far its steps have come."""

    scope = Scope.INVOICES_READ
    shown_as = ("dun", DunningCase)

    id = serializers.CharField(source="public_id")
    invoice = serializers.CharField(source="invoice.public_id")
    customer = serializers.CharField(source="customer.public_id")
    status = serializers.ChoiceField(DunningCase.Status.choices)
    access = serializers.ChoiceField(
        DunningCase.Access.choices, help_text="What the customer may use until it is paid."
    )
    late_from = serializers.DateField()
    next_step_on = serializers.DateField(
        source="coming_step_on", allow_null=True, help_text="None while it is stopped."
    )
    closed_on = serializers.DateField(allow_null=True)

    also_loads = ("invoice", "customer")


class CreditNoteReading(DocumentDetail):
    """A credit note with its lines and VAT groups, which takes a scope of its own to see."""

    scope = Scope.CREDIT_NOTES_READ
    shown_as = ("cn", Invoice)


def renderers() -> dict[str, Renderer]:
    """For each prefix of a public id, what shows objects in a constant number of queries."""
    return {prefix: partial(_show, *shown) for prefix, shown in SHOWN.items()}


def _show(
    reading: type[Reading], model: type[Model], public_ids: Sequence[str]
) -> dict[str, dict[str, Any]]:
    rows = list(reading.loaded(model._default_manager.filter(public_id__in=public_ids)))
    reading.look_up_rare(rows)
    return {row.public_id: reading.show(row) for row in rows}
