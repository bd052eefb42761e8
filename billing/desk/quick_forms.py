"""Forms whose labels and plainest widgets are written without a template.

A desk's page has up to a hundred fields and four hundred options. Each input is two of Django's
templates and each option two more, which took longer than all the rest of such a page. What is
written here is what those templates say; every other widget is theirs.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from html import escape
from typing import Any, Final

from django.forms.renderers import DjangoTemplates
from django.utils.safestring import SafeString
from unfold.widgets import UnfoldAdminSelectWidget

type Described = Mapping[str, Any]

OPTION: Final = "django/forms/widgets/select_option.html"
BESIDE: Final = ("prefix", "prefix_icon", "suffix", "suffix_icon")


class QuickForms(DjangoTemplates):
    """Django's renderer of forms, but for labels, inputs and selects with nothing unusual."""

    def render(self, template_name: str, context: dict[str, Any], request: Any = None) -> str:
        write = _WRITERS.get(template_name)
        written = write(context.get("widget", context)) if write else None
        return super().render(template_name, context, request) if written is None else written


def _escaped(value: object) -> str:
    text = str(value)
    return text if isinstance(text, SafeString) else escape(text)


def _attributes(described: Described) -> str:
    attributes = described["attrs"]
    if not attributes:
        return ""
    return "".join(
        f" {_escaped(name)}" if value is True else f' {_escaped(name)}="{_escaped(value)}"'
        for name, value in attributes.items()
        if value is not False
    )


def _label(described: Described) -> SafeString:
    text = _escaped(described["label"])
    if not described["use_tag"]:
        return SafeString(text)
    tag = described["tag"]
    return SafeString(f"<{tag}{_attributes(described)}>{text}</{tag}>")


def _input(widget: Described) -> SafeString:
    value = "" if widget["value"] is None else f' value="{_escaped(widget["value"])}"'
    kind, name = widget["type"], _escaped(widget["name"])
    return SafeString(f'<input type="{kind}" name="{name}"{value}{_attributes(widget)}>')


def _select(widget: Described) -> SafeString | None:
    """None where an option has a template of its own."""
    groups = widget["optgroups"]
    if any(option["template_name"] != OPTION for _, options, _ in groups for option in options):
        return None
    written = "".join(_group(title, options) for title, options, _ in groups)
    name = _escaped(widget["name"])
    return SafeString(f'<select name="{name}"{_attributes(widget)}>{written}</select>')


def _group(title: str | None, options: list[Described]) -> str:
    written = "".join(
        _option(str(each["value"]), str(each["label"]), _attributes(each)) for each in options
    )
    return f'<optgroup label="{_escaped(title)}">{written}</optgroup>' if title else written


# Typed, because a text that is markup equals one that is not.
@lru_cache(maxsize=4096, typed=True)
def _option(value: str, label: str, attributes: str) -> str:
    """One choice; kept, because every address asks for one of the same countries."""
    return f'<option value="{_escaped(value)}"{attributes}>{_escaped(label)}</option>'


class QuickSelect(UnfoldAdminSelectWidget):
    """Unfold's select, with its options written once for all that have the same."""

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        found = [("" if each is None else each, label) for each, label in self.choices]
        if any(isinstance(label, list | tuple) for _, label in found):
            return super().render(name, value, attrs, renderer)
        # As plain text: what is markup equals what is not, and would be found in its place.
        written = _options(tuple((f"{each}", f"{label}") for each, label in found))
        for each in self.format_value(value):
            chosen = f'<option value="{escape(each)}"'
            written = written.replace(f"{chosen}>", f"{chosen} selected>", 1)
        described = {"attrs": self.build_attrs(self.attrs, attrs)}
        return _boxed(f'<select name="{escape(name)}"{_attributes(described)}>{written}</select>')


@lru_cache
def _options(choices: tuple[tuple[str, str], ...]) -> str:
    return "".join(_option(value, label, "") for value, label in choices)


def _desk_input(widget: Described) -> SafeString | None:
    """As :func:`_input`, in the desk's box; None where something stands beside it."""
    if any(widget.get(each) for each in BESIDE):
        return None
    return SafeString(f'<div class="max-w-2xl relative w-full">{_input(widget)}</div>')


def _desk_select(widget: Described) -> SafeString | None:
    select = _select(widget)
    return None if select is None else _boxed(select)


def _boxed(select: str) -> SafeString:
    return SafeString(_DESK_SELECT.format(select))


_DESK_SELECT = (
    '<div class="grow relative max-w-2xl">{}'
    '<span class="material-symbols-outlined absolute group-[.primary]:text-white '
    "pointer-events-none mr-[12px] right-0 text-base-400 top-0 top-1/2 hover:text-base-700 "
    'dark:text-base-500 dark:hover:text-base-200 -translate-y-1/2">expand_more</span></div>'
)
_INPUTS = ("text", "number", "email", "hidden", "url", "date", "datetime", "time", "checkbox")
_WRITERS: dict[str, Callable[[Described], SafeString | None]] = {
    **{f"django/forms/widgets/{kind}.html": _input for kind in _INPUTS},
    "django/forms/label.html": _label,
    "django/forms/widgets/select.html": _select,
    "unfold/widgets/text.html": _desk_input,
    "unfold/widgets/select.html": _desk_select,
}
