"""What a document keeps of its seller and its customer, so that it never changes with them.

A snapshot holds plain JSON under short, stable keys; what is empty is left out. Addresses stay in
parts, as e-invoices want them (EN 16931 BG-5, BG-8). Documents outlive this code: keys may be
added, never renamed. ``supply`` in a customer's is what the rule of the tax said of a buyer abroad,
as :meth:`billing.invoicing.abroad.Abroad.noted` writes it.
"""

import base64
import hashlib
import io
import json
import logging
import warnings
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from django.core.files.storage import Storage
from PIL import Image

from customers.models import Customer, Seller

logger = logging.getLogger(__name__)

Snapshot = dict[str, Any]

LOGO_PREFIX = "data:image/png;base64,"
# Twice the pixels that the largest logo on a page has in print, at 300 dots an inch.
LOGO_SIZE_MAX = (1200, 400)
# Above that a file of some kilobytes can unpack to gigabytes.
LOGO_PIXELS_MAX = 20_000_000

_SELLER_KEYS = {
    "name": "name",
    "legal_name": "legal_name",
    "address_line1": "line1",
    "address_line2": "line2",
    "postal_code": "postal_code",
    "city": "city",
    "organisation_number": "org",
    "vat_number": "vat",
    "has_f_tax": "f_tax",
    "seat": "seat",
    "email": "email",
    "phone": "phone",
    "website": "website",
    "bankgiro": "bankgiro",
    "plusgiro": "plusgiro",
    "iban": "iban",
    "bic": "bic",
    "accent_color": "accent",
    "language": "language",
}
_CUSTOMER_KEYS = {
    "name": "name",
    "address_line1": "line1",
    "address_line2": "line2",
    "postal_code": "postal_code",
    "city": "city",
    "vat_number": "vat",
    "organisation_number": "org",
    "is_business": "business",
    "business_evidence": "evidence",
    "email": "email",
    "external_id": "external_id",
    "public_id": "id",
    "buyer_reference": "buyer_reference",
}
_CUSTOMER_ITEMS = tuple(_CUSTOMER_KEYS.items())
BILL_TO_COLUMNS = (*_CUSTOMER_KEYS, "country", "collection")


def letterhead_of(seller: Seller) -> Snapshot:
    """The seller as it stands on a document: ``Letterhead.content``."""
    content = {key: value for name, key in _SELLER_KEYS.items() if (value := getattr(seller, name))}
    content["country"] = str(seller.country)
    if logo := _logo_of(seller):
        content["logo"] = logo
    return content


def digest_of(content: Snapshot) -> str:
    """What tells two letterheads apart: SHA-256 in hexadecimal, whatever the order of the keys."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def bill_to_of(customer: Customer | Mapping[str, Any]) -> Snapshot:
    """The customer as it stands on a document: ``Invoice.bill_to``.

    Takes a customer, or a row of ``BILL_TO_COLUMNS`` as a set-based biller reads them. ``auto``
    says that we take the money ourselves, so that the document does not ask for it.
    """
    if isinstance(customer, Customer):
        customer = {name: getattr(customer, name) for name in BILL_TO_COLUMNS}
    content = {key: value for name, key in _CUSTOMER_ITEMS if (value := customer[name])}
    content["country"] = str(customer["country"])
    if customer["collection"] == Customer.Collection.AUTOMATIC:
        content["auto"] = True
    return content


def bearing(bill_to: Snapshot, buyer_reference: str) -> Snapshot:
    """The customer as on a document with this reference of the buyer's; "" for one without."""
    if bill_to.get("buyer_reference", "") == buyer_reference:
        return bill_to
    others = {key: value for key, value in bill_to.items() if key != "buyer_reference"}
    return others | ({"buyer_reference": buyer_reference} if buyer_reference else {})


def ocr_reference(sequence: int | str) -> str:
    """The OCR reference of a document number: the number, a length digit and a check digit.

    The length digit is the whole length modulo 10, the check digit is by Luhn (mod 10), as
    Bankgirot's OCR level 3 checks them. 1001 becomes 100169. Raises ValueError for what is not 1
    to 23 digits: a reference has at most 25.
    """
    digits = str(sequence)
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 23):
        raise ValueError(f"{digits!r} is not a number of 1 to 23 digits.")
    digits += str((len(digits) + 2) % 10)
    # From the right every other digit counts double, and 12 counts as 1 + 2.
    total = sum(map(int, digits[-2::-2])) + sum(_DOUBLED[int(digit)] for digit in digits[::-2])
    return f"{digits}{-total % 10}"


_DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)


def _logo_of(seller: Seller) -> str:
    """The seller's logo as a ``data:`` address; empty where there is none that can be read.

    A broken picture must not keep anybody from being billed: it is left out and logged.
    """
    if not seller.logo:
        return ""
    name, storage = str(seller.logo.name), seller.logo.storage
    try:
        return _encoded_logo(storage, name, str(storage.get_modified_time(name)))
    except Exception:
        logger.warning("The logo %s of seller %s cannot be read.", name, seller.public_id)
        return ""


@lru_cache(maxsize=64)
def _encoded_logo(storage: Storage, name: str, modified_at: str) -> str:
    with storage.open(name) as file:
        return encode_logo(file.read())


def encode_logo(picture: bytes) -> str:
    """Decode a picture and encode its pixels anew, as a PNG no larger than print needs.

    Nothing of the file but its pixels comes through. Raises ValueError for what is no PNG, JPEG,
    GIF or WebP, or too large to unpack.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(picture), formats=("PNG", "JPEG", "GIF", "WEBP")) as image:
                if image.width * image.height > LOGO_PIXELS_MAX:
                    raise ValueError(f"A logo of {image.width} × {image.height} is too large.")
                plain = image.convert("RGBA")
    except (OSError, SyntaxError, Image.DecompressionBombError, Warning) as error:
        raise ValueError("The logo is not a picture that we can read.") from error
    plain.thumbnail(LOGO_SIZE_MAX)
    clean = Image.new("RGBA", plain.size)
    clean.paste(plain)
    encoded = io.BytesIO()
    clean.save(encoded, "PNG", optimize=True)
    return LOGO_PREFIX + base64.b64encode(encoded.getvalue()).decode()
