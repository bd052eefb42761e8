"""Forms whose plainest widgets are written without a template.

A desk's page has up to a hundred fields and four hundred options. Each input is two of Django's
templates and each option two more, which took longer than all the rest of such a page. What is
written here is what those templates say; every other widget is theirs.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from django.forms.renderers import DjangoTemplates
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

type Widget = Mapping[str, Any]

OPTION: Final = "django/forms/widgets/select_option.html"
BESIDE: Final = ("prefix", "prefix_icon", "suffix", "suffix_icon")


class QuickForms(DjangoTemplates):
    """Django's renderer of forms, but for inputs and selects that have nothing unusual."""

    def render(self, template_name: str, context: dict[str, Any], request: Any = None) -> str:
        write = _WRITERS.get(template_name)
        written = write(context["widget"]) if write else None
        return super().render(template_name, context, request) if written is None else written


def _attributes(widget: Widget) -> SafeString:
    written = [
        format_html(" {}", name) if value is True else format_html(' {}="{}"', name, str(value))
        for name, value in widget["attrs"].items()
        if value is not False
    ]
    return SafeString("".join(written))


def _input(widget: Widget) -> SafeString:
    value = widget["value"]
    return format_html(
        '<input type="{}" name="{}"{}{}>',
        widget["type"],
        widget["name"],
        "" if value is None else format_html(' value="{}"', str(value)),
        _attributes(widget),
    )


def _select(widget: Widget) -> SafeString | None:
    """None where an option has a template of its own."""
    groups = widget["optgroups"]
    if any(option["template_name"] != OPTION for _, options, _ in groups for option in options):
        return None
    return format_html(
        '<select name="{}"{}>{}</select>',
        widget["name"],
        _attributes(widget),
        SafeString("".join(_group(title, options) for title, options, _ in groups)),
    )


def _group(title: str | None, options: list[Widget]) -> SafeString:
    written = format_html_join(
        "",
        '<option value="{}"{}>{}</option>',
        ((str(each["value"]), _attributes(each), each["label"]) for each in options),
    )
    return format_html('<optgroup label="{}">{}</optgroup>', title, written) if title else written


def _desk_input(widget: Widget) -> SafeString | None:
    """As :func:`_input`, in the desk's box; None where something stands beside it."""
    if any(widget.get(each) for each in BESIDE):
        return None
    return format_html('<div class="max-w-2xl relative w-full">{}</div>', _input(widget))


def _desk_select(widget: Widget) -> SafeString | None:
    select = _select(widget)
    return None if select is None else format_html(_DESK_SELECT, select)


_DESK_SELECT = (
    '<div class="grow relative max-w-2xl">{}'
    '<span class="material-symbols-outlined absolute group-[.primary]:text-white '
    "pointer-events-none mr-[12px] right-0 text-base-400 top-0 top-1/2 hover:text-base-700 "
    'dark:text-base-500 dark:hover:text-base-200 -translate-y-1/2">expand_more</span></div>'
)
_INPUTS = ("text", "number", "email", "hidden", "url", "date", "datetime", "time", "checkbox")
_WRITERS: dict[str, Callable[[Widget], SafeString | None]] = {
    **{f"django/forms/widgets/{kind}.html": _input for kind in _INPUTS},
    "django/forms/widgets/select.html": _select,
    "unfold/widgets/text.html": _desk_input,
    "unfold/widgets/select.html": _desk_select,
}
