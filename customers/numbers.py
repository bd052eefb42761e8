"""VAT numbers, company numbers and accounts: tidied, checked and told apart here, for every door.

A number is written down in one form only, whoever typed it where, so that it is looked up and
compared as what it is. What is no such number is refused with a sentence that names the field.
"""

import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from importlib import import_module
from typing import Any, Final

from stdnum import bic, get_cc_module, iban, luhn
from stdnum.eu import vat
from stdnum.exceptions import ValidationError

from billing.engine.errors import Refused

_MEMBER_STATES: Final = frozenset({"gr", *vat.MEMBER_STATES})

# Numbers of businesses where python-stdnum has no VAT number of the country, or more than one kind.
_MORE_MODULES: Final = {
    "CH": ("ch.uid",),
    # Liechtenstein shares the VAT of Switzerland, and its numbers.
    "LI": ("ch.vat", "ch.uid"),
    "MD": ("md.idno",),
    "NO": ("no.orgnr",),
    "UA": ("ua.edrpou",),
    "US": ("us.ein",),
}
# The same where it knows none; what is in parentheses is the number.
# - The Emirates: the Federal Tax Authority's TRN, 15 digits that begin with 1; no check digit is
#   published.
# - Hong Kong: the business registration number, which identifies each company (Companies Registry,
#   since 27 December 2023): the first eight digits of the certificate's number, or an old company
#   number behind its letter where there is none.
# - Saudi Arabia: ZATCA's rules for e-invoices, BR-KSA-40: 15 digits, the first and the last 3.
_PATTERNS: Final = {
    "AE": r"(1\d{14})",
    "HK": r"(\d{8})(?:\d{7}[0-9A-Z])?|([A-Z]\d{7})",
    "SA": r"(3\d{13}3)",
}
# Numbers that every inhabitant has, so that having one makes nobody a business.
_EVERYBODYS: Final = frozenset({"CL", "CO", "GH", "GT", "ID", "NZ", "SV"})

_ORGANISATION_MODULES: Final = {
    "AT": ("at.businessid",),
    "AU": ("au.abn", "au.acn"),
    "BE": ("be.vat",),
    "BR": ("br.cnpj",),
    "CA": ("ca.bn",),
    "CH": ("ch.uid",),
    "CN": ("cn.uscc",),
    "DK": ("dk.cvr",),
    "EE": ("ee.registrikood",),
    "ES": ("es.nif",),
    "FI": ("fi.ytunnus",),
    "FR": ("fr.siren", "fr.siret"),
    "HR": ("hr.oib",),
    "JP": ("jp.cn",),
    "KR": ("kr.brn",),
    "NO": ("no.orgnr",),
    "PL": ("pl.nip", "pl.regon"),
    "PT": ("pt.nif",),
    "RO": ("ro.cui",),
    # A sole trader's is the personal identity number.
    "SE": ("se.orgnr", "se.personnummer"),
    "SI": ("si.maticna",),
    "US": ("us.ein",),
}


def tidy_vat_number(number: str, country: str) -> str:
    """A VAT number, or a similar number of a business, as it is written down; empty stays empty.

    A number of a member state has its country in front (EL for Greece). Where the country's
    numbers are known their form and check digits are right; elsewhere there are digits in it at
    least. Whether it is registered is for VIES to say. Raises :class:`Refused`
    ("invalid_vat_number").
    """
    written = "".join(number.split()).upper()
    if not written:
        return ""
    found = _vat_number(written, str(country))
    if found is None:
        raise Refused(
            f"VAT number: “{number.strip()[:20]}” is no VAT number of {country}. Write it with its "
            "country, such as SE556012579001, or leave it out.",
            code="invalid_vat_number",
        )
    return found


@lru_cache(maxsize=4096)
def _vat_number(number: str, country: str) -> str | None:
    if country.lower() in _MEMBER_STATES or number[:2].lower() in {"el", "xi"}:
        return _of_member_state(number, country.lower())
    if pattern := _PATTERNS.get(country):
        found = re.fullmatch(pattern, _plain(number.removeprefix(country)))
        return next(filter(None, found.groups())) if found else None
    modules = _modules_of(country)
    if not modules:
        return number if sum(map(str.isdigit, number)) >= 4 else None
    return _first_valid(modules, (number, number.removeprefix(country)))


def _of_member_state(number: str, country: str) -> str | None:
    is_whole = number[:2].lower() in {"el", *_MEMBER_STATES}
    # Irish numbers of old have a + or * in them.
    plain = "".join(letter for letter in number if letter.isalnum() or letter in "+*")
    for tried in (plain, country + plain) if is_whole else (country + plain,):
        try:
            found = str(vat.validate(tried))
        except ValidationError:
            continue
        # Greece is EL to the tax authorities, and GR to everybody else.
        return f"EL{found[2:]}" if found.startswith("GR") else found
    return None


def _modules_of(country: str) -> list[Any]:
    known = get_cc_module(country.lower(), "vat")
    more = [import_module(f"stdnum.{name}") for name in _MORE_MODULES.get(country, ())]
    return [*([known] if known else []), *more]


