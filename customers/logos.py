"""A seller's logo, as it is taken from a form: a picture that documents and mails can show."""

from dataclasses import dataclass
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.urls import reverse
from django.utils.formats import localize
from django.utils.translation import pgettext
from PIL import Image
from unfold.widgets import UnfoldAdminImageFieldWidget

FORMATS = ("PNG", "JPEG", "GIF", "WEBP")
BYTES_MAX = 2 * 1024 * 1024
PIXELS_MAX = 20_000_000


@dataclass(frozen=True)
class _Shown:
    """A logo that is kept: its file, and where it can be seen."""

    name: str
    url: str

    def __str__(self) -> str:
        return self.name


class LogoInput(UnfoldAdminImageFieldWidget):
    """Shows the logo from where customers see it: uploaded files themselves have no address."""

    def format_value(self, value: Any) -> Any:
        if not self.is_initial(value):
            return None
        # The last part only tells browsers how long to keep it, and any other is kept for a minute.
        return _Shown(value.name, reverse("portal:logo", args=[value.instance.public_id, "desk"]))


class LogoField(forms.ImageField):
    """Refuses what no document can show before anything of it is unpacked."""

    def to_python(self, data: Any) -> Any:
        if data in self.empty_values or not hasattr(data, "size"):
            return super().to_python(data)
        if data.size > BYTES_MAX:
            raise ValidationError(
                pgettext("desk", "This file has %(size)s MB. Choose a logo of at most 2 MB.")
                % {"size": localize(round(data.size / 1024 / 1024, 1))},
                code="logo_too_large",
            )
        try:
            with Image.open(data, formats=FORMATS) as image:
                width, height = image.size
        except Exception as error:  # Whatever a decoder makes of a file that is none of its own.
            raise ValidationError(
                pgettext(
                    "desk",
                    "This is not a PNG, JPEG, GIF or WebP file. Save the logo as one of these, "
                    "preferably PNG.",
                ),
                code="logo_of_another_kind",
            ) from error
        if width * height > PIXELS_MAX:
            raise ValidationError(
                pgettext(
                    "desk",
                    "This picture has %(width)s × %(height)s pixels. Save it smaller: a width of "
                    "1,000 pixels is enough for print.",
                )
                % {"width": width, "height": height},
                code="logo_too_large",
            )
        data.seek(0)
        return super().to_python(data)
