"""Tables of what hangs on an object, beneath its form."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib.admin.utils import display_for_value
from django.db import models
from django.db.models import QuerySet
from django.urls import reverse
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import pgettext

from billing.desk.figures import NOTHING, Figure, yes_or_no


@dataclass(frozen=True)
class Panel:
    """A table on an object's page: the first rows, and a link to the list of all of them.

    The list is asked for the rows whose ``list_by`` has one of the keys that ``listed`` gives. One
    whose ``when_empty`` is empty is left out where there are no rows. Its words are English, and
    are translated where they are shown.
    """

    title: str
    rows: Callable[[Any], QuerySet | Sequence[Any]]
    columns: Mapping[str, Callable[[Any], object]]
    list_of: type[models.Model] | None = None
    list_by: str = ""
    listed: Callable[[Any], Sequence[int]] = lambda obj: [obj.pk]
    rows_max: int = 20
    when_empty: str = "None yet."

    def context(self, obj: models.Model) -> dict[str, object]:
        found = list(self.rows(obj)[: self.rows_max + 1])
        table = [[show(row) for show in self.columns.values()] for row in found[: self.rows_max]]
        return {
            "title": pgettext("desk", self.title),
            "headers": [
                {
                    "title": pgettext("desk", title),
                    "is_figure": any(isinstance(cell, Figure) for cell in cells),
                }
                for title, cells in zip(self.columns, zip(*table, strict=True), strict=bool(table))
            ],
            "rows": [_cells(row) for row in table],
            "more_url": self._list_url(obj) if len(found) > self.rows_max else "",
            "rows_max": self.rows_max,
            "when_empty": self.when_empty and pgettext("desk", self.when_empty),
        }

    def _list_url(self, obj: models.Model) -> str:
        if self.list_of is None:
            return ""
        options = self.list_of._meta
        url = reverse(f"admin:{options.app_label}_{options.model_name}_changelist")
        return f"{url}?{self.list_by}={','.join(map(str, self.listed(obj)))}"


def _shown(cell: object) -> object:
    if isinstance(cell, bool):
        return yes_or_no(cell)
    return display_for_value(cell, NOTHING)


def _cells(row: Sequence[object]) -> SafeString:
    shown = ((_shown(cell),) for cell in row)
    return format_html_join("", "<td>{}</td>", shown)
