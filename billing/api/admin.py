"""Keys on the operator's desk: made on the seller's page, replaced and revoked on their own."""

from datetime import date, datetime, timedelta
from typing import Any

from django import forms
from django.contrib import admin
from django.utils.translation import pgettext, pgettext_lazy
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RelatedDropdownFilter
from unfold.enums import ActionVariant
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from billing.api.keys import (
    BURST_MAX,
    PER_S_MAX,
    change_limits,
    make_key,
    revoke_key,
    rotate_key,
)
from billing.api.models import BURST, PER_S, ApiKey
from billing.api.scopes import Scope
from billing.base import clock
from billing.desk.columns import link_column
from billing.desk.figures import link
from billing.desk.forms import ActionForm
from billing.desk.model_admin import ReadOnly
from billing.desk.page_actions import PageAction, Told
from billing.desk.panels import Panel
from customers.admin import SellerAdmin
from customers.models import Seller

OVERLAPS = (
    ("0", pgettext_lazy("desk", "right away")),
    ("1", pgettext_lazy("desk", "in an hour")),
    ("24", pgettext_lazy("desk", "in a day")),
    ("168", pgettext_lazy("desk", "in a week")),
)


def shown_once(text: str) -> str:
    return pgettext("desk", "Copy the key now. It is not shown again: %(key)s") % {"key": text}


def _expiry(days: int | None) -> datetime | None:
    return clock.now() + timedelta(days=days) if days else None


class LimitsForm(ActionForm):
    burst = forms.IntegerField(
        min_value=1,
        max_value=BURST_MAX,
        initial=BURST,
        label=pgettext_lazy("desk", "Requests in one go"),
        help_text=pgettext_lazy("desk", "With a publishable key, from each visitor's address."),
    )
    per_s = forms.IntegerField(
        min_value=1,
        max_value=PER_S_MAX,
        initial=PER_S,
        label=pgettext_lazy("desk", "Requests a second, in the long run"),
    )


class KeyForm(LimitsForm):
    name = forms.CharField(
        label=pgettext_lazy("desk", "Name"),
        max_length=100,
        help_text=pgettext_lazy("desk", "What will use it, such as the shop's server."),
    )
    kind = forms.ChoiceField(
        label=pgettext_lazy("desk", "Kind"),
        choices=[(each.value, pgettext_lazy("desk", each.label)) for each in ApiKey.Kind],
    )
    scopes = forms.MultipleChoiceField(
        label=pgettext_lazy("desk", "Scopes"),
        choices=[(each.value, pgettext_lazy("desk", each.label)) for each in Scope],
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text=pgettext_lazy(
            "desk",
            "Choose only what it needs. If you choose nothing, it may do all that its kind allows.",
        ),
    )
    days = forms.IntegerField(
        min_value=1,
        max_value=3650,
        required=False,
        label=pgettext_lazy("desk", "Days until it expires"),
    )

    field_order = ("name", "kind", "scopes", "days", "burst", "per_s")


class NewKey(PageAction):
    name = "new-key"
    label = "New API key"
    explanation = pgettext_lazy(
        "desk",
        "Makes a key to the API for this seller's shop. It is shown once: only a hash is kept.",
    )
    permission = "api.add_apikey"
    icon = "key"
    form_class = KeyForm

    def run(self, obj: Seller, *, as_of: date, actor: str, **asked: Any) -> str:
        key, text = make_key(
            obj,
            name=asked["name"],
            actor=actor,
            kind=asked["kind"],
            scopes=asked["scopes"] or None,
            expires_at=_expiry(asked["days"]),
            burst=asked["burst"],
            per_s=asked["per_s"],
        )
        return Told(f"Made the API key {key}.", shown=shown_once(text))


class RotateForm(ActionForm):
    hours = forms.ChoiceField(
        choices=OVERLAPS, initial="24", label=pgettext_lazy("desk", "The old key stops working")
    )
    days = forms.IntegerField(
        min_value=1,
        max_value=3650,
        required=False,
        label=pgettext_lazy("desk", "Days until the new key expires"),
    )


