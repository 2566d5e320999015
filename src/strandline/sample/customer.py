"""The customers of the sample world: how the CRM came to have them, and how they change."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from strandline.sample import vocabulary
from strandline.sample.dice import Dice

SEGMENTS = ("Retail", "Wholesale", "Enterprise")
CREDIT_LIMITS = {"Retail": (500, 10_000), "Wholesale": (5_000, 90_000), "Enterprise": (60_000, 400_000)}
LOYALTY_TIERS = ("Bronze", "Silver", "Gold")

FAULTS = (
    "naive lastModified",
    "creditLimit n/a",
    "companyName missing",
    "isActive maybe",
    "internalId empty",
    "createdAt impossible",
    "billingAddress is text",
)
"""What is wrong with the broken customers, one of each."""

_YEAR = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class Address:
    """Where the invoice goes."""

    street: str
    city: str
    postal_code: str
    country: str


@dataclass(frozen=True, slots=True)
class Customer:
    """One customer as the CRM keeps it: only ever the current state."""

    number: int
    company_name: str
    email: str | None
    phone: str
    is_active: bool
    segment: str | None
    credit_limit: int
    currency: str
    sales_rep: int
    payment_terms: str
    tax_number: str
    address: Address
    created_at: datetime
    last_modified: datetime
    region: str | None = None
    newsletter: bool | None = None
    loyalty_tier: str | None = None
    fault: str | None = None

    @property
    def customer_id(self) -> str:
        """The identifier that shop and CRM share, such as C-00042."""
        return customer_id(self.number)


def customer_id(number: int) -> str:
    """Write the number as both systems do."""
    return f"C-{number:05d}"


def found(dice: Dice, count: int, *, now: datetime) -> list[Customer]:
    """The customers of the first day, numbered by age: six years of them, more every year."""
    created = sorted(now - timedelta(seconds=60 + _age(dice, 6 * _YEAR)) for _ in range(count))
    customers = [
        _customer(dice, number, created_at=moment, last_modified=_last_modified(dice, moment, now))
        for number, moment in enumerate(created, start=1)
    ]
    for fault, number in zip(FAULTS, faulty_numbers(count), strict=True):
        customers[number - 1] = replace(customers[number - 1], fault=fault)
    return customers


def faulty_numbers(count: int) -> list[int]:
    """Which customers are broken: spread evenly, one for each fault."""
    return [count * place // (len(FAULTS) + 1) for place in range(1, len(FAULTS) + 1)]


def joined(dice: Dice, number: int, *, start: datetime, end: datetime) -> Customer:
    """A customer whom the CRM learns of between start and end; it has the field that the first day lacks."""
    moment = dice.second(start, end)
    return replace(
        _customer(dice, number, created_at=moment, last_modified=moment),
        loyalty_tier=dice.pick(LOYALTY_TIERS),
    )


def move_segment(dice: Dice, customer: Customer) -> Customer:
    """Sales moves the customer to another segment, mostly upwards."""
    higher = {None: "Retail", "Retail": "Wholesale", "Wholesale": "Enterprise", "Enterprise": "Wholesale"}
    lower = {None: "Retail", "Retail": "Wholesale", "Wholesale": "Retail", "Enterprise": "Retail"}
    return replace(customer, segment=(lower if dice.chance(15) else higher)[customer.segment])


def move_house(dice: Dice, customer: Customer) -> Customer:
    """The customer moves within its country."""
    home = next(place for place in vocabulary.COUNTRIES if place.code == customer.address.country)
    address = customer.address
    while address == customer.address:
        address = _address(dice, home)
    return replace(customer, address=address)


def change_email(dice: Dice, customer: Customer) -> Customer:
    """The customer gives another mailbox of the same domain."""
    email = customer.email
    while email == customer.email:
        email = _email(dice, customer.company_name) or email
    return replace(customer, email=email)


def _age(dice: Dice, oldest: timedelta) -> int:
    """Seconds since someone became a customer: twice as many come lately as on average."""
    limit = oldest // timedelta(seconds=1)
    return (dice.below(limit) + dice.low_below(limit)) // 2


def _last_modified(dice: Dice, created_at: datetime, now: datetime) -> datetime:
    """Seldom lately: so most orders find the version of the customer that was valid when they were placed.

    A few were modified on the very day on which the first reading ends.
    """
    orders_begin = now - 2 * _YEAR
    if dice.chance(0.4):
        return dice.second(max(created_at, now - timedelta(hours=18)), now)
    if created_at < orders_begin and not dice.chance(22):
        return dice.second(created_at, orders_begin)
    if dice.chance(55):
        return dice.second(created_at, min(created_at + timedelta(hours=8), now))
    return dice.second(created_at, now)


def _customer(dice: Dice, number: int, *, created_at: datetime, last_modified: datetime) -> Customer:
    country = dice.pick(vocabulary.COUNTRIES)
    name = f"{dice.pick(vocabulary.FIRST_WORDS)} {dice.pick(vocabulary.SECOND_WORDS)}"
    segment = SEGMENTS[0 if dice.chance(62) else 1 if dice.chance(72) else 2]
    return Customer(
        number=number,
        company_name=f"{name} {dice.pick(country.legal_forms)}",
        email=_email(dice, name),
        phone=f"{country.dialling} 555 01{dice.below(100):02d} {dice.below(1000):03d}",
        is_active=not dice.chance(8),
        segment=None if dice.chance(2) else segment,
        credit_limit=_credit_limit(dice, segment),
        currency=country.currency,
        sales_rep=dice.below(len(vocabulary.SALES_REPS)),
        payment_terms=dice.pick(vocabulary.PAYMENT_TERMS),
        tax_number=f"{country.code}{100_000_000 + dice.below(900_000_000)}",
        address=_address(dice, country),
        created_at=created_at,
        last_modified=last_modified,
        region=country.region if dice.chance(70) else None,
        newsletter=dice.chance(40) if dice.chance(50) else None,
    )


def _credit_limit(dice: Dice, segment: str) -> int:
    lowest, highest = CREDIT_LIMITS[segment]
    return dice.between(lowest // 500, highest // 500) * 500


def _address(dice: Dice, country: vocabulary.Country) -> Address:
    city, postal_code = dice.pick(country.cities)
    digits = 1 if country.code == "GB" else (4 if country.code in ("NO", "NL") else 5) - len(postal_code)
    postal_code += f"{dice.below(10**digits):0{digits}d}"
    if country.code in ("GB", "NL"):
        postal_code += f"{'' if country.code == 'GB' else ' '}{dice.pick('ABDEH')}{dice.pick('JLNPR')}"
    return Address(f"{dice.pick(country.streets)} {dice.between(1, 180)}", city, postal_code, country.code)


def _email(dice: Dice, company_name: str) -> str | None:
    """An address as people type it: now and then in capitals, with spaces around it, or not at all."""
    if dice.chance(3):
        return None
    words = company_name.lower().split()[:2]
    domain = "-".join(words).translate(str.maketrans("åöøü", "aoou"))
    email = f"{dice.pick(vocabulary.MAILBOXES)}@{domain}.example"
    if dice.chance(12):
        email = email.upper() if dice.chance(30) else email.title()
    return f"  {email} " if dice.chance(5) else email
