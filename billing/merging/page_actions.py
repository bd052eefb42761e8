"""The button that merges two customers: the other is searched for, what moves is shown first."""

from datetime import date
from hashlib import sha256
from typing import Any, cast

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Q, QuerySet
from django.http import QueryDict
from django.utils.translation import pgettext, pgettext_lazy
from unfold.enums import ActionVariant

from billing.desk.forms import ActionForm, NamedChoice
from billing.desk.page_actions import PageAction
from billing.desk.previews import Preview, Reckoned
from billing.desk.searching import TERM_MAX, search
from billing.merging.actions import merge
from billing.merging.foreseen import parts_of
from billing.merging.moves import Moves, obstacles, what_moves
from customers.models import Customer
from customers.persons import customers_of

OFFERED_MAX = 20
SEARCHED = ("typed", "external_id__iexact", "public_id__iexact")


def _named(customer: Customer) -> str:
    return ", ".join(filter(None, [customer.name, customer.email, customer.city]))


class MergeForm(ActionForm):
    """Who stays: searched for, or one of those who may be the same person.

    Of several who are found one is chosen; one alone needs no choice. What stands against it is
    said here, all at once.
    """

    wanted = forms.CharField(
        label=pgettext_lazy("desk", "Search for the customer who stays"),
        required=False,
        max_length=TERM_MAX,
        help_text=pgettext_lazy(
            "desk",
            "By name, email address, organisation number or id, among the same seller's customers.",
        ),
    )
    staying = NamedChoice(
        Customer.objects.none(),
        named=_named,
        label=pgettext_lazy("desk", "Customer who stays"),
        required=False,
    )

    def ask(self) -> None:
        wanted = str(self.data.get("wanted", "")).strip()
        found = _found(self.obj, wanted) if wanted else _alike(self.obj)
        self.found = list(found.order_by("name", "pk")[:OFFERED_MAX])
        staying = cast(NamedChoice, self.fields["staying"])
        offered = Customer.objects.filter(pk__in=[each.pk for each in self.found])
        staying.queryset = offered.order_by("name", "pk")
        if len(self.found) < (2 if wanted else 1):
            staying.widget = forms.HiddenInput()
        # Another search leaves no choice of an earlier one.
        chosen = self.data.get("staying", "")
        if chosen and chosen not in {str(each.pk) for each in self.found}:
            data = cast(QueryDict, self.data).copy()
            data["staying"] = ""
            self.data = data

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        wanted, staying = cleaned.get("wanted", ""), cleaned.get("staying")
        if staying is None and wanted and len(self.found) == 1:
            staying = cleaned["staying"] = self.found[0]
        if staying is not None:
            for obstacle in obstacles(self.obj, staying):
                self.add_error(None, ValidationError(obstacle.message, code=obstacle.code))
        elif not self.found and wanted:
            said = pgettext("desk", "The seller has no other customer that matches.")
            self.add_error("wanted", said)
        elif self.found:
            self.add_error("staying", pgettext("desk", "Choose the customer who stays."))
        else:
            self.add_error("wanted", pgettext("desk", "Search for the customer who stays."))
        return cleaned


def _others(closing: Customer) -> QuerySet[Customer]:
    others = Customer.objects.filter(seller=closing.seller_id, merged_into=None)
    return others.exclude(pk=closing.pk)


def _found(closing: Customer, wanted: str) -> QuerySet[Customer]:
    return search(_others(closing), wanted, SEARCHED)


def _alike(closing: Customer) -> QuerySet[Customer]:
    """Those who may be the same person: of one address, name or number."""
    alike = Q(pk__in=customers_of(closing.seller_id, closing.email)) | Q(name=closing.name)
    for name in ("organisation_number", "vat_number"):
        if number := getattr(closing, name):
            alike |= Q(**{name: number})
    return _others(closing).filter(alike)


class Merge(PageAction):
    name = "merge"
    label = "Merge with another customer"
    explanation = pgettext_lazy(
        "desk",
        "For two customers who are one person. This one is closed. What is still to come of it "
        "moves to the one who stays: subscriptions, cards, coupons, the balance and whatever waits "
        "to be billed. Invoices, payments and emails stay as they are. There is no way back.",
    )
    permission = "customers.change_customer"
    icon = "merge"
    variant = ActionVariant.DANGER
    form_class = MergeForm
    is_foreseen = True
    takes_own_locks = True

    def foresee(self, obj: Customer, *, as_of: date, actor: str, **asked: Any) -> Preview:
        staying: Customer = asked["staying"]
        moves = what_moves(obj, staying)
        return Preview(_outcome(staying, moves), parts_of(obj, staying, moves))

    def run(self, obj: Customer, *, as_of: date, actor: str, **asked: Any) -> Reckoned:
        staying: Customer = asked["staying"]
        moved = merge(obj, staying, as_of=as_of, actor=actor)
        said = f"Merged {obj} into {staying} ({staying.public_id})."
        return Reckoned(said, outcome=_outcome(staying, moved))


def _outcome(staying: Customer, moves: Moves) -> str:
    """Who stays and all that moves, as one word."""
    rows = (moves.subscriptions, moves.one_offs, moves.coupons, moves.doubled, moves.cards)
    ids = [sorted(each.pk for each in some) for some in (*rows, moves.offers, moves.followers)]
    told = (staying.pk, ids, moves.balances_minor, moves.external_id, moves.is_charged_otherwise)
    return sha256(repr(told).encode()).hexdigest()[:16]