class Rotate(PageAction):
    name = "rotate"
    label = "Rotate"
    explanation = pgettext_lazy(
        "desk",
        "Makes a new key with the same name, scopes and limits, shown once. The old one works "
        "alongside it for a while, so that the shop can change over without interruption.",
    )
    permission = "api.rotate_apikey"
    icon = "autorenew"
    variant = ActionVariant.PRIMARY
    form_class = RotateForm

    def is_offered(self, obj: ApiKey) -> bool:
        return state_of(obj) == "opens"

    def run(self, obj: ApiKey, *, as_of: date, actor: str, **asked: Any) -> str:
        overlap = timedelta(hours=int(asked["hours"]))
        key, text = rotate_key(
            obj,
            now=clock.now(),
            actor=actor,
            overlap=overlap,
            expires_at=_expiry(asked["days"]),
        )
        return Told(f"Made {key} in place of {obj}.", shown=shown_once(text))


class ChangeLimitsForm(LimitsForm):
    def ask(self) -> None:
        self.fields["burst"].initial = self.obj.burst
        self.fields["per_s"].initial = self.obj.per_s


class ChangeLimits(PageAction):
    name = "limits"
    label = "Change limits"
    explanation = pgettext_lazy(
        "desk",
        "Sets how many requests the key may make, from the next one on. Beyond "
        "that the shop gets the answer 429, which tells it to wait.",
    )
    permission = "api.rotate_apikey"
    icon = "speed"
    form_class = ChangeLimitsForm

    def is_offered(self, obj: ApiKey) -> bool:
        return state_of(obj) == "opens"

    def run(self, obj: ApiKey, *, as_of: date, actor: str, **asked: Any) -> str:
        key = change_limits(obj, burst=asked["burst"], per_s=asked["per_s"], actor=actor)
        return f"{key} may make {key.burst:,} requests at once and {key.per_s:,} a second."


class Revoke(PageAction):
    name = "revoke"
    label = "Revoke"
    explanation = pgettext_lazy(
        "desk", "The key stops working now, for good. Whatever uses it fails right away."
    )
    permission = "api.rotate_apikey"
    icon = "key_off"
    variant = ActionVariant.DANGER

    def is_offered(self, obj: ApiKey) -> bool:
        return obj.revoked_at is None

    def run(self, obj: ApiKey, *, as_of: date, actor: str, **asked: Any) -> str:
        key = revoke_key(obj, now=clock.now(), actor=actor)
        return f"Revoked {key}."


def state_of(key: ApiKey) -> str:
    if key.revoked_at is not None:
        return "revoked"
    is_over = key.expires_at is not None and key.expires_at <= clock.now()
    return "expired" if is_over else "opens"


def state_in_words(key: ApiKey) -> str:
    return {
        "revoked": pgettext("desk", "revoked"),
        "expired": pgettext("desk", "expired"),
        "opens": pgettext("desk", "valid"),
    }[state_of(key)]


KEYS = Panel(
    "API keys",
    rows=lambda seller: seller.api_keys.order_by("-id"),
    columns={
        "Key": link,
        "Kind": lambda key: key.get_kind_display(),
        "State": state_in_words,
        "Last used": lambda key: key.last_used_at,
    },
    list_of=ApiKey,
    list_by="seller__id__exact",
)
SellerAdmin.extend(panels=[KEYS], page_actions=[NewKey()])


@admin.register(ApiKey)
class ApiKeyAdmin(ReadOnly):
    list_display = ("name", "prefix", "kind", "seller_link", "state", "last_used_at")
    list_filter = (("seller", RelatedDropdownFilter), ("kind", ChoicesDropdownFilter))
    list_select_related = ("seller",)
    search_fields = ("name", "prefix__istartswith", "public_id__iexact")
    ordering = ("-id",)
    fields = (
        ("name", "prefix"),
        ("kind", "seller"),
        "scopes",
        ("state", "last_used_at"),
        ("expires_at", "revoked_at"),
        ("burst", "per_s"),
        ("origin", "created_by"),
        ("public_id", "recorded_at"),
    )
    readonly_fields = ("state",)
    page_actions = (Rotate(), ChangeLimits(), Revoke())

    seller_link = link_column("seller", ordering="seller__name")

    @admin.display(description="state")
    def state(self, key: ApiKey) -> str:
        return state_in_words(key)
