"""The errors that Kvitt raises on purpose.

Each carries a stable `code` for programs and a sentence for people that says what to do. The API
renders both, the admin shows the sentence.
"""


class BillingError(Exception):
    """The family's parent: raised through one of its children when a request cannot be met."""

    code: str = "billing_error"

    def __init__(self, message: str, *, code: str | None = None, **details: object) -> None:
        # Only the message goes to Exception: an error then survives pickling on its way back from
        # a worker, because the rest is restored from the instance's dictionary.
        super().__init__(message)
        self.message = message
        self.code = code or type(self).code
        self.details = details


class InvalidAgreement(BillingError):
    """Raised when the facts of a subscription contradict each other and cannot be billed."""

    code = "invalid_agreement"


class InvalidPrice(BillingError):
    """Raised when a price's settings make no sense together; names the setting that is wrong."""

    code = "invalid_price"


class CurrencyMismatch(BillingError):
    """Raised when amounts of two currencies are added, subtracted or compared."""

    code = "currency_mismatch"


class UnknownCurrency(BillingError):
    """Raised when a code is not one of ISO 4217's active currencies."""

    code = "unknown_currency"


class InvalidAmount(BillingError):
    """Raised when an amount is not finite, too fine for its currency or cannot be split."""

    code = "invalid_amount"


class Refused(BillingError):
    """Raised when the present state does not allow an action; always given a specific code."""

    code = "refused"


class UsageRefused(BillingError):
    """Raised when usage lies before the start, after the end or too far back to be billed."""

    code = "usage_refused"