def _first_valid(modules: Iterable[Any], spellings: Iterable[str]) -> str | None:
    for module in modules:
        for spelling in spellings:
            try:
                found = str(module.validate(spelling))
            except ValidationError:
                continue
            # As the tax authority of the United States writes it: 12-3456789.
            return str(module.format(found)) if module.__name__ == "stdnum.us.ein" else found
    return None


def _plain(number: str) -> str:
    return re.sub(r"[\s.\-/ ]", "", number)


@lru_cache(maxsize=4096)
def proves_business(country: str, number: str) -> bool:
    """Whether a number makes its owner a business to a seller in the EU; for countries outside it.

    It must be one that the country gives to businesses, in its right form (Regulation 282/2011,
    article 18(3)(b)): a word is none, nor is a number of a country that we know no form of, nor
    one that everybody there has. In the EU it is VIES that says (article 18(1)).
    """
    if not number or country in _EVERYBODYS or country.lower() in _MEMBER_STATES:
        return False
    if country not in _PATTERNS and not _modules_of(country):
        return False
    return _vat_number("".join(number.split()).upper(), country) is not None


def tidy_organisation_number(number: str, country: str) -> str:
    """A company's number in its country's form; empty stays empty.

    Where the country's numbers are not known there are digits in it at least. Raises
    :class:`Refused` ("invalid_organisation_number").
    """
    written, country = number.strip(), str(country)
    if not written:
        return ""
    modules = [import_module(f"stdnum.{name}") for name in _ORGANISATION_MODULES.get(country, ())]
    if not modules and sum(map(str.isdigit, written)) >= 4:
        return written
    for module in modules:
        for spelling in (written, _plain(written)):
            try:
                plain = str(module.validate(spelling))
            except ValidationError:
                continue
            # With the hyphen that Swedes and Finns write, without the spaces of others.
            return str(module.format(plain)) if country in {"FI", "SE"} else plain
    raise Refused(
        f"Organisation number: “{written[:30]}” is not an organisation number of {country}. "
        f"Write it as it is registered{', such as 556012-5790' if country == 'SE' else ''}.",
        code="invalid_organisation_number",
    )


def tidy_bankgiro(number: str) -> str:
    """``5050-1055``: seven or eight digits, the last by Luhn. Raises :class:`Refused`."""
    digits = _plain(number)
    if not digits:
        return ""
    if not re.fullmatch(r"\d{7,8}", digits) or not luhn.is_valid(digits):
        raise Refused(
            f"Bankgiro: “{number.strip()[:20]}” is not a bankgiro number, such as 5050-1055.",
            code="invalid_bankgiro",
        )
    return f"{digits[:-4]}-{digits[-4:]}"


def tidy_plusgiro(number: str) -> str:
    """``410 54 68-5``: two to eight digits, the last by Luhn. Raises :class:`Refused`."""
    digits = _plain(number)
    if not digits:
        return ""
    if not re.fullmatch(r"\d{2,8}", digits) or not luhn.is_valid(digits):
        raise Refused(
            f"Plusgiro: “{number.strip()[:20]}” is not a plusgiro number, such as 410 54 68-5.",
            code="invalid_plusgiro",
        )
    head = digits[:-1]
    pairs: list[str] = []
    while len(head) > 3:
        head, pair = head[:-2], head[-2:]
        pairs.insert(0, pair)
    return f"{' '.join([head, *pairs])}-{digits[-1]}"


def tidy_iban(number: str) -> str:
    """An IBAN without spaces, its check digits right. Raises :class:`Refused`."""
    return _validated(iban, number, "IBAN", "SE45 5000 0000 0583 9825 7466")


def tidy_bic(code: str) -> str:
    """A BIC of eight or eleven letters and digits. Raises :class:`Refused`."""
    return _validated(bic, code, "BIC", "ESSESESS")


def _validated(module: Any, number: str, name: str, example: str) -> str:
    written = "".join(number.split()).upper()
    try:
        return str(module.validate(written)) if written else ""
    except ValidationError as error:
        raise Refused(
            f"{name}: “{number.strip()[:40]}” is no {name}, such as {example}.",
            code=f"invalid_{name.lower()}",
        ) from error


# How each field of a customer or seller that holds such a number is tidied.
TIDIERS: Final[dict[str, Callable[[str, str], str]]] = {
    "vat_number": tidy_vat_number,
    "organisation_number": tidy_organisation_number,
    "bankgiro": lambda number, country: tidy_bankgiro(number),
    "plusgiro": lambda number, country: tidy_plusgiro(number),
    "iban": lambda number, country: tidy_iban(number),
    "bic": lambda number, country: tidy_bic(number),
}


def tidy_numbers(row: Any, names: Iterable[str]) -> dict[str, str]:
    """The numbers among some fields of a customer or seller, as they are written down.

    Raises :class:`Refused` for the first that is wrong; ``details["field"]`` says which it is.
    """
    found = {}
    for name in names:
        if name in TIDIERS and hasattr(row, name):
            try:
                found[name] = TIDIERS[name](getattr(row, name), str(row.country))
            except Refused as refused:
                refused.details["field"] = name
                raise
    return found
