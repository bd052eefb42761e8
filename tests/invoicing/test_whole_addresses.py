"""The buyer's whole name and address are on the sheet, in whatever script (2006/112/EC, 226(5))."""

import logging
from io import BytesIO
from typing import Any

import pytest
from pypdf import PdfReader

from billing.invoicing import fonts
from billing.invoicing.actions import add_one_off, bill_customer
from billing.invoicing.models import Invoice
from billing.invoicing.pdf import render_invoice
from customers.addresses import demanded_fields
from tests.factories import DAY, CustomerFactory, SellerFactory, make_accounts

pytestmark = pytest.mark.django_db
LONGEST = {
    "name": "Förvaltningsbolaget " + "Nordanå " * 22,
    "address_line1": "Enheten för leverantörsfakturor och inköp " * 4,
    "address_line2": "Hofgartenstraße achtundzwanzig, zweiter Stock links " * 3,
    "postal_code": "80539-XYZ-123456",
    "city": "Llanfairpwllgwyngyllgogerychwyrndrobwllllantysiliogogogoch am See",
    "country": "BA",
}
SHORT = {
    "name": "Åsa Öberg",
    "address_line1": "Storgatan 1",
    "postal_code": "411 36",
    "city": "Göteborg",
}
INSTITUTE = {
    "name": "Max-Planck-Gesellschaft zur Förderung der Wissenschaften e.V.",
    "address_line1": "Generalverwaltung, Referat Kreditoren, Zimmer 3.14",
    "address_line2": "Hofgartenstraße 8, Eingang an der Nordseite, 2. Stock links",
    "postal_code": "80539",
    "city": "München",
    "country": "DE",
}


def billed(language: str = "en", **buyer: Any) -> Invoice:
    seller = SellerFactory(tax=[], language=language)
    make_accounts(seller)
    customer = CustomerFactory(
        seller=seller, **{name: text.strip() for name, text in buyer.items()}
    )
    add_one_off(
        customer, currency="SEK", amount_minor=1000, description="Mug", as_of=DAY, actor="test"
    )
    [invoice] = bill_customer(customer, as_of=DAY, actor="test")
    return invoice


def rows_of(pdf: bytes) -> list[tuple[float, float, str]]:
    """The texts of the first page: millimetres from the left and from the top, and what."""
    found = []
    page = PdfReader(BytesIO(pdf)).pages[0]
    height = float(page.mediabox.height)

    def see(text: str, cm: Any, tm: Any, font: Any, size: Any) -> None:
        if text.strip():
            x, y = tm[4] * cm[0] + cm[4], tm[5] * cm[3] + cm[5]
            found.append((x / 72 * 25.4, (height - y) / 72 * 25.4, text.strip()))

    page.extract_text(visitor_text=see)
    return found


@pytest.mark.parametrize(
    "buyer", [SHORT, INSTITUTE, LONGEST], ids=["short", "institute", "longest"]
)
def test_no_address_is_cut_and_none_runs_into_what_is_below(buyer: dict[str, Any]) -> None:
    pdf = render_invoice(billed(**buyer))
    rows = rows_of(pdf)
    printed = " ".join(text for _, _, text in rows)
    words = " ".join(buyer[name] for name in buyer if name != "country").split()
    country = {"DE": "Germany", "BA": "Bosnia"}.get(buyer.get("country", ""), "")
    assert [word for word in (*words, *country.split()) if word[:8] not in printed] == []
    ends = words[-1][:8]
    bottom = max(y for x, y, text in rows if x < 100 and ends in text and y < 190)
    table = min(y for _, y, text in rows if text.startswith("Description"))
    assert bottom < table - 3


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("株式会社山田商事 東京支店", "東京都千代田区丸の内1-1-1"),
        ("北京咖啡有限公司", "朝阳区建国路88号"),
        ("주식회사 한빛", "서울특별시 강남구 테헤란로 1"),
        ("บริษัท กาแฟ จำกัด", "ถนนสุขุมวิท"),
        ("हिन्दी कॉफ़ी", "कनॉट प्लेस"),
    ],
)
def test_names_of_asia_are_printed_where_their_fonts_are_installed(
    name: str, address: str, caplog: pytest.LogCaptureFixture
) -> None:
    if fonts.missing_scripts():
        pytest.skip("The fonts of docs/operations.md are not installed.")
    with caplog.at_level(logging.WARNING, "billing.invoicing.printing"):
        render_invoice(billed(name=name, address_line1=address))
    assert "squares" not in caplog.text


def test_letters_that_no_font_has_are_told_of_once(caplog: pytest.LogCaptureFixture) -> None:
    invoice = billed(name="Kaffe \ue0f1\ue0f2 AB")
    with caplog.at_level(logging.WARNING, "billing.invoicing.printing"):
        render_invoice(invoice)
        render_invoice(invoice)
    told = [record.getMessage() for record in caplog.records if "squares" in record.getMessage()]
    assert len(told) == 1
    assert "U+E0F1 U+E0F2" in told[0]


@pytest.mark.parametrize(
    ("country", "demanded"),
    [
        ("SE", ("address_line1", "postal_code", "city")),
        ("HK", ("address_line1",)),
        ("AE", ("address_line1",)),
        ("IE", ("address_line1", "city")),
        ("JM", ("address_line1", "city")),
        ("SG", ("address_line1", "postal_code")),
        ("ZZ", ("address_line1",)),
    ],
)
def test_a_postal_code_and_a_town_are_demanded_where_the_country_has_them(
    country: str, demanded: tuple[str, ...]
) -> None:
    assert demanded_fields(country) == demanded
