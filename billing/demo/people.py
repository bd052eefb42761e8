"""Who buys from the demo's shop: persons and companies made of lists of our own, by a seed."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain, count
from random import Random
from typing import Any

from stdnum import luhn
from stdnum.eu import vat

FIRST_NAMES = {
    "SE": (
        "Åsa Birgitta Cecilia Disa Ebba Frida Gunilla Hedvig Ingrid Juni Karin Linnéa Maj Nora "
        "Ottilia Petra Ronja Saga Tuva Ulrika Vendela Ylva Ängla Aron Bengt Casper Dag Elis Folke "
        "Gösta Hjalmar Ivar Jörgen Kjell Love Måns Nils Olle Pär Rasmus Sixten Ture Ulf Valter Åke"
    ),
    "DE": "Anke Birte Carla Dörte Elke Frauke Greta Heike Jana Bernd Detlef Fiete Günther Jörn Uwe",
    "DK": "Astrid Bodil Freja Gerda Inge Kirsten Lærke Asger Bjarne Esben Holger Søren Troels",
    "NL": "Anouk Fenna Hanneke Jikke Lotte Maaike Bas Daan Gijs Joost Maarten Pim Teun Wouter",
    "BE": "Amélie Céline Elodie Fien Lore Noor Zoé Arne Bruno Ewout Gauthier Jef Loïc Stijn Wannes",
}
LAST_NAMES = {
    "SE": (
        "Almgren Björkvall Dalström Ekdahl Forsgren Granbacka Hagström Islind Järvholm Källgren "
        "Lindvret Malmsjö Norrby Öberg Palmér Rönnhag Sandvall Tallberg Uddgren Viklander Åsbrink "
        "Ängby Strömfors Hedenvik Kvarnlund Mossberg Fjällgård Skogsäter Brolund Vassgren"
    ),
    "DE": "Aldenhoff Brinkhaus Dornseif Eichholz Fährmann Hellweg Kornfeld Moosbrugg Thal",
    "DK": "Bakkegaard Dalby Engholm Fjordside Havnsø Krogsgaard Lyngbæk Mølleager Skovbo Vestervig",
    "NL": "Aardvliet Broekzicht van Dijkveld Grachtman Heidema Kloosterbeek Molenkamp Veldwijk",
    "BE": "Boomgaerd Claeskens Dumoulinet Fontenelle Lambrechtse Peeterman Vandenbosche Wouterslag",
}
# Street names, and towns with a postal code that they have.
STREETS = {
    "SE": "Kvarngatan Storgatan Ängsvägen Skeppargränd Nygatan Björkallén Hamngatan Lärkstigen",
    "DE": "Lindenallee Hafenstraße Mühlenweg Gartenstraße Am_Markt Birkenweg",
    "DK": "Havnegade Møllevej Skovbrynet Torvegade Strandvejen Lærkevej",
    "NL": "Molenstraat Dorpsweg Havenkade Lindelaan Kerkplein Wilgenpad",
    "BE": "Molenstraat Grote_Markt Rue_du_Moulin Kastanjelaan Stationsstraat Quai_aux_Fleurs",
}
TOWNS = {
    "SE": (
        ("411 18", "Göteborg"),
        ("413 27", "Göteborg"),
        ("116 45", "Stockholm"),
        ("113 60", "Stockholm"),
        ("211 34", "Malmö"),
        ("753 20", "Uppsala"),
        ("582 23", "Linköping"),
        ("903 26", "Umeå"),
        ("831 31", "Östersund"),
        ("223 50", "Lund"),
        ("392 32", "Kalmar"),
        ("621 55", "Visby"),
    ),
    "DE": (("20457", "Hamburg"), ("10437", "Berlin"), ("24103", "Kiel"), ("50672", "Köln")),
    "DK": (("2200", "København N"), ("8000", "Aarhus C"), ("5000", "Odense C")),
    "NL": (("1013 AA", "Amsterdam"), ("3511 AB", "Utrecht"), ("9712 CD", "Groningen")),
    "BE": (("9000", "Gent"), ("1000", "Bruxelles"), ("2000", "Antwerpen")),
}
TRADES = {
    "SE": (
        "Tandvård",
        "Arkitekter",
        "Redovisning",
        "Byggkonsult",
        "Hotell",
        "Konditori",
        "Bokhandel",
        "Förskola",
        "Tryckeri",
        "Systemutveckling",
        "Cykelverkstad",
        "Advokatbyrå",
    ),
    "DE": ("Architekten GmbH", "Buchhandlung GmbH", "Werkstatt GmbH"),
    "DK": ("Arkitekter ApS", "Boghandel ApS", "Konsulenter A/S"),
    "NL": ("Ontwerpers B.V.", "Boekwinkel B.V.", "Adviseurs B.V."),
    "BE": ("Architecten BV", "Boekhandel BV", "Conseil SRL"),
}
PLACES = {
    "SE": (
        "Björkdungen",
        "Fyrbåken",
        "Granskär",
        "Norrskensgården",
        "Södervik",
        "Tallkotten",
        "Havreholm",
        "Klippudden",
        "Lövängen",
        "Månviken",
        "Rimfrosten",
        "Strandråget",
        "Vinterhamn",
        "Ängsullen",
        "Östanvind",
        "Kattfoten",
        "Blåklinten",
        "Skymningen",
    ),
    "DE": ("Nordlicht", "Moorhof", "Kranichfeld", "Silberpappel"),
    "DK": ("Klitrosen", "Fjordlys", "Bøgelunden", "Solnedgang"),
    "NL": ("Zilvermeeuw", "Rietkraag", "Windvaan", "Waterlelie"),
    "BE": ("Klaproos", "Bellefontaine", "Zonnewende", "Goudveld"),
}
# The VAT number of a company, in which a part is tried until the check digits are right.
VAT_PATTERNS = {
    "DE": "DE999{:06d}",
    "DK": "DK99{:06d}",
    "NL": "NL9990{:05d}B01",
    "BE": "BE09{:08d}",
}
MAIL_OF_PERSONS = ("example.com", "example.org", "example.com", "example.se")


@dataclass(frozen=True, slots=True)
class Person:
    """A customer to be. ``key`` is its number at the shop; ``fields`` are those of the model."""

    key: str
    country: str
    is_business: bool
    pays_by_card: bool
    fields: dict[str, Any] = field(hash=False)

    @property
    def currency(self) -> str:
        return "SEK" if self.country == "SE" else "EUR"


def make_people(random: Random, customers: int) -> list[Person]:
    """So many customers, always the same for a seed: 6 of 10 Swedish persons, 2 companies."""
    names = _names(random)
    people = []
    for number in range(1001, 1001 + customers):
        kind = random.choices(("SE", "SE AB", "EU", "EU AB"), (58, 22, 12, 8))[0]
        country = "SE" if kind.startswith("SE") else random.choice(("DE", "DE", "DK", "NL", "BE"))
        is_business = kind.endswith("AB")
        people.append(_person(random, names, number, country, is_business))
    return people


def _person(
    random: Random,
    names: dict[tuple[str, bool], Iterator[str]],
    number: int,
    country: str,
    is_business: bool,
) -> Person:
    name = next(names[country, is_business])
    pays_by_card = random.random() < (0.2 if is_business else 0.78 if country == "SE" else 0.95)
    postal_code, city = random.choice(TOWNS[country])
    street = random.choice(STREETS[country].split()).replace("_", " ")
    is_swedish = country == "SE" and random.random() < 0.93
    fields: dict[str, Any] = {
        "name": name,
        "email": _email(random, name, is_business),
        "is_business": is_business,
        "country": country,
        "language": "sv" if is_swedish else "en",
        "address_line1": f"{street} {random.randint(1, 88)}",
        "postal_code": postal_code,
        "city": city,
        "collection": "automatic" if pays_by_card else "invoice",
        "net_terms_days": 30 if is_business else 14,
    }
    if is_business:
        fields |= _numbers_of_a_company(country, number)
    return Person(f"K{number}", country, is_business, pays_by_card, fields)


def _names(random: Random) -> dict[tuple[str, bool], Iterator[str]]:
    """Names by country and kind in an order of chance, none of them twice."""
    found = {}
    for country in FIRST_NAMES:
        surnames = LAST_NAMES[country].replace("van ", "van_").split()
        persons = [
            f"{first} {last.replace('_', ' ')}"
            for first in FIRST_NAMES[country].split()
            for last in surnames
        ]
        suffix = " AB" if country == "SE" else ""
        companies = [
            f"{place} {trade}{suffix}" for place in PLACES[country] for trade in TRADES[country]
        ]
        random.shuffle(persons)
        random.shuffle(companies)
        found[country, False], found[country, True] = _without_end(persons), _without_end(companies)
    return found


def _without_end(names: list[str]) -> Iterator[str]:
    """All names, and then all of them with a number."""
    return chain(names, (f"{name} {number}" for number in count(2) for name in names))


def _email(random: Random, name: str, is_business: bool) -> str:
    plain = name.lower().translate(str.maketrans("åäöéèøæüïß", "aaoeeoauis"))
    words = ["".join(filter(str.isascii, word)).replace("/", "") for word in plain.split()]
    if is_business:
        return f"{random.choice(('ekonomi', 'faktura', 'office'))}.{words[0]}@example.com"
    return f"{'.'.join(words)}@{random.choice(MAIL_OF_PERSONS)}"


def _numbers_of_a_company(country: str, number: int) -> dict[str, Any]:
    """Numbers that pass every check; Swedish ones from a range that has not been given out."""
    if country == "SE":
        digits = f"5599{number:05d}"
        digits += luhn.calc_check_digit(digits)
        organisation_number = f"{digits[:6]}-{digits[6:]}"
        return {"organisation_number": organisation_number, "vat_number": f"SE{digits}01"}
    tried = (VAT_PATTERNS[country].format(number * 60 + add) for add in range(1000))
    return {"vat_number": next(filter(vat.is_valid, tried))}
