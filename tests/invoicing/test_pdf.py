import io
import logging
import re
import threading
import unicodedata
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from html.parser import HTMLParser
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import count
from pathlib import Path
from typing import Any, NoReturn
from xml.etree.ElementTree import ParseError, fromstring

import pytest
from django.conf import settings as django_settings
from django.template.loader import render_to_string
from django.utils import translation
from pypdf import PdfReader
from pytest_django import DjangoAssertNumQueries
from weasyprint.html import UA_STYLESHEET

from billing.invoicing import press
from billing.invoicing.documents import Writer, document_in_words
from billing.invoicing.models import Invoice
from billing.invoicing.pdf import TEMPLATE, html_of, render_invoice
from billing.invoicing.press import FONT_FILES, FONTS, PackagedAssetsOnly
from billing.invoicing.snapshots import encode_logo
from billing.payments import receipts
from billing.payments.models import PaymentMethod
from tests.factories import (
    VAT_25,
    CustomerFactory,
    InvoiceFactory,
    LetterheadFactory,
    PaymentFactory,
    SellerFactory,
)
from tests.invoicing.test_snapshots import png

# No two documents of a seller share a number.
NUMBERS = count(1)
TIERS: list[dict[str, Any]] = [
    {"up_to": "100", "quantity": "100", "unit_amount": "0.10", "flat_amount": "0", "amount": "10"},
    {"up_to": None, "quantity": "40", "unit_amount": "0.05", "flat_amount": "0", "amount": "2"},
]


def text_of(invoice: Invoice) -> str:
    """The text of all pages, with every run of white space (also the unbreakable) as one space."""
    pages = PdfReader(io.BytesIO(render_invoice(invoice))).pages
    text = "\n".join(page.extract_text() for page in pages)
    return re.sub(r"\s+", " ", unicodedata.normalize("NFKC", text))


def swedish(**values: Any) -> Invoice:
    return InvoiceFactory(**{"customer__seller__language": "sv", **values})


def texts_of_pages(document: bytes) -> list[str]:
    pages = PdfReader(io.BytesIO(document)).pages
    return [re.sub(r"\s+", " ", page.extract_text()) for page in pages]


# What the PDF says


@pytest.mark.django_db
def test_a_swedish_invoice_says_what_the_law_wants_in_swedish() -> None:
    invoice = swedish(
        sequence=1001,
        customer__seller__plusgiro="50 10 55-1",
        customer__seller__organisation_number="559900-0014",
        customer__business=True,
        customer__name="Bönfabriken AB",
        customer__organisation_number="559950-0021",
        customer__external_id="K-10482",
        lines=[{"quantity": Decimal(2), "amount_minor": 123_450, "unit_amount": Decimal("617.25")}],
    )
    text = text_of(invoice)
    for said in (
        "Faktura 1001",
        "Bönfabriken AB Kungsportsavenyen 10 411 36 Göteborg",
        "Fakturadatum 1 mars 2026",
        "Förfallodag 15 mars 2026",
        "Period 1–31 mars 2026",
        "OCR-nummer 1001 64",
        "Kundnummer K-10482",
        "Ditt momsreg.nr SE559950002101",
        "Ditt org.nr 559950-0021",
        "Månadskaffe 1–31 mars 2026 2 617,25 25 % 1 234,50",
        "Moms 25 % 1 234,50 308,63",
        "Summa exklusive moms 1 234,50",
        "Att betala 1 543,13 kr",
        "Bankgiro 5050-1055",
        "Plusgiro 50 10 55-1",
        "IBAN SE45 5000 0000 0583 9825 7466",
        "BIC ESSESESS",
        "Org.nr 559900-0014",
        "Momsreg.nr SE559900001401",
        "Säte Göteborg",
        "Godkänd för F-skatt",
    ):
        assert said in text


@pytest.mark.django_db
def test_an_english_invoice_says_the_same_in_english() -> None:
    seller = SellerFactory(language="en", currency="EUR", bankgiro="")
    invoice = InvoiceFactory(
        sequence=20456,
        customer=CustomerFactory(seller=seller, country="DE", city="Berlin", postal_code="10969"),
        lines=[{"amount_minor": 123_450}],
    )
    text = text_of(invoice)
    for said in (
        "Invoice 20456",
        "10969 Berlin Germany",
        "Invoice date 1 March 2026",
        "Due date 15 March 2026",
        "Period 1–31 March 2026",
        "OCR reference 2045 672",
        "VAT 25% 1,234.50 308.63",
        "To pay €1,543.13",
        "Approved for F-tax",
    ):
        assert said in text
    assert "Bankgiro" not in text


