"""What a template of the desk would say field by field, and took most of a page's time for."""

from typing import Any

from django.contrib.admin.helpers import InlineAdminForm
from django.forms import BoundField
from django.forms.formsets import DELETION_FIELD_NAME
from django.template import Library
from django.template.loader import render_to_string
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

register = Library()

CELL = (
    "align-middle border-b border-base-200 dark:border-base-800 field-tabular py-3 px-1.5"
    " first:pl-3 last:pr-3"
)
ERROR = '<div class="mt-2 text-red-600 text-xs dark:text-red-500">{}</div>'


@register.simple_tag
def row_cells(row: InlineAdminForm) -> SafeString:
    """The cells of a row in a form's table; what is hidden stands between them."""
    fields = (field for fieldset in row for line in fieldset for field in line)
    return SafeString("".join(map(_cell, fields)))


@register.simple_tag
def deletion(row: InlineAdminForm) -> BoundField | None:
    """The box by which a saved row is deleted; a new one is just taken away."""
    if not row.original:
        return None
    box = row.form[DELETION_FIELD_NAME]
    box.field.widget.attrs["class"] = "delete"
    return box


def _cell(field: Any) -> str:
    if field.is_readonly:
        shown = render_to_string("unfold/helpers/field_readonly_value.html", {"field": field})
        return f'<td class="{CELL}">{shown}</td>'
    bound = field.field
    if bound.is_hidden:
        return str(bound)
    errors = format_html_join("", ERROR, ((error,) for error in bound.errors))
    named = f"{CELL} group field-{bound.name}{' errors' if errors else ''}"
    return f'<td class="{named}">{bound}{errors}</td>'
