"""The sample shop as an HTTP API: products and orders in the manner of a modern web service.

Money is text with two decimals, a discount is a number, instants have microseconds. `updated_since` is exact
and inclusive. Orders come in ascending order of `updatedAt`, then `orderId`; the next page is named by a Link
header (RFC 8288). Products come in the order of their number; the next page is named by a token in the body.
Both ways continue after the last record that was sent, so that nothing is skipped when the shop changes while
it is read.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlencode

from strandline.sample import vocabulary
from strandline.sample.order import FAULTS, Order
from strandline.sample.product import Product
from strandline.sample.reply import BadRequest, Parameters, Reply, encode, parameters, whole_number
from strandline.sample.world import Day

TOKEN: Final = "sample-shop-token"
LARGEST_PAGE: Final = 1_000


def orders(day: Day, query: str) -> Reply:
    """One page of orders: those updated at `updated_since` or later, `limit` at a time."""
    given = parameters(query, allowed=("updated_since", "limit", "after"))
    limit = whole_number(given, "limit", default=100, lowest=1, highest=LARGEST_PAGE)
    since = _updated_since(given)
    first = 0 if since is None else bisect_left(day.orders, since, key=lambda each: each.updated_at)
    after = _token(given, "after")
    if after is not None:
        moment, _, order_id = after.partition(" ")
        last = (_moment(moment, "after"), order_id)
        first = max(first, bisect_right(day.orders, last, key=lambda each: each.place_in_time))
    page = day.orders[first : first + limit]
    more = first + limit < len(day.orders)
    token = f"{_instant(page[-1].updated_at)} {page[-1].order_id}" if more else None
    return Reply(
        200,
        encode({"orders": [order_record(each) for each in page]}),
        next_query=_next_query(given, after=token) if token else None,
    )


def products(day: Day, query: str) -> Reply:
    """One page of products: those updated at `updated_since` or later, `limit` at a time."""
    given = parameters(query, allowed=("updated_since", "limit", "page_token"))
    limit = whole_number(given, "limit", default=100, lowest=1, highest=LARGEST_PAGE)
    since = _updated_since(given)
    after = _token(given, "page_token")
    if after is not None and not after.isdigit():
        raise BadRequest("parameter 'page_token' is not a token that this API gave")
    found = [
        each
        for each in day.products[
            int(after or 0) :
        ]  # numbered from 1, so that the number is the place after it
        if since is None or each.updated_at >= since
    ]
    token = _opaque(str(_number(found[limit - 1]))) if len(found) > limit else None
    content = {"products": [product_record(each) for each in found[:limit]], "nextToken": token}
    return Reply(200, encode(content))


def order_record(order: Order) -> dict[str, object]:
    """An order as the shop sends it, with its fault if it has one."""
    fields: dict[str, object] = {
        "orderId": order.order_id,
        "customerId": order.customer_id,
        "product": {"sku": order.sku},
        "placedAt": _instant(order.placed_at),
        "updatedAt": _instant(order.updated_at),
        "quantity": order.quantity,
        "unitPrice": _money(order.unit_price),
        "discountRate": order.discount / 1000,
        "totalAmount": _money(order.total),
        "currency": "EUR",
        "channel": order.channel,
        "status": order.status,
    }
    if order.fault:
        _SPOILERS[order.fault](fields)
    return fields


def product_record(product: Product) -> dict[str, object]:
    """A product as the shop sends it."""
    return {
        "sku": product.sku,
        "name": product.name,
        "category": product.category,
        "priceCategory": product.price_category,
        "listPrice": _money(product.list_price),
        "currency": "EUR",
        "isAvailable": product.is_available,
        "supplier": {"id": product.supplier + 1, "name": vocabulary.SUPPLIERS[product.supplier]},
        "weightGrams": product.weight_grams,
        "createdAt": _instant(product.created_at),
        "updatedAt": _instant(product.updated_at),
    }


def _updated_since(given: Parameters) -> datetime | None:
    text = given.get("updated_since")
    return None if text is None else _moment(text, "updated_since")


def _moment(text: str, name: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise BadRequest(_not_an_instant(text, name)) from error
    if moment.tzinfo is None:
        raise BadRequest(_not_an_instant(text, name))
    return moment.astimezone(UTC)


def _not_an_instant(text: str, name: str) -> str:
    return f"parameter {name!r} must be an instant with its zone such as 2026-06-30T12:34:56.7Z, got {text!r}"


def _next_query(given: Parameters, *, after: str) -> str:
    return urlencode({**given, "after": _opaque(after)})


def _opaque(text: str) -> str:
    return urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _token(given: Parameters, name: str) -> str | None:
    text = given.get(name)
    if text is None:
        return None
    try:
        return urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
    except (Base64Error, ValueError) as error:
        raise BadRequest(f"parameter {name!r} is not a token that this API gave") from error


def _number(product: Product) -> int:
    return int(product.sku.rpartition("-")[2])


def _instant(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _money(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02d}"


def _use_comma(fields: dict[str, object]) -> None:
    fields["totalAmount"] = str(fields["totalAmount"]).replace(".", ",")


def _lose_zone(fields: dict[str, object]) -> None:
    fields["placedAt"] = str(fields["placedAt"]).rstrip("Z")


def _lose_product(fields: dict[str, object]) -> None:
    fields["product"] = None


def _lose_id(fields: dict[str, object]) -> None:
    del fields["orderId"]


def _spell_quantity(fields: dict[str, object]) -> None:
    fields["quantity"] = "a dozen"


_SPOILERS: dict[str, Callable[[dict[str, object]], None]] = dict(
    zip(FAULTS, (_use_comma, _lose_zone, _lose_product, _lose_id, _spell_quantity), strict=True)
)
