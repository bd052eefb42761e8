"""Which sums are unusual enough to be asked again, and which are taken from nobody.

Both are by currency, in its smallest unit. What is beyond :func:`usual_minor` is most often a slip
of the keyboard (an amount in öre, a number of an account), so a person confirms it. Beyond
:func:`most_minor` nothing is taken, confirmed or not.
"""

from typing import Final

from billing.engine.errors import InvalidAmount, Refused
from billing.engine.money import exponent, major_string

_USUAL_EUROS: Final = 1_000
_MOST_EUROS: Final = 10_000_000

# About how many units a euro is, to an order of magnitude; of all others it is one.
_UNITS_OF_A_EURO: Final = {
    code: units
    for units, codes in {
        5: "AED BRL BYN GEL ILS MYR PEN PLN QAR RON SAR",
        10: "BOB BWP CNY DKK GHS GTQ HKD MAD MOP MVR NOK SEK SCR SZL ZMW",
        25: "CZK EGP MXN NAD THB TRY TWD UAH UYU ZAR",
        50: "HNL MDL MUR NIO PHP MKD",
        100: "ALL BDT DOP DZD ETB INR ISK JPY KES LKR NPR RSD RUB RUR VUV XPF AFN JMD AOA",
        500: "AMD CRC CLP CVE HUF KMF KZT NGN PKR XAF XOF YER ARS",
        1_000: "BIF COP DJF KRW MMK MNT MWK RWF TZS",
        5_000: "KHR MGA PYG UGX UZS",
        20_000: "GNF IDR IRR LAK LBP SLE VND",
    }.items()
    for code in codes.split()
}


def usual_minor(currency: str) -> int:
    """Up to which sum nobody is asked again: SEK 10,000, EUR 1,000."""
    return _USUAL_EUROS * _units(currency)


def most_minor(currency: str) -> int:
    """The largest sum that a person or a shop may give: SEK 100,000,000, EUR 10,000,000."""
    return _MOST_EUROS * _units(currency)


def check_amount(amount_minor: int, currency: str, *, is_confirmed: bool, usual: int = 0) -> None:
    """Refuse an amount, of either sign, that is beyond what may be, or unusual and unconfirmed.

    ``usual`` is what is usual for this customer, in minor units. Raises :class:`InvalidAmount`
    ("amount_too_large") and :class:`Refused` ("unusual_amount").
    """
    most = most_minor(currency)
    if abs(amount_minor) > most:
        raise InvalidAmount(
            f"{major_string(amount_minor, currency)} {currency} is more than any amount may be: "
            f"{major_string(most, currency)} {currency}.",
            code="amount_too_large",
        )
    if not is_confirmed and abs(amount_minor) > max(usual, usual_minor(currency)):
        raise Refused(
            f"{major_string(amount_minor, currency)} {currency} is more than usual. Confirm that "
            "it is meant so.",
            code="unusual_amount",
        )


def _units(currency: str) -> int:
    return _UNITS_OF_A_EURO.get(currency, 1) * 10 ** exponent(currency)
