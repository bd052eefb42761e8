"""The test cards. A number is looked up here and forgotten; what is kept is a ``Card``."""

from dataclasses import dataclass

from .refusals import Refusal


@dataclass(frozen=True)
class Card:
    """What is kept of a card: enough to show it and to know what it will do, never its number."""

    brand: str
    last4: str
    behaviour: str


@dataclass(frozen=True)
class Outcome:
    """What comes of a charge. ``is_hard`` means that trying the same card again is no use."""

    status: str
    failure_code: str | None = None
    is_hard: bool = False


TEST_CARDS = {
    "4242424242424242": "works",
    "4000002500003155": "needs_action",
    "4000000000000002": "card_declined",
    "4000000000009995": "insufficient_funds",
    "4000000000009987": "lost_card",
}
OUTCOMES = {
    "works": Outcome("succeeded"),
    "needs_action": Outcome("requires_action"),
    "card_declined": Outcome("failed", "card_declined"),
    "insufficient_funds": Outcome("failed", "insufficient_funds"),
    "lost_card": Outcome("failed", "lost_card", is_hard=True),
}


def recognise(number: str) -> Card:
    """The test card with this number, however it is spaced.

    Raises ``Refusal`` with code ``card_number_missing``, ``card_number_invalid`` or
    ``card_number_unknown``. The number is never repeated in the message: it might be a real one.
    """
    digits = "".join(character for character in number if character not in " -\u00a0\u2009\u202f")
    if not digits:
        raise Refusal(422, "card_number_missing", "Enter a card number.", "card_number")
    if not (digits.isascii() and digits.isdigit() and 12 <= len(digits) <= 19 and _luhn(digits)):
        raise Refusal(422, "card_number_invalid", "This is not a card number.", "card_number")
    behaviour = TEST_CARDS.get(digits)
    if behaviour is None:
        raise Refusal(
            422,
            "card_number_unknown",
            "Only the test cards work here. Never use a real card in a sandbox.",
            "card_number",
        )
    return Card(brand="visa", last4=digits[-4:], behaviour=behaviour)


def _luhn(digits: str) -> bool:
    doubled = [int(digit) * 2 for digit in digits[-2::-2]]
    return (sum(map(int, digits[-1::-2])) + sum(n - 9 if n > 9 else n for n in doubled)) % 10 == 0
