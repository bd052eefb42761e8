"""What a page shows or has read aloud: its text and some attributes, without pictures and code."""

from collections.abc import Collection
from html.parser import HTMLParser

SAID = frozenset({"alt", "aria-label", "placeholder", "title"})
UNSEEN = frozenset({"script", "style"})
# An icon's name is its text, which its font draws as a picture.
ICON = "material-symbols-outlined"
VOID = frozenset({"br", "col", "hr", "img", "input", "link", "meta", "source", "wbr"})


def texts_of(page: str, *, within: str = "", without: Collection[str] = ()) -> list[str]:
    """The texts of a page in its order, each with single spaces.

    ``within`` is an id or a class: what stands in an element that has it. ``without`` are such of
    elements, or tags of them, that are left out.
    """
    reader = _Reader(within, frozenset(without))
    reader.feed(page)
    reader.close()
    return reader.found


class _Reader(HTMLParser):
    def __init__(self, within: str, without: frozenset[str]) -> None:
        super().__init__()
        self.within, self.without = within, without
        self.found: list[str] = []
        # The open elements: the tag, whether it is looked at, and whether it is left out.
        self.stack: list[tuple[str, bool, bool]] = [("", not within, False)]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        names = {tag, values.get("id") or "", *(values.get("class") or "").split()}
        _, is_within, is_left_out = self.stack[-1]
        is_within = is_within or self.within in names
        is_left_out = is_left_out or bool(names & (UNSEEN | {ICON} | self.without))
        if tag not in VOID:
            self.stack.append((tag, is_within, is_left_out))
        if is_within and not is_left_out:
            for name in SAID & values.keys():
                self._keep(values[name] or "")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.stack.pop()

    def handle_endtag(self, tag: str) -> None:
        """Close an element, and those within it that were never closed."""
        if tag in [each[0] for each in self.stack]:
            while self.stack.pop()[0] != tag:
                pass

    def handle_data(self, data: str) -> None:
        _, is_within, is_left_out = self.stack[-1]
        if is_within and not is_left_out:
            self._keep(data)

    def _keep(self, text: str) -> None:
        if any(map(str.isalpha, text)):
            self.found.append(" ".join(text.split()))
