import base64
import io
import random
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from PIL import Image
from pytest_django import DjangoAssertNumQueries
from stdnum import luhn

from billing.invoicing.snapshots import (
    LOGO_PREFIX,
    LOGO_SIZE_MAX,
    bill_to_of,
    digest_of,
    encode_logo,
    letterhead_of,
    ocr_reference,
)
from customers.models import Customer, Seller
from tests.factories import CustomerFactory, SellerFactory


def png(width: int, height: int, **options: Any) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (width, height), "#1d5fbf").save(file, "PNG", **options)
    return file.getvalue()


def decoded(logo: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(logo.removeprefix(LOGO_PREFIX))))


# By hand for 1001: length 6, so 10016; from the right 6·2=12→3, 1, 0, 0, 1·2=2: 6, so 4.
@pytest.mark.parametrize(
    ("sequence", "reference"), [(1001, "100164"), (1, "133"), ("0001", "000166")]
)
def test_an_ocr_reference_is_number_length_digit_and_check_digit(
    sequence: int | str, reference: str
) -> None:
    assert ocr_reference(sequence) == reference


def test_every_ocr_reference_passes_luhn_and_tells_its_length() -> None:
    chance = random.Random(6)
    for digits in range(1, 24):
        reference = ocr_reference(chance.randrange(10 ** (digits - 1), 10**digits))
        assert luhn.is_valid(reference)
        assert len(reference) == digits + 2 <= 25
        assert int(reference[-2]) == len(reference) % 10


@pytest.mark.parametrize("sequence", ["", "12a", "-1", "٣", "1" * 24, -5])
def test_what_is_no_number_of_23_digits_gets_no_ocr_reference(sequence: int | str) -> None:
    with pytest.raises(ValueError, match="23 digits"):
        ocr_reference(sequence)


def test_a_letterhead_keeps_what_the_law_wants_of_the_seller() -> None:
    seller = SellerFactory.build(organisation_number="559900-0014")
    assert letterhead_of(seller) == {
        "name": seller.name,
        "legal_name": f"{seller.name} AB",
        "line1": "Magasinsgatan 3",
        "postal_code": "411 18",
        "city": "Göteborg",
        "country": "SE",
        "org": "559900-0014",
        "vat": "SE559900001401",
        "f_tax": True,
        "seat": "Göteborg",
        "email": "faktura@rosteriet.example",
        "phone": "031-10 20 30",
        "website": "https://rosteriet.example",
        "bankgiro": "5050-1055",
        "iban": "SE4550000000058398257466",
        "bic": "ESSESESS",
        "accent": "#1d5fbf",
        "language": "sv",
    }


def test_the_digest_of_a_letterhead_follows_its_content_and_not_its_order() -> None:
    content = letterhead_of(SellerFactory.build())
    assert digest_of(content) == digest_of(dict(reversed(content.items())))
    assert digest_of(content) != digest_of(content | {"seat": "Malmö"})


@pytest.mark.django_db
def test_a_bill_to_is_the_same_from_a_customer_and_from_its_row(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    customer = CustomerFactory(business=True, external_id="K-1", collection="automatic")
    row = Customer.objects.filter(pk=customer.pk).values().get()
    customer = Customer.objects.get(pk=customer.pk)
    with django_assert_num_queries(0):
        assert bill_to_of(customer) == bill_to_of(row)
    assert bill_to_of(row) == {
        "name": customer.name,
        "line1": "Kungsportsavenyen 10",
        "postal_code": "411 36",
        "city": "Göteborg",
        "country": "SE",
        "vat": customer.vat_number,
        "org": customer.organisation_number,
        "business": True,
        "email": customer.email,
        "external_id": "K-1",
        "id": customer.public_id,
        "auto": True,
    }


def test_a_logo_comes_out_as_a_small_png_with_nothing_but_its_pixels() -> None:
    info = Image.Exif()
    info[0x010E] = "secret note"
    logo = decoded(encode_logo(png(3000, 500, exif=info)))
    assert logo.format == "PNG"
    assert logo.size == (LOGO_SIZE_MAX[0], LOGO_SIZE_MAX[0] // 6)
    assert not logo.getexif()


@pytest.mark.parametrize(
    "picture",
    [b"", b"GIF89a", b"<svg xmlns='http://www.w3.org/2000/svg'/>", png(8000, 8000)],
    ids=["empty", "cut short", "svg", "bomb"],
)
def test_what_is_no_reasonable_picture_is_no_logo(picture: bytes) -> None:
    with pytest.raises(ValueError, match="logo"):
        encode_logo(picture)


@pytest.mark.django_db
def test_a_seller_with_a_broken_logo_still_has_a_letterhead(settings: Any, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = tmp_path
    seller: Seller = SellerFactory()
    seller.logo.save("logo.png", ContentFile(png(40, 20)))
    assert letterhead_of(seller)["logo"].startswith(LOGO_PREFIX)
    seller.logo.save("logo.png", ContentFile(b"no picture"))
    assert "logo" not in letterhead_of(seller)
    seller.logo.storage.delete(str(seller.logo.name))
    assert "logo" not in letterhead_of(seller)