@pytest.mark.django_db
def test_each_line_explains_itself() -> None:
    old = swedish(sequence=1000, lines=[{}, {"amount_minor": 28_000}])
    half: dict[str, Any] = {
        "days": 14,
        "of_days": 28,
        "starts_on": date(2026, 2, 15),
        "ends_on": date(2026, 3, 1),
    }
    usage: dict[str, Any] = {
        "kind": "usage",
        "unit_amount": None,
        "quantity": Decimal(140),
        "amount_minor": 1200,
    }
    flat = [TIERS[0] | {"flat_amount": "5"}]
    text = text_of(
        swedish(
            lines=[
                half
                | {
                    "kind": "credit",
                    "description": "Liten",
                    "amount_minor": -14_000,
                    "corrects": old.lines.get(position=2),
                },
                half | {"description": "Stor", "amount_minor": 28_050},
                usage | {"description": "Anrop", "tiers": TIERS},
                usage | half | {"description": "Lagring", "tiers": flat},
                usage | half | {"description": "Trafik", "tiers": TIERS[:1]},
                {"description": "Kampanj", "discount_minor": 2000},
            ]
        )
    )
    assert (
        "Liten 15–28 februari 2026 · 14 av 28 dagar krediterade Rättar faktura 1000, rad 2" in text
    )
    assert "−140,00" in text
    assert "Stor 15–28 februari 2026 · 14 av 28 dagar" in text
    assert "Anrop 1–31 mars 2026 · 100 × 0,10 + 40 × 0,05" in text
    assert "Lagring 15–28 februari 2026 · 14 av 28 dagar · 100 × 0,10 + 5,00" in text
    # Usage is paid in full however short its part, and one tier is told by quantity and price.
    assert "Trafik 15–28 februari 2026 140" in text
    assert "Kampanj 1–31 mars 2026 · Rabatt −20,00 kr" in text


@pytest.mark.django_db
def test_the_totals_lead_from_the_lines_to_what_is_to_be_paid() -> None:
    invoice = swedish(
        lines=[{"amount_minor": 20_000, "discount_minor": 5050}],
        rounding_minor=12,
        credit_applied_minor=2500,
    )
    assert (
        "Delsumma 200,00 Rabatt −50,50 Summa exklusive moms 149,50 Moms 37,38 Öresavrundning "
        "0,12 Summa 187,00 Betalt med ditt tillgodohavande −25,00 Att betala 162,00 kr"
    ) in text_of(invoice)


@pytest.mark.django_db
def test_prices_that_include_vat_add_up_before_it_is_taken_out() -> None:
    inclusive = [VAT_25[0] | {"inclusive": True}]
    invoice = swedish(lines=[{"amount_minor": 12_500, "tax": inclusive}])
    assert (
        "Delsumma inklusive moms 125,00 Summa exklusive moms 100,00 Moms 25,00 Att betala 125,00 kr"
    ) in text_of(invoice)


@pytest.mark.django_db
def test_discounts_are_named_where_lines_name_them() -> None:
    named = {"kind": "discount", "amount_minor": -2000, "net_minor": 0, "tax": []}
    invoice = swedish(
        lines=[{"discount_minor": 2000}, named | {"description": "WELCOME20"}],
        subtotal_minor=10_000,
        net_minor=8000,
        tax_minor=2000,
        total_minor=10_000,
        amount_due_minor=10_000,
    )
    assert "Delsumma 100,00 WELCOME20 −20,00 Summa exklusive moms 80,00" in text_of(invoice)


