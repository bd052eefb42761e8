"""Full card numbers stay outside: whoever writes one into a field is told to leave it out."""

from typing import Any

from django.core.exceptions import ValidationError

from billing.base.redaction import card_number_in

# What holds long numbers by its nature: what a payer quotes, and accounts.
MAY_HOLD_NUMBERS = frozenset({"reference", "iban", "bic", "bankgiro", "plusgiro", "key", "code"})
REFUSED = (
    "This looks like a card number, which ends in %(last4)s. Leave it out: card numbers are for "
    "the gateway's page alone."
)


def card_refusal(name: str, value: object) -> str:
    """Why a field's value is refused, for the card number in it; "" where nothing is wrong."""
    if name in MAY_HOLD_NUMBERS:
        return ""
    texts = [*value, *value.values()] if isinstance(value, dict) else [value]
    found = (card_number_in(text) for text in texts if isinstance(text, str))
    last4 = next(filter(None, found), "")
    return REFUSED % {"last4": last4} if last4 else ""


class WithoutCards:
    """A form, or a part of one, that refuses full card numbers in what people write."""

    def _clean_form(self) -> None:
        super()._clean_form()  # type: ignore[misc]
        self._refuse_cards()

    def _refuse_cards(self: Any) -> None:
        for name, value in list(self.cleaned_data.items()):
            if said := card_refusal(name, value):
                self.add_error(name, ValidationError(said, code="card_number"))
