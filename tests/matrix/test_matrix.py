"""Every address, asked by everybody, with every method: the answers that were agreed on.

They stand in ``expected.toml``. A new address without a row there fails here.
"""

from collections import Counter

import pytest

from tests.matrix.addresses import addresses, page_actions
from tests.matrix.asking import Actors, word_of
from tests.matrix.expecting import API, EXPECTED, MODELS, cells, door_of, has_row
from tests.matrix.world import World

ADDRESSES = [
    # Django's own: the list of an app's models, and the last resort.
    *(address for address in addresses() if "(?P<" not in address.route)
]
THEIRS = frozenset({"in", "404", "405", "second step"})
DOORS = list(EXPECTED["doors"])


def test_every_address_has_a_row_and_every_row_an_address() -> None:
    assert [address.route for address in ADDRESSES if not has_row(address)] == []
    routes = {address.route for address in ADDRESSES}
    known = {*EXPECTED["addresses"], *(API + name for name in EXPECTED["api"]["addresses"])}
    assert known - routes == set()
    assert set(EXPECTED["desk"]["pages"]) == set(MODELS)


def test_every_act_on_a_page_has_a_row_and_every_row_an_act() -> None:
    said = {(model, name) for model, acts in EXPECTED["desk"]["acts"].items() for name in acts}
    there = {(name, act) for name, model in MODELS.items() for act in page_actions(model)}
    assert said == there


@pytest.mark.django_db
@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("door", DOORS, ids=lambda door: door or "others")
def test_who_gets_what(house: World, actors: Actors, door: str) -> None:
    wrong: list[str] = []
    asked: Counter[str] = Counter()
    for address in ADDRESSES:
        if door_of(address) != door or not has_row(address):
            continue
        for cell in cells(address, house):
            answer = actors.ask(cell.actor, cell.method, cell.path, cell.body)
            asked[cell.method] += 1
            found = word_of(answer)
            if found != cell.expected and not (cell.expected == "theirs" and found in THEIRS):
                wrong.append(
                    f"{cell.method} {address.route} by {cell.actor} ({cell.path}): "
                    f"{found} ({answer.status_code}), not {cell.expected}"
                )
    assert asked["GET"] and asked["DELETE"]
    assert not wrong, f"{len(wrong)} of {asked.total()}:\n" + "\n".join(wrong)