@pytest.mark.django_db
def test_several_rates_stand_apart_in_the_vat_table() -> None:
    gst, qst = (
        {"category": "S", "rate": rate, "name": name}
        for rate, name in (("5", "GST"), ("9.975", "QST"))
    )
    text = text_of(swedish(lines=[{}, {"tax": [VAT_25[0] | {"rate": "6"}]}, {"tax": [gst, qst]}]))
    for group in ("Moms 25 % 100,00 25,00", "Moms 6 % 100,00 6,00", "GST 5 % 100,00 5,00"):
        assert group in text
    assert "QST 9,975 % 100,00 9,98" in text
    assert "5 % + 9,975 % 100,00" in text


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("language", "said", "balance", "refund"),
    [
        (
            "sv",
            "Kreditfaktura 51 Till godo 62,50 krRättar faktura 1000 (1 mars 2026)",
            "på ditt tillgodohavande",
            "till dig.",
        ),
        (
            "en",
            "Credit note 51 In your favour SEK 62.50Corrects invoice 1000 (1 March 2026)",
            "your balance",
            "to you.",
        ),
    ],
)
def test_a_credit_note_says_what_it_corrects_and_where_the_money_goes(
    language: str, said: str, balance: str, refund: str
) -> None:
    corrected = InvoiceFactory(sequence=1000)
    lines = [{"kind": "credit", "corrects": corrected.lines.get(), "amount_minor": 5000}]
    note = {"credit_note": True, "sequence": 51, "lines": lines, "language": language}
    text = text_of(InvoiceFactory(**note))
    assert said in text
    assert balance in text
    assert "OCR" not in text
    assert refund in text_of(InvoiceFactory(**note | {"sequence": 52, "credit_to": "refund"}))


@pytest.mark.django_db
def test_who_need_not_pay_is_told_so(settings: Any) -> None:
    settings.SANDBOX_URL = "http://127.0.0.1:9"
    paid = swedish(credit_applied_minor=12_500)
    assert "Det finns inget att betala." in text_of(paid)
    automatic = swedish(customer__collection="automatic")
    assert "Så betalar du" in text_of(automatic), "there is no card to charge"
    PaymentMethod.objects.create(
        customer=automatic.customer,
        gateway="sandbox",
        gateway_id="pm_1",
        last4="4242",
        is_default=True,
    )
    PaymentFactory(customer=automatic.customer, invoice=automatic, planned=True)
    text = text_of(automatic)
    assert "Vi drar 125,00 kr från ditt sparade kort." in text
    assert "Så betalar du" not in text


@pytest.mark.django_db
def test_odd_characters_can_be_printed() -> None:
    odd = "a\x01b\x0bc\x7f\u202edesrever\u202c 日本 😀 \ufffe e\u0301"
    invoice = swedish(customer__name=odd, lines=[{"description": odd}])
    assert "Att betala 125,00 kr" in text_of(invoice)


@pytest.mark.django_db
def test_a_draft_says_that_it_is_one() -> None:
    assert "Faktura Utkast" in text_of(swedish(draft=True))


@pytest.mark.django_db
def test_a_seller_with_nothing_but_a_name_can_be_printed() -> None:
    text = text_of(swedish(customer__seller__empty=True, customer__seller__has_f_tax=False))
    assert "Att betala 125,00 kr" in text
    for unsaid in ("Bankgiro", "Org.nr", "Momsreg.nr", "F-skatt"):
        assert unsaid not in text


@pytest.mark.django_db
def test_a_long_invoice_repeats_its_head_and_ends_with_the_sums() -> None:
    invoice = swedish(sequence=1001, lines=[{"description": f"Rad {n}"} for n in range(1, 151)])
    texts = texts_of_pages(render_invoice(invoice))
    assert len(texts) > 4
    for number, text in enumerate(texts, start=1):
        assert f"{number} ({len(texts)})" in text
        assert "Faktura 1001" in text
        assert "Beskrivning" in text
    assert "Transporteras 1 200,00" in texts[0]
    assert "Transport 1 200,00" in texts[1]
    assert "Rad 150" in texts[-1]
    assert "18 750,00" in texts[-1]
    assert "Bankgiro" in texts[-1]


@pytest.mark.django_db
@pytest.mark.parametrize("count", range(4, 10))
def test_the_sums_stand_on_a_page_with_the_last_line(count: int) -> None:
    invoice = swedish(lines=[{"description": f"Rad {n}"} for n in range(1, count + 1)])
    *before, last = texts_of_pages(render_invoice(invoice))
    assert len(before) == (count > 6)
    for said in ("Beskrivning", f"Rad {count}", "Summa exklusive moms", "Bankgiro"):
        assert said in last


