"""What a template of the desk would say field by field, and took most of a page's time for."""

from collections.abc import Mapping
from typing import Any

from django.contrib.admin.helpers import Fieldline, InlineAdminForm, InlineAdminFormSet
from django.forms import BoundField
from django.forms.formsets import DELETION_FIELD_NAME
from django.forms.utils import ErrorList, flatatt
from django.template import Context, Library
from django.template.loader import render_to_string
from django.utils.html import conditional_escape, format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext

register = Library()

CELL = (
    "align-middle border-b border-base-200 dark:border-base-800 field-tabular py-3 px-1.5"
    " first:pl-3 last:pr-3"
)
DELETION = (
    "delete align-middle border-b border-base-200 dark:border-base-800 px-3 py-3 text-sm w-px"
)
BIN = (
    "cursor-pointer flex h-[38px] w-[38px] items-center justify-center rounded-default"
    " hover:bg-base-50 dark:hover:bg-base-800"
)
ICON = '<span class="material-symbols-outlined md-18 text-red-600 dark:text-red-500">delete</span>'
DELETED = (
    '<tr class="hidden form-delete"><td colspan="100"><div class="absolute backdrop-blur-xs flex'
    " items-center justify-center gap-1.5 top-0 left-0 w-full h-full bg-white/50"
    ' dark:bg-base-900/80 z-50"><span>{}</span><label for="{}" class="cursor-pointer font-medium'
    ' flex gap-1 items-center text-red-600 dark:text-red-500">{} <span'
    ' class="material-symbols-outlined">undo</span></label></div></td></tr>'
)
ERROR = '<div class="mt-2 text-red-600 text-xs dark:text-red-500">{}</div>'
FIELD = (
    "field-line flex flex-col grow group group/line px-3 py-2.5 border-b border-base-200"
    " border-dashed min-h-[59px] group-[.last]/row:border-b-0 lg:flex-row lg:items-center"
    " dark:border-base-800"
)
LABEL = (
    "lg:min-w-56 lg:w-56 lg:h-[38px] lg:flex lg:items-center lg:self-start lg:leading-[38px]"
    " lg:*:m-0"
)
HELP = '<div class="leading-relaxed mt-2 text-xs">{}</div>'
LABELLED = '<div class="{}"><div class="{}">{}</div><div class="grow relative">{}</div></div>'
TICKED = (
    '<div class="{}"><div class="flex flex-col gap-2 py-2 lg:flex-row"><div class="font-medium flex'
    ' items-start -ml-2 min-w-32 w-32 lg:min-w-56 lg:w-56">{}</div><div class="grow"><div'
    ' class="flex flex-col lg:flex-row">{}{}</div>{}</div></div></div>'
)
BUTTON = (
    "font-medium inline-flex group items-center gap-1 relative rounded-default justify-center"
    " whitespace-nowrap cursor-pointer px-3 py-2 border"
)
BUTTONS = {
    "default": (
        "border-base-200 bg-white shadow-xs text-important dark:border-base-700"
        " dark:bg-transparent hover:bg-base-100/80 dark:hover:bg-base-800/80"
    ),
    "danger": "border-transparent bg-red-600 text-white hover:bg-red-600/80",
    "primary": "border-transparent bg-primary-600 text-white hover:bg-primary-600/80",
}


@register.simple_tag(takes_context=True)
def button(context: Context) -> SafeString:
    """Unfold's button; of its sizes and looks what ours have."""
    attributes = {name: context.get(name) for name in ("href", "type", "form", "name", "value")}
    attributes |= {"type": "submit"} if context.get("submit") else {}
    attributes |= {"title": context.get("title"), **(context.get("attrs") or {})}
    shown = {name: value for name, value in attributes.items() if value not in (None, "", False)}
    look = BUTTONS.get(str(context.get("variant")), BUTTONS["primary"])
    named = (BUTTON, look, context.get("class") or "")
    return format_html(
        '<{tag}{attributes} class="{named}" {more}>{words}</{tag}>',
        tag="a" if "href" in shown else "button",
        attributes=flatatt(shown),
        named=" ".join(named).rstrip(),
        more=context.get("extra_attrs", ""),  # What a template itself says is markup already.
        words=context.get("children", ""),
    )


