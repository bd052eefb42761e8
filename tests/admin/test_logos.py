"""A seller's logo: what no document can show is refused with a sentence."""

import io
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import SimpleUploadedFile
from PIL import Image

from customers.logos import BYTES_MAX, LogoField

EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 100 100\n%%EndComments\nshowpage\n%%EOF\n"


def picture(kind: str, size: tuple[int, int] = (40, 20)) -> bytes:
    written = io.BytesIO()
    Image.new("RGB", size, "#336699").save(written, kind)
    return written.getvalue()


def cleaned(content: bytes, name: str = "logo.png") -> Any:
    return LogoField(required=False).clean(SimpleUploadedFile(name, content))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP"])
def test_a_picture_that_documents_can_show_is_taken_whole(kind: str) -> None:
    content = picture(kind)
    assert cleaned(content, f"logo.{kind.lower()}").read() == content


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (EPS, "logo_of_another_kind"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "logo_of_another_kind"),
        (picture("TIFF"), "logo_of_another_kind"),
        (picture("PNG") + b"\0" * BYTES_MAX, "logo_too_large"),
        (picture("PNG", (5000, 5000)), "logo_too_large"),
    ],
)
def test_what_they_cannot_is_refused_with_what_to_do(content: bytes, code: str) -> None:
    with pytest.raises(ValidationError) as refused:
        cleaned(content)
    assert refused.value.code == code
    assert any(word in str(refused.value) for word in ("Save", "Choose"))


def test_no_logo_is_no_mistake() -> None:
    assert not LogoField(required=False).clean(None, "")