@pytest.mark.django_db
@pytest.mark.parametrize(
    "payee",
    [
        "Rosteriet i Göteborg AB",
        "Kungsbacka Kafferosteri och Importaktiebolag i Västra Götaland (publ)",
        "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft",
    ],
)
@pytest.mark.parametrize("plusgiro", ["", "50 10 55-1"])
def test_whose_account_it_is_has_room_beside_every_account(payee: str, plusgiro: str) -> None:
    invoice = swedish(customer__seller__legal_name=payee, customer__seller__plusgiro=plusgiro)
    (page,) = texts_of_pages(render_invoice(invoice))
    how_to_pay = page[page.index("Så betalar du") :]
    for said in ("Mottagare", "OCR-nummer", "IBAN SE45 5000 0000 0583 9825 7466", "BIC ESSESESS"):
        assert said in how_to_pay
    assert payee.replace(" ", "") in how_to_pay.replace(" ", "")
    # In a column that is too narrow, every letter would stand on a line of its own.
    assert payee[:12] in how_to_pay


def pages_of_each_kind() -> list[str]:
    owed = swedish(sequence=1002, lines=[{"description": f"Rad {n}"} for n in range(1, 61)])
    note = InvoiceFactory(
        credit_note=True, sequence=53, lines=[{"kind": "credit", "corrects": owed.lines.first()}]
    )
    paid = PaymentFactory(customer=owed.customer, invoice=owed)
    return [*map(html_of, (owed, note, swedish(draft=True))), receipts.html_of(paid)]


