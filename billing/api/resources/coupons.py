"""Coupons: whether a code that somebody has typed is worth something."""

from typing import Any

from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request

from billing.api.authentication import address_of
from billing.api.errors import ApiError
from billing.api.fields import Currency, Exact, Text, Writing
from billing.api.keys import CODES_PER_S, count_code, has_tried_codes
from billing.api.models import ApiKey
from billing.api.reading import Reading
from billing.api.scopes import Scope
from billing.api.scoping import find_plan
from billing.api.views import Endpoint, reply
from billing.base import clock
from billing.engine.errors import Refused
from billing.subscriptions.coupons import check_coupon, coupon_of
from catalog.models import Coupon


class CouponReading(Reading):
    """What a code takes off: percent, or an amount in the currency's smallest unit."""

    code = serializers.CharField()
    name = serializers.CharField(allow_blank=True)
    percent_off = Exact(allow_null=True)
    amount_off_minor = serializers.IntegerField(allow_null=True)
    currency = serializers.CharField(allow_null=True)
    duration = serializers.ChoiceField(Coupon.Duration.choices)
    periods = serializers.IntegerField(allow_null=True)
    plans = serializers.ListField(
        child=serializers.CharField(), help_text="Codes; empty for every plan."
    )
    uses_max = serializers.IntegerField(
        allow_null=True, help_text="How often it can be redeemed by all; null for any number."
    )
    last_on = serializers.DateField(
        allow_null=True, help_text="The last day on which it can be redeemed."
    )
    is_once_per_person = serializers.BooleanField()

    @staticmethod
    def read_currency(coupon: Coupon) -> str | None:
        return coupon.currency or None


class ValidatedReading(Reading):
    """Whether a code counts; where it does not, ``code`` and ``detail`` say why."""

    is_valid = serializers.BooleanField()  # type: ignore[assignment]
    code = serializers.CharField(allow_null=True)
    detail = serializers.CharField(allow_null=True)
    coupon = CouponReading(allow_null=True)


class CouponWriting(Writing):
    code = Text(max_length=80)
    plan = Text(required=False, help_text="A plan's id or code.")
    currency = Currency(required=False, help_text="The seller's where nothing is said.")


class ValidateCoupon(Endpoint):
    address = "coupons/validate"
    scopes = {"POST": Scope.COUPONS_READ}

    @extend_schema(
        operation_id="validate_coupon",
        summary="Check a coupon's code",
        tags=["coupons"],
        request=CouponWriting,
        responses=ValidatedReading,
    )
    def post(self, request: Request) -> HttpResponse:
        asked = self.sent(CouponWriting)
        address, now = address_of(request), clock.now()
        # A shop's server asks for all its visitors, and counts them by itself.
        is_counted = self.caller.kind == ApiKey.Kind.PUBLISHABLE
        if is_counted and has_tried_codes(self.caller, address, now):
            wait_s = 1 / CODES_PER_S
            raise ApiError(429, "rate_limited", "Too many codes were tried.", wait_s=wait_s)
        plan = find_plan(self.seller, asked["plan"]) if "plan" in asked else None
        try:
            found = coupon_of(self.seller.pk, asked["code"])
            currency = asked.get("currency") or self.seller.currency
            check_coupon(found, plan, currency, as_of=self.today)
        except Refused as refusal:
            if is_counted:
                count_code(self.caller, address, now)
            return reply(_invalid(refusal.code, refusal.message))
        shown = CouponReading.show(found)
        return reply({"is_valid": True, "code": None, "detail": None, "coupon": shown})


def _invalid(code: str, detail: str) -> dict[str, Any]:
    return {"is_valid": False, "code": code, "detail": detail, "coupon": None}
