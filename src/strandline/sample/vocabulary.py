"""The words that sample customers and products are made of.

Domains end in `.example`, which nobody can own, and phone numbers have the digits 555-01, which nobody has.
"""

from __future__ import annotations

from typing import NamedTuple


class Country(NamedTuple):
    """Where a customer may be, and what follows from it."""

    code: str
    currency: str
    region: str
    dialling: str
    legal_forms: tuple[str, ...]
    streets: tuple[str, ...]
    cities: tuple[tuple[str, str], ...]  # with the first digits of their postal codes


COUNTRIES = (
    Country(
        "DE",
        "EUR",
        "DACH",
        "+49",
        ("GmbH", "AG", "KG"),
        ("Hafenstraße", "Lindenallee", "Am Markt", "Mühlweg", "Bahnhofstraße"),
        (("Hamburg", "204"), ("Köln", "506"), ("München", "803"), ("Leipzig", "041"), ("Kiel", "241")),
    ),
    Country(
        "NO",
        "NOK",
        "Nordics",
        "+47",
        ("AS", "ASA"),
        ("Strandgaten", "Kongens gate", "Bryggen", "Storgata", "Øvregaten"),
        (("Bergen", "50"), ("Oslo", "01"), ("Tromsø", "90"), ("Ålesund", "60")),
    ),
    Country(
        "SE",
        "SEK",
        "Nordics",
        "+46",
        ("AB",),
        ("Drottninggatan", "Hamngatan", "Kyrkogatan", "Ängsvägen"),
        (("Göteborg", "411"), ("Stockholm", "111"), ("Malmö", "211"), ("Umeå", "903")),
    ),
    Country(
        "GB",
        "GBP",
        "UK & Ireland",
        "+44",
        ("Ltd", "plc", "LLP"),
        ("Harbour Road", "Mill Lane", "High Street", "Quay Street", "Station Road"),
        (("Bristol", "BS1 "), ("Leeds", "LS1 "), ("Glasgow", "G2 "), ("Whitby", "YO21 ")),
    ),
    Country(
        "FR",
        "EUR",
        "Western Europe",
        "+33",
        ("SARL", "SA", "SAS"),
        ("rue du Port", "avenue de la Gare", "place de l'Église", "quai des Brumes"),
        (("Brest", "292"), ("Lyon", "690"), ("Saint-Malo", "354"), ("Marseille", "130")),
    ),
    Country(
        "NL",
        "EUR",
        "Western Europe",
        "+31",
        ("B.V.", "N.V."),
        ("Havenkade", "Dorpsstraat", "Keizersgracht", "Molenweg"),
        (("Rotterdam", "301"), ("Utrecht", "351"), ("'s-Hertogenbosch", "521")),
    ),
    Country(
        "ES",
        "EUR",
        "Southern Europe",
        "+34",
        ("S.L.", "S.A."),
        ("Calle del Mar", "Paseo Marítimo", "Avenida de España"),
        (("A Coruña", "150"), ("Málaga", "290"), ("Valencia", "460")),
    ),
    Country(
        "US",
        "USD",
        "North America",
        "+1",
        ("Inc.", "LLC", "Corp."),
        ("Ocean Avenue", "Main Street", "Harbor Drive", "2nd Street"),
        (("Portland", "972"), ("Boston", "021"), ("San Diego", "921"), ("Coeur d'Alene", "838")),
    ),
)

FIRST_WORDS = (
    "Amber", "Anker", "Ångström", "Atlas", "Baltic", "Birch", "Blå", "Brücken", "Cedar", "Clear",
    "Copper", "Deich", "Delta", "Dune", "East", "Ember", "Fjord", "Gezeiten", "Granite", "Gull", "Hansa",
    "Harbour", "Heron", "Iron", "Juniper", "Kestrel", "Kite", "Leeward", "Linden", "Marine", "Meridian",
    "Møller", "Nord", "Northwind", "Oak", "Ocean", "Pebble", "Pier", "Polar", "Quay", "Raven", "Reef",
    "Saga", "Salt", "Skagen", "Solstice", "South", "Sterling", "Stone", "Tern", "Tide", "Timber", "Ufer",
    "Varde", "Vega", "West", "Willow",
)  # fmt: skip
SECOND_WORDS = (
    "Analytics", "Automation", "Bakeries", "Books", "Brewing", "Catering", "Chandlery", "Clinics",
    "Coffee", "Construction", "Consulting", "Dental", "Design", "Electric", "Engineering", "Fisheries",
    "Foods", "Freight", "Gardens", "Glass", "Hotels", "Instruments", "Interiors", "Joinery", "Labs",
    "Logistics", "Media", "Metals", "Mills", "Motors", "Optics", "Outfitters", "Packaging", "Partners",
    "Pharma", "Press", "Robotics", "Schools", "Shipping", "Software", "Solar", "Studios", "Supply",
    "Systems", "Textiles", "Theatre", "Tools", "Travel",
)  # fmt: skip

MAILBOXES = ("accounts", "buying", "hello", "info", "invoices", "office", "orders", "purchasing", "Rechnung")
SALES_REPS = (
    "Aino Lehtonen",
    "Bilal Chaudhry",
    "Chiara Conti",
    "Dorothea Voß",
    "Eirik Sæther",
    "Fatou N'Diaye",
    "Grace O'Malley",
    "Hiro Tanaka",
    "Inés Muñoz",
    "Jonas Lindqvist",
    "Kateřina Dvořák",
    "Leszek Wójcik",
)
PAYMENT_TERMS = ("Net 14", "Net 30", "Net 30", "Net 30", "Net 60", "Prepaid")
CURRENCY_IDS = {"EUR": "1", "USD": "2", "GBP": "3", "NOK": "4", "SEK": "5"}


class Category(NamedTuple):
    """A shelf of the shop: what is on it and what it costs, in cents."""

    prefix: str
    name: str
    cheapest: int
    dearest: int
    things: tuple[str, ...]


CATEGORIES = (
    Category("COF", "Coffee & Tea", 490, 4990, ("Espresso Beans", "Filter Coffee", "Green Tea", "Oat Drink")),
    Category("KIT", "Kitchen", 690, 29900, ("Kettle", "Mug Set", "Coffee Grinder", "Water Filter")),
    Category(
        "FUR", "Furniture", 8900, 129900, ("Standing Desk", "Office Chair", "Bookcase", "Meeting Table")
    ),
    Category("LIG", "Lighting", 1990, 39900, ("Desk Lamp", "Pendant Lamp", "Floor Lamp", "LED Panel")),
    Category("PAP", "Paper", 290, 5990, ("Copy Paper", "Notebook", "Envelopes", "Index Cards")),
    Category("ELE", "Electronics", 1290, 89900, ("Monitor", "Headset", "Docking Station", "Webcam")),
    Category("CLE", "Cleaning", 390, 6990, ("Hand Soap", "Bin Liners", "Glass Cleaner", "Paper Towels")),
    Category("PAC", "Packaging", 590, 12900, ("Shipping Box", "Packing Tape", "Padded Mailer", "Paper Fill")),
)
ADJECTIVES = (
    "Classic",
    "Compact",
    "Everyday",
    "Harbour",
    "Nordic",
    "Pro",
    "Recycled",
    "Slim",
    "Studio",
    "Sturdy",
)
SUPPLIERS = ("Brandt & Søn", "Docklands Trading", "Fabrik 9", "Kaito Works", "L'Atelier", "Polder Supply")