@pytest.mark.django_db
def test_what_is_left_out_of_weasyprints_own_rules_changes_no_page(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pages = pages_of_each_kind()
    lean = [press.press().print(page) for page in pages]
    monkeypatch.setattr(press, "ELEMENTS", UA_STYLESHEET)
    assert [press.press().print(page) for page in pages] == lean


@pytest.mark.django_db
def test_every_page_is_well_formed_and_prints_as_the_same_page_of_html(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pages = pages_of_each_kind()

    def refuse(html: str) -> NoReturn:
        raise ParseError

    for page in pages:
        fromstring(page)  # noqa: S314
    printed = [press.press().print(page) for page in pages]
    monkeypatch.setattr(press, "fromstring", refuse)
    assert [press.press().print(page) for page in pages] == printed


@pytest.mark.django_db
def test_a_page_with_a_character_that_xml_forbids_is_printed() -> None:
    page = html_of(swedish()).replace("OCR-nummer", "OCR-nummer\x0b")
    with pytest.raises(ParseError):
        fromstring(page)  # noqa: S314
    assert len(texts_of_pages(press.press().print(page))) == 1


# What it is made from


@pytest.mark.django_db
def test_the_same_document_prints_to_the_same_bytes_whatever_became_of_its_parties() -> None:
    invoice = swedish()
    before = render_invoice(invoice)
    seller, customer = invoice.seller, invoice.customer
    seller.legal_name, seller.bankgiro = "Nytt namn AB", "123-4566"
    seller.save()
    customer.name, customer.language = "Någon Annan", "en"
    customer.save()
    assert render_invoice(Invoice.objects.get(pk=invoice.pk)) == before


@pytest.mark.django_db
def test_a_document_is_read_in_three_queries_however_long(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    made = swedish(lines=[{}] * 20)
    invoice = Invoice.objects.get(pk=made.pk)
    with django_assert_num_queries(3), translation.override("sv"):
        document_in_words(invoice)


@pytest.mark.django_db
def test_the_logo_of_the_letterhead_is_printed() -> None:
    seller = SellerFactory()
    letterhead = LetterheadFactory(seller=seller)
    content = letterhead.content | {"logo": encode_logo(png(300, 100))}
    letterhead = LetterheadFactory(seller=seller, content=content)
    invoice = swedish(customer=CustomerFactory(seller=seller), letterhead=letterhead)
    page = PdfReader(io.BytesIO(render_invoice(invoice))).pages[0]
    sizes = [image.image.size for image in page.images if image.image]
    assert (300, 100) in sizes
    assert len(sizes) == 2  # And the square to pay by.


@pytest.mark.django_db
def test_the_pdf_is_tagged_and_carries_its_fonts_and_title() -> None:
    pdf = render_invoice(swedish(sequence=1001))
    reader = PdfReader(io.BytesIO(pdf))
    assert reader.metadata is not None
    assert reader.metadata.title == "Faktura 1001"
    catalog: Any = reader.root_object
    assert catalog["/MarkInfo"]["/Marked"]
    page: Any = reader.pages[0]
    names = [font.get_object()["/BaseFont"] for font in page["/Resources"]["/Font"].values()]
    assert names
    assert all("Inter" in name for name in names)


@pytest.mark.parametrize(
    ("language", "currency", "written"),
    [
        ("sv", "SEK", "−1 234,50 kr"),
        ("en", "SEK", "−SEK 1,234.50"),
        ("sv", "EUR", "−1 234,50 €"),
        ("en", "EUR", "−€1,234.50"),
        ("en", "JPY", "−JP¥123,450"),
        # CLDR would write these without the decimals that ISO 4217 and the books have.
        ("en", "IQD", "−IQD 123.450"),
        ("en", "COP", "−COP 1,234.50"),
    ],
)
def test_money_is_written_as_its_language_writes_it(
    language: str, currency: str, written: str
) -> None:
    text = Writer(language, currency).money(-123_450)
    assert text.replace("\N{NO-BREAK SPACE}", " ") == written


@pytest.mark.parametrize(
    ("start", "end", "written"),
    [
        (date(2026, 3, 1), date(2026, 4, 1), "1–31 mars 2026"),
        (date(2026, 3, 15), date(2026, 4, 15), "15 mars – 14 april 2026"),
        (date(2025, 12, 15), date(2026, 1, 15), "15 december 2025 – 14 januari 2026"),
        (date(2026, 2, 28), date(2026, 3, 1), "28 februari 2026"),
        (date(2026, 2, 28), date(2026, 2, 28), "28 februari 2026"),
    ],
)
def test_a_period_shows_its_last_day(start: date, end: date, written: str) -> None:
    text = Writer("sv", "SEK").period(start, end)
    assert text.replace("\N{NO-BREAK SPACE}", " ") == written


def test_unit_prices_keep_the_decimals_they_have_and_no_fewer_than_the_currency() -> None:
    write = Writer("sv", "SEK")
    assert write.unit_price(Decimal("0.0001230000")) == "0,000123"
    assert write.unit_price(Decimal("100.0000000000")) == "100,00"
    assert write.number(Decimal("1.5000000000")) == "1,5"


# What it refuses to fetch


class Canary(HTTPServer):
    """A server on the loopback that counts who comes."""

    def __init__(self) -> None:
        self.visits: list[str] = []
        visits = self.visits

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                visits.append(self.path)
                self.send_response(200)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


@pytest.fixture
def canary() -> Iterator[Canary]:
    server = Canary()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    file = tmp_path / "secret.txt"
    file.write_text("CANARYFILE")
    return file


def payloads(web: str, file: str) -> list[str]:
    """Markup, CSS and template code that would fetch or run, if anything here did."""
    addresses = [f"{web}/a", file, "data:text/html,x", "file:///etc/passwd", "//127.0.0.1/x"]
    shapes = [
        '<img src="{0}">',
        "<link rel=stylesheet href={0}>",
        '<link rel="attachment" href="{0}">',
        '<object data="{0}"></object>',
        '<iframe src="{0}"></iframe>',
        "<style>@import url({0});</style>",
        "<style>body{{background:url({0})}}</style>",
        "</style><base href={0}>",
        '"><svg><image href="{0}"/></svg>',
        "' onload=x style='background:url({0})",
        ";}} @page {{ background: url({0}) }}",
        '"); @import "{0}"; ("',
        "url({0})",
        "&lt;img src={0}&gt;",
        "{{% include '{0}' %}}",
        "{{{{ settings.SECRET_KEY }}}}<img src={0}>",
        "<!--<img src={0}>-->",
        "]]><img src={0}>",
        "<embed src={0}>",
        "<script src={0}></script>",
        "<meta http-equiv=refresh content='0;url={0}'>",
    ]
    return [shape.format(address) for shape in shapes for address in addresses]


def hostile(payload: str, corrected: Invoice) -> Invoice:
    """A document with the payload in every field that holds text, cut to what the field takes."""
    letterhead = corrected.letterhead
    content = dict.fromkeys((*letterhead.content, "plusgiro", "logo"), payload)
    tax = [{"category": payload[:20], "rate": "25", "name": payload[:100], "inclusive": False}]
    line = {"description": payload[:500], "tax": tax, "corrects": corrected.lines.get()}
    return swedish(
        customer=corrected.customer,
        number=f"{payload[:30]} {next(NUMBERS)}",
        reference=payload[:25],
        letterhead=LetterheadFactory(seller=letterhead.seller, content=content),
        bill_to=dict.fromkeys((*corrected.bill_to, "line2", "vat", "org", "external_id"), payload),
        lines=[line, line | {"kind": "one_off"}],
    )


class Skeleton(HTMLParser):
    """The tags of a page with the names of their attributes, and the values that can fetch."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, ...]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        fetching = [f"{key}={value}" for key, value in attrs if key in ("style", "src", "href")]
        self.tags.append((tag, *(key for key, _ in attrs), *fetching))


@pytest.mark.django_db
def test_no_text_in_any_field_adds_a_tag_an_attribute_or_an_address() -> None:
    corrected = swedish(number="<b>1000</b>")

    def skeleton(text: str) -> list[tuple[str, ...]]:
        words = document_in_words(hostile(text, corrected))
        return Skeleton(render_to_string(TEMPLATE, words)).tags

    harmless = skeleton("Kaffe")
    assert len(harmless) > 100
    attempts = payloads("http://127.0.0.1:1", "file:///tmp/secret.txt")
    assert len(attempts) >= 100
    for payload in attempts:
        assert skeleton(payload) == harmless


@pytest.mark.django_db
def test_hostile_text_is_printed_as_text_and_fetches_nothing(
    canary: Canary, secret: Path, caplog: pytest.LogCaptureFixture
) -> None:
    attempts = payloads(canary.address, secret.as_uri())
    lines = [{"description": payload[:500]} for payload in attempts]
    with caplog.at_level(logging.ERROR, "billing.invoicing"):
        shown = text_of(InvoiceFactory(lines=lines))
        everywhere = text_of(hostile(" ".join(attempts[::10]), swedish()))
    assert canary.visits == []
    assert caplog.records == []
    for text in (shown, everywhere):
        assert "CANARYFILE" not in text
        assert "root:" not in text
        assert django_settings.SECRET_KEY not in text
    without_breaks = shown.replace(" ", "")
    for payload in attempts:
        assert re.sub(r"\s+", "", payload) in without_breaks


def test_the_fetcher_hands_out_the_packaged_fonts() -> None:
    for name in FONT_FILES:
        response = PackagedAssetsOnly().fetch(f"kvitt-font:{name}")
        assert response.read() == (FONTS / name).read_bytes()


@pytest.mark.parametrize(
    "address",
    [
        "file:///etc/passwd",
        "http://127.0.0.1:{port}/",
        "HTTP://127.0.0.1:{port}/",
        "https://127.0.0.1:{port}/",
        "ftp://127.0.0.1:{port}/",
        "data:text/html,hello",
        "data:image/svg+xml;base64,PHN2Zy8+",
        "data:image/png,{port}",
        "kvitt-font:../../billing/settings.py",
        "kvitt-font:/etc/passwd",
        "kvitt-font:inter-LICENSE.txt",
        "kvitt-font:",
        "Kvitt-Font:inter-latin-400.woff2/../../../etc/passwd",
        "",
        "relative.css",
    ],
)
def test_the_fetcher_refuses_every_other_address(canary: Canary, address: str) -> None:
    for fetch in (PackagedAssetsOnly().fetch, PackagedAssetsOnly().open, PackagedAssetsOnly()):
        with pytest.raises(ValueError, match="packaged files"):
            fetch(address.format(port=canary.server_port))
    assert canary.visits == []


def test_the_fonts_carry_their_licence() -> None:
    assert "SIL Open Font License" in (FONTS / "inter-LICENSE.txt").read_text()