@register.simple_tag
def field_row(line: Fieldline, is_last: bool) -> SafeString:
    """A row of a form's fields, or of what only stands there."""
    named = ["form-row field-row group/row"]
    named += ["hidden"] * (not line.has_visible_field) + ["last"] * is_last
    return SafeString(f'<div class="{" ".join(named)}">{"".join(map(_field, line))}</div>')


def _field(field: Any) -> str:
    bound = field.field
    if field.is_readonly:
        # Help is for who may write: beside a value that only stands there it is noise.
        return LABELLED.format(FIELD, LABEL, field.label_tag(), _value(field))
    errors = ERROR.format(field.errors()) if bound.errors else ""
    named = f"{FIELD} field-{bound.name}{' errors' if errors else ''}"
    told = HELP.format(bound.help_text) if bound.help_text else ""
    if field.is_checkbox:
        beside = told and f'<div class="lg:-mt-2 lg:ml-2">{told}</div>'
        return TICKED.format(named, field.label_tag(), bound, beside, errors)
    return LABELLED.format(named, LABEL, field.label_tag(), f"{bound}{told}{errors}")


def _value(field: Any) -> str:
    """What only stands there."""
    contents = field.contents()
    width = "max-w-4xl" if field.is_json else "max-w-2xl"
    if not contents or contents == "None":
        shown = "-"
    elif field.is_file:
        shown = render_to_string("unfold/helpers/field_readonly_value_file.html", {"field": field})
    else:
        shown = conditional_escape(contents)
    return f'<div class="readonly break-words {width} *:rounded-default">{shown}</div>'


@register.simple_tag
def form_row(row: InlineAdminForm, of: InlineAdminFormSet, place: Mapping[str, Any]) -> SafeString:
    """A row of a table within a form; what is hidden stands between its cells.

    What the row is called is not said: its cells say it.
    """
    fields = (field for fieldset in row for line in fieldset for field in line)
    named = ["form-group relative group/parent", "original" if row.original else "template"]
    if of.has_add_permission:
        # Rows are added before the last, which is empty and no row yet.
        named += ["last"] * (place["revcounter"] == 2) + ["empty-form"] * place["last"]
    errors = row.form.non_field_errors() if row.form.is_bound else ()
    may_delete = of.formset.can_delete and of.has_delete_permission
    box = _box(row) if may_delete and row.original else None
    written = (
        f'<tbody class="{" ".join(named)}">',
        _errors(errors) if errors else "",
        '<tr class="form-row has-[.delete:checked]:[&+.form-delete]:table-row">',
        str(row.pk_field().field) if row.needs_explicit_pk_field() else "",
        str(row.fk_field().field),
        *map(_cell, fields),
        _deletion(box) if may_delete else "",
        "</tr>",
        _deleted(box) if box else "",
        "</tbody>",
    )
    return SafeString("".join(written))


def _box(row: InlineAdminForm) -> BoundField:
    """The box by which a saved row is deleted."""
    box = row.form[DELETION_FIELD_NAME]
    box.field.widget.attrs["class"] = "delete"
    return box


def _errors(errors: ErrorList) -> str:
    shown = render_to_string("unfold/helpers/messages/error.html", {"errors": errors})
    return f'<tr class="row-form-errors group inline-tabular"><td colspan="100">{shown}</td></tr>'


def _deletion(box: BoundField | None) -> str:
    """The bin at the end of a row; a row that is not saved yet is just taken away."""
    bin_ = (
        f'<div class="delete-template {BIN}">{ICON}</div>'
        if box is None
        else f'<label class="{BIN}">{ICON}<div class="hidden">{box}</div></label>'
    )
    return f'<td class="{DELETION}">{bin_}</td>'


def _deleted(box: BoundField) -> str:
    """What lies over a row that is to be deleted, and takes that back."""
    return DELETED.format(
        gettext("This item will be deleted."), box.id_for_label, gettext("Click to cancel")
    )


def _cell(field: Any) -> str:
    if field.is_readonly:
        return f'<td class="{CELL}">{_value(field)}</td>'
    bound = field.field
    if bound.is_hidden:
        return str(bound)
    errors = format_html_join("", ERROR, ((error,) for error in bound.errors))
    named = f"{CELL} group field-{bound.name}{' errors' if errors else ''}"
    return f'<td class="{named}">{bound}{errors}</td>'
