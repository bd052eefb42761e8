"""What a price asks for a quantity: the price models, exact and in major units.

Nothing is rounded here. The caller turns `fixed` and `variable` into the period's share and rounds
once per line:

    not metered:  (fixed + variable) × days / of_days
    metered:      fixed × days / of_days + variable

because usage is what was used, whole, while a flat amount is for the period and follows its days.
The models are those of "Price models" in the scenario format.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from decimal import Decimal, localcontext
from typing import Any, Final

from billing.engine.errors import InvalidAgreement, InvalidPrice
from billing.engine.money import EXACT

ZERO: Final = Decimal(0)
ONE: Final = Decimal(1)
_PER_CENT: Final = Decimal("0.01")

BILLINGS: Final = frozenset({"in_advance", "in_arrears", "once"})

# What each model reads. A setting that it would ignore is refused: `free_units` on a per_unit
# price means that someone believes in free units that nobody would get.
_SETTINGS_BY_MODEL: Final[dict[str, frozenset[str]]] = {
    "flat": frozenset({"amount"}),
    "per_unit": frozenset({"amount"}),
    "graduated": frozenset({"tiers"}),
    "volume": frozenset({"tiers"}),
    "package": frozenset({"amount", "package_size", "free_units"}),
    "percentage": frozenset(
        {"rate", "fixed_amount", "free_events", "free_value", "event_minimum", "event_maximum"}
    ),
    "graduated_percentage": frozenset({"tiers"}),
}
MODELS: Final = frozenset(_SETTINGS_BY_MODEL)
# Whatever a model reads; each is a field of `Price`, and all but the tiers are numbers.
SETTINGS: Final = frozenset().union(*_SETTINGS_BY_MODEL.values())
_NUMBERS: Final = sorted((SETTINGS - {"tiers"}) | {"minimum_amount"})
_PERCENTAGE_MODELS: Final = frozenset({"percentage", "graduated_percentage"})


@dataclass(frozen=True, slots=True)
class Tier:
    """A step of a tiered price, from the end of the tier before (the first from 0) to `up_to`.

    `up_to` is a real number and inclusive; None is open. `unit_amount` is per unit (graduated,
    volume), `rate` is percent of the value (graduated_percentage), `flat_amount` is owed once.
    """

    up_to: Decimal | None
    unit_amount: Decimal = ZERO
    flat_amount: Decimal = ZERO
    rate: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class TierPart:
    """What one tier contributed: amount = quantity × unit_amount + flat_amount, unrounded."""

    up_to: Decimal | None
    quantity: Decimal
    unit_amount: Decimal
    flat_amount: Decimal
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Rated:
    """A rated quantity in major units, unrounded and before proration.

    `fixed` follows the days also where a price is metered (the flat model's amount, the tiers'
    flat amounts); `variable` is the rest. `unit_amount` is the price of a unit where there is one.
    """

    fixed: Decimal
    variable: Decimal
    unit_amount: Decimal | None
    tiers: tuple[TierPart, ...]


@dataclass(frozen=True, slots=True)
class Price:
    """The terms of one price. Amounts are in major units, rates in percent.

    `ref` is the caller's id and is carried, not read. `minimum_amount` and `is_prorated` are for
    the caller, who knows the period.
    """

    code: str
    model: str
    billing: str
    amount: Decimal = ZERO
    tiers: tuple[Tier, ...] = ()
    meter: str | None = None
    package_size: Decimal = ONE
    free_units: Decimal = ZERO
    rate: Decimal = ZERO
    fixed_amount: Decimal = ZERO
    free_events: int | None = None
    free_value: Decimal | None = None
    event_minimum: Decimal | None = None
    event_maximum: Decimal | None = None
    minimum_amount: Decimal | None = None
    is_prorated: bool = True
    ref: Any = None

    @property
    def needs_events(self) -> bool:
        """Whether each event has to be seen by itself; if not, the sum of them is enough."""
        return self.model == "percentage" and bool(
            self.fixed_amount
            or self.free_events
            or self.free_value
            or self.event_minimum
            or self.event_maximum is not None
        )

    def check(self) -> None:
        """Raise InvalidPrice, naming what is wrong, unless the price can be rated."""
        if self.model not in MODELS:
            raise self._wrong(f"there is no model {self.model!r}", "model")
        if self.billing not in BILLINGS:
            raise self._wrong(f"there is no billing {self.billing!r}", "billing")
        if self.meter is not None and self.billing != "in_arrears":
            raise self._wrong(
                "a metered price is billed in_arrears, once usage is known", "billing"
            )
        if self.meter is None and self.model in _PERCENTAGE_MODELS:
            raise self._wrong(f"{self.model} needs a meter", "meter")
        self._check_settings()
        self._check_tiers()

    def _check_settings(self) -> None:
        for name in _NUMBERS:
            self._check_number(name, getattr(self, name))
        for name in sorted(SETTINGS - _SETTINGS_BY_MODEL[self.model]):
            value = getattr(self, name)
            if value and value != _DEFAULTS[name]:
                raise self._wrong(f"{name} means nothing to the model {self.model}", name)
        if self.package_size <= 0:
            raise self._wrong("package_size must be more than zero", "package_size")
        if (
            self.event_minimum is not None
            and self.event_maximum is not None
            and self.event_minimum > self.event_maximum
        ):
            raise self._wrong("event_minimum is above event_maximum", "event_minimum")

    def _check_tiers(self) -> None:
        if "tiers" not in _SETTINGS_BY_MODEL[self.model]:
            return
        if not self.tiers:
            raise self._wrong(f"{self.model} needs tiers", "tiers")
        unread = "unit_amount" if self.model == "graduated_percentage" else "rate"
        bound = None
        for number, tier in enumerate(self.tiers, start=1):
            for name in ("up_to", "unit_amount", "flat_amount", "rate"):
                self._check_number(f"tiers[{number}].{name}", getattr(tier, name))
            if getattr(tier, unread):
                raise self._wrong(f"{unread} of a tier means nothing to {self.model}", "tiers")
            if (tier.up_to is None) != (number == len(self.tiers)):
                raise self._wrong("the last tier, and only the last, has no up_to", "tiers")
            if bound is not None and tier.up_to is not None and tier.up_to <= bound:
                raise self._wrong("each tier must end above the one before", "tiers")
            bound = tier.up_to

    def _check_number(self, name: str, value: object) -> None:
        if value is None:
            return
        if isinstance(value, bool) or not isinstance(value, Decimal | int):
            raise self._wrong(f"{name} must be a Decimal, not {type(value).__name__}", name)
        if not Decimal(value).is_finite() or value < 0:
            raise self._wrong(f"{name} must be a number from zero up", name)

    def _wrong(self, what: str, setting: str) -> InvalidPrice:
        return InvalidPrice(f"Price {self.code}: {what}.", price=self.code, setting=setting)


_DEFAULTS: Final = {field.name: field.default for field in fields(Price)}


def rate(price: Price, quantity: Decimal, events: Sequence[Decimal] = ()) -> Rated:
    """Return what a price, which must have passed `check`, asks for a quantity.

    `quantity` is the number of units, for percentage prices the summed value; `events` are the
    single values in their order, needed where `price.needs_events`. A total below zero (more was
    taken back than used) is rated as zero: a price never owes the customer anything.

    - flat: the amount, whatever the quantity.
    - graduated: each tier's units at that tier's price; a tier's flat amount once a unit is in it.
    - volume: all units at the tier that the quantity reaches, with that tier's flat amount.
    - package: the amount per started package of what is above the free units.
    - percentage: see `_rate_events`. graduated_percentage: graduated over the summed value.

    The first tier's flat amount is owed even at zero.

    Raises InvalidAgreement when the price needs its events and there are none for a quantity.
    """
    model = price.model
    if model == "flat":
        return Rated(price.amount, ZERO, price.amount, ())
    units = quantity if quantity > 0 else ZERO
    if model == "per_unit":
        return Rated(ZERO, EXACT.multiply(price.amount, units), price.amount, ())
    # The rest is a few steps of ordinary arithmetic, which the context keeps exact.
    with localcontext(EXACT):
        if model == "graduated":
            return _rate_by_tier(price, units)
        if model == "volume":
            return _rate_by_volume(price, units)
        if model == "package":
            return _rate_by_package(price, units)
        if model == "graduated_percentage":
            return _rate_by_tier(price, units)
        if model == "percentage":
            if not price.needs_events:
                return Rated(ZERO, units * price.rate * _PER_CENT, None, ())
            if quantity and not events:
                raise InvalidAgreement(
                    f"Price {price.code} is rated event by event, but only their sum is known.",
                    price=price.code,
                )
            return Rated(ZERO, _rate_events(price, events), None, ())
    raise InvalidPrice(f"Price {price.code}: there is no model {model!r}.", price=price.code)


def _rate_by_tier(price: Price, units: Decimal) -> Rated:
    """Graduated: walk the tiers that hold a unit; the first is always reached."""
    is_percentage = price.model == "graduated_percentage"
    fixed = variable = bound = ZERO
    parts: list[TierPart] = []
    for tier in price.tiers:
        if parts and units <= bound:
            break
        top = units if tier.up_to is None or units < tier.up_to else tier.up_to
        unit_amount = tier.rate * _PER_CENT if is_percentage else tier.unit_amount
        amount = (top - bound) * unit_amount
        parts.append(
            TierPart(
                tier.up_to, top - bound, unit_amount, tier.flat_amount, amount + tier.flat_amount
            )
        )
        fixed += tier.flat_amount
        variable += amount
        bound = top
    return Rated(fixed, variable, None, tuple(parts))


def _rate_by_volume(price: Price, units: Decimal) -> Rated:
    for tier in price.tiers:
        if tier.up_to is None or units <= tier.up_to:
            break
    variable = units * tier.unit_amount
    part = TierPart(
        tier.up_to, units, tier.unit_amount, tier.flat_amount, variable + tier.flat_amount
    )
    return Rated(tier.flat_amount, variable, tier.unit_amount, (part,))


def _rate_by_package(price: Price, units: Decimal) -> Rated:
    packages = ZERO
    if units > price.free_units:
        packages, rest = divmod(units - price.free_units, price.package_size)
        if rest:
            packages += 1
    return Rated(ZERO, packages * price.amount, price.amount, ())


def _rate_events(price: Price, events: Sequence[Decimal]) -> Decimal:
    """Sum `rate` percent and `fixed_amount` of each event after the allowance, each clamped.

    The allowance ends after `free_events` events or with `free_value` of their value, whichever
    comes first; None or 0 is no limit from that side, and without either there is no allowance.
    The event that crosses it pays `rate` on its excess and the whole `fixed_amount`; one that uses
    it up exactly is still free. `event_minimum` and `event_maximum` then bound what each paying
    event costs; a free event costs nothing, whatever the minimum.

    A negative event takes back: within the allowance it frees as much again, after it it returns
    `rate` percent. It is no transaction of its own, so it uses up no free event and has no fixed
    amount and no bounds. The sum is never below zero.
    """
    is_allowed = bool(price.free_events or price.free_value)
    events_left = price.free_events or len(events)
    value_left = price.free_value or None
    total = ZERO
    for value in events:
        excess = value
        if is_allowed:
            if value_left is None or value <= value_left:
                if value_left is not None:
                    value_left -= value
                if value >= 0:
                    events_left -= 1
                is_allowed = events_left > 0 and value_left != 0
                continue
            excess = value - value_left
            is_allowed = False
        charge = excess * price.rate * _PER_CENT
        if value >= 0:
            charge = _clamp(charge + price.fixed_amount, price.event_minimum, price.event_maximum)
        total += charge
    return total if total > 0 else ZERO


def _clamp(amount: Decimal, minimum: Decimal | None, maximum: Decimal | None) -> Decimal:
    if minimum is not None and amount < minimum:
        return minimum
    if maximum is not None and amount > maximum:
        return maximum
    return amount
