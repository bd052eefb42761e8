"""Why a charge was refused: one list, whoever asks. Gateways translate their own codes into it."""

from enum import StrEnum
from typing import Self


class Decline(StrEnum):
    """A reason as it stands on payments and cards."""

    CARD_DECLINED = "card_declined"
    INSUFFICIENT_FUNDS = "insufficient_funds"
    EXPIRED_CARD = "expired_card"
    LOST_CARD = "lost_card"
    STOLEN_CARD = "stolen_card"
    PICKUP_CARD = "pickup_card"
    RESTRICTED_CARD = "restricted_card"
    INVALID_ACCOUNT = "invalid_account"
    INCORRECT_NUMBER = "incorrect_number"
    CARD_NOT_SUPPORTED = "card_not_supported"
    FRAUDULENT = "fraudulent"
    REVOCATION_OF_AUTHORIZATION = "revocation_of_authorization"
    AUTHENTICATION_FAILED = "authentication_failed"
    PROCESSING_ERROR = "processing_error"
    DECLINED = "declined"

    @classmethod
    def of(cls, stored: str) -> Self:
        """The decline of a code that was kept; one that nobody knows is a plain *declined*."""
        if stored == "authentication_required":
            return cls("authentication_failed")
        return cls(stored) if stored in cls else cls("declined")

    @property
    def label(self) -> str:
        """What operators call it, in English: ``Insufficient funds``."""
        return self.value.replace("_", " ").capitalize()

    @property
    def is_hard(self) -> bool:
        """Whether it will be the same tomorrow: wait for a new payment method, do not retry."""
        return self in _HARD


# Codes after which the same card will never be accepted, whoever asks: only another one helps.
# They are the networks' "do not try again" answers (Visa's category 1, Mastercard's advice codes
# 03 and 21) as gateways pass them on, and a card that has run out.
_HARD = frozenset(
    {
        Decline.CARD_NOT_SUPPORTED,
        Decline.EXPIRED_CARD,
        Decline.FRAUDULENT,
        Decline.INCORRECT_NUMBER,
        Decline.INVALID_ACCOUNT,
        Decline.LOST_CARD,
        Decline.PICKUP_CARD,
        Decline.RESTRICTED_CARD,
        Decline.REVOCATION_OF_AUTHORIZATION,
        Decline.STOLEN_CARD,
    }
)
