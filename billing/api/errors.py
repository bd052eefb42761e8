"""What a request that cannot be met is answered: a status, a stable code and what to do.

The shape is drf-standardized-errors': ``{"type", "errors": [{"code", "detail", "attr"}]}``. The
code of a refusal is the :class:`BillingError`'s own; its status stands in one table here.
"""

import math
from decimal import Decimal

from rest_framework.exceptions import APIException, ValidationError

from billing.engine.errors import (
    BillingError,
    CurrencyMismatch,
    InvalidAgreement,
    InvalidAmount,
    InvalidPrice,
    UnknownCurrency,
    UsageRefused,
)

# What a request can put right by itself is 422, what the present state stands against 409.
STATUS_OF_CODE: dict[str, int] = {
    "unknown_price": 422,
    "unknown_subscription": 404,
    "unknown_meter": 404,
    "negative_quantity": 422,
    "end_before_start": 422,
    "date_in_the_past": 422,
    "unknown_when": 422,
    "unknown_unused": 422,
    "pause_ends_before_start": 422,
    "anchor_missing": 422,
    "plan_of_another_family": 422,
    "plan_of_another_seller": 404,
    "unknown_scope": 422,
    "unknown_event_type": 422,
    "webhook_url_refused": 422,
    "clock_goes_back": 422,
    "clock_goes_too_far": 422,
    "seller_is_live": 403,
    "return_url_refused": 422,
    "idempotency_key_reused": 422,
    "idempotency_key_missing": 400,
    "idempotency_key_invalid": 400,
    "payment_failed": 402,
    "no_payment_method": 402,
    "link_unknown": 404,
    "outbound_held": 503,
    "gateway_unavailable": 503,
    "gateway_unclear": 503,
    "gateway_error": 503,
    "gateway_refused": 402,
    "template_broken": 503,
    "page_too_large": 503,
    "renderer_lost": 503,
    "rendering_failed": 503,
    "invalid_vat_number": 422,
    "invalid_organisation_number": 422,
    "credit_exceeds_invoice": 422,
    "credit_exceeds_line": 422,
    "credits_everything": 422,
    "unusual_amount": 422,
    "amount_too_large": 422,
    "currency_not_used": 422,
    "unknown_revenue_account": 422,
}
# The field that a refusal from below is about, where there is but one that it can be.
ATTR_OF_CODE: dict[str, str] = {
    "external_id_taken": "external_id",
    "unknown_price": "quantities",
    "unknown_event_type": "types",
    "invalid_vat_number": "vat_number",
    "invalid_organisation_number": "organisation_number",
    "webhook_url_refused": "url",
    "credits_everything": "amount_minor",
    "unusual_amount": "amount_minor",
    "amount_too_large": "amount_minor",
    "currency_not_used": "currency",
    "unknown_revenue_account": "revenue_account",
}
STATUS_OF_FAMILY: tuple[tuple[type[BillingError], int], ...] = (
    (UsageRefused, 422),
    (CurrencyMismatch, 422),
    (UnknownCurrency, 422),
    (InvalidAmount, 422),
    (InvalidAgreement, 422),
    (InvalidPrice, 409),
)


def status_of(error: BillingError) -> int:
    """The status of a refusal: by its code, else by its family, else 409."""
    if error.code in STATUS_OF_CODE:
        return STATUS_OF_CODE[error.code]
    return next((status for kind, status in STATUS_OF_FAMILY if isinstance(error, kind)), 409)


class ApiError(APIException):
    """A refusal with a status, a code and a sentence, and which field it is about."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        attr: str | None = None,
        wait_s: Decimal | int = 0,
    ) -> None:
        super().__init__(detail, code)
        self.status_code = status
        self.attr = attr
        if wait_s:
            self.wait = max(1, math.ceil(wait_s))


def invalid(attr: str, code: str, detail: str) -> ValidationError:
    """What one field, or one parameter of the query, is refused for."""
    return ValidationError({attr: [detail]}, code)


def not_found(what: str, attr: str | None = None) -> ApiError:
    """The same answer for what is not there and for what is another seller's.

    ``attr`` is the field that named it, where it was not the address.
    """
    return ApiError(404, "not_found", f"There is no such {what}.", attr=attr)
