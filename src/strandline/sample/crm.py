"""The sample CRM as an HTTP API: its customers in the manner of an ERP.

Booleans are "T" and "F", amounts are text, references are objects, custom fields begin with `custentity_`,
instants have seconds. `modifiedSince` takes a date and nothing finer. Customers come in the order of their
number.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Final

from strandline.sample import vocabulary
from strandline.sample.customer import FAULTS, Customer
from strandline.sample.reply import BadRequest, Parameters, Reply, encode, parameters, whole_number
from strandline.sample.world import Day

KEY_HEADER: Final = "X-API-Key"
KEY: Final = "sample-crm-key"
LARGEST_PAGE: Final = 1_000


def customers(day: Day, query: str) -> Reply:
    """One page of customers: offset, limit and, if given, those modified on the date or after it."""
    given = parameters(query, allowed=("modifiedSince", "offset", "limit"))
    limit = whole_number(given, "limit", default=100, lowest=1, highest=LARGEST_PAGE)
    offset = whole_number(given, "offset", default=0, lowest=0, highest=10**9)
    since = _modified_since(given)
    found = [each for each in day.customers if since is None or each.last_modified >= since]
    page = found[offset : offset + limit]
    content = {
        "totalResults": len(found),
        "offset": offset,
        "count": len(page),
        "hasMore": offset + len(page) < len(found),
        "items": [record(each) for each in page],
    }
    return Reply(200, encode(content))


def record(customer: Customer) -> dict[str, object]:
    """A customer as the CRM sends it, with its fault if it has one."""
    fields: dict[str, object] = {
        "internalId": customer.customer_id,
        "companyName": customer.company_name,
        "email": customer.email,
        "phone": customer.phone,
        "isActive": _flag(customer.is_active),
        "segment": customer.segment,
        "creditLimit": f"{customer.credit_limit}.00",
        "paymentTerms": customer.payment_terms,
        "taxNumber": customer.tax_number,
        "currency": {"id": vocabulary.CURRENCY_IDS[customer.currency], "name": customer.currency},
        "salesRep": _sales_rep(customer.sales_rep),
        "billingAddress": _address(customer),
        "createdAt": _instant(customer.created_at),
        "lastModified": _instant(customer.last_modified),
    }
    fields |= _custom_fields(customer)
    if customer.fault:
        _SPOILERS[customer.fault](fields)
    return fields


def _modified_since(given: Parameters) -> datetime | None:
    text = given.get("modifiedSince")
    if text is None:
        return None
    try:
        if len(text) != len("2026-06-30"):
            raise ValueError(text)
        day = date.fromisoformat(text)
    except ValueError as error:
        raise BadRequest(
            f"parameter 'modifiedSince' must be a date such as 2026-06-30, without a time, got {text!r}"
        ) from error
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _custom_fields(customer: Customer) -> dict[str, object]:
    """Fields of this company's own making; only those customers have them for whom someone filled them in."""
    fields: dict[str, object] = {}
    if customer.region is not None:
        fields["custentity_region"] = customer.region
    if customer.newsletter is not None:
        fields["custentity_newsletter"] = _flag(customer.newsletter)
    if customer.loyalty_tier is not None:
        fields["custentity_loyalty_tier"] = customer.loyalty_tier
    return fields


def _flag(value: bool) -> str:
    return "T" if value else "F"


def _instant(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _sales_rep(number: int) -> dict[str, str]:
    return {"id": f"R-{number + 1:02d}", "displayName": vocabulary.SALES_REPS[number]}


def _address(customer: Customer) -> dict[str, str]:
    return {
        "street": customer.address.street,
        "city": customer.address.city,
        "postalCode": customer.address.postal_code,
        "country": customer.address.country,
    }


def _lose_zone(fields: dict[str, object]) -> None:
    fields["lastModified"] = str(fields["lastModified"]).rstrip("Z")


def _lose_name(fields: dict[str, object]) -> None:
    del fields["companyName"]


def _flatten_address(fields: dict[str, object]) -> None:
    address = fields["billingAddress"]
    fields["billingAddress"] = ", ".join(address.values()) if isinstance(address, dict) else address


def _setting(name: str, value: str) -> Callable[[dict[str, object]], None]:
    return lambda fields: fields.update({name: value})


_SPOILERS: dict[str, Callable[[dict[str, object]], None]] = dict(
    zip(
        FAULTS,
        (
            _lose_zone,
            _setting("creditLimit", "n/a"),
            _lose_name,
            _setting("isActive", "maybe"),
            _setting("internalId", ""),
            _setting("createdAt", "0000-00-00T00:00:00Z"),
            _flatten_address,
        ),
        strict=True,
    )
)
