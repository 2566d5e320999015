"""The benchmark's customers as a Singer tap says them: a line of JSON for each, on standard output.

python tap.py http://127.0.0.1:…/100000 | target-postgres --config config.json
"""

from __future__ import annotations

import json
import sys
from typing import Any, Final

import httpx

PAGE: Final = 1_000

TEXT: Final = {"type": ["string", "null"]}
MOMENT: Final = {"type": "string", "format": "date-time"}
REFERENCE: Final = {"type": ["object", "null"], "properties": {"id": TEXT, "name": TEXT}}
SCHEMA: Final = {
    "type": "object",
    "properties": {
        "internalId": {"type": "string"},
        "companyName": TEXT,
        "email": TEXT,
        "phone": TEXT,
        "isActive": TEXT,
        "segment": TEXT,
        "creditLimit": TEXT,
        "balance": TEXT,
        "taxNumber": TEXT,
        "currency": REFERENCE,
        "salesRep": REFERENCE,
        "billingAddress": {
            "type": "object",
            "properties": {"street": TEXT, "city": TEXT, "postalCode": TEXT, "country": TEXT},
        },
        "createdAt": MOMENT,
        "lastModified": MOMENT,
        "custentity_region": TEXT,
        "custentity_newsletter": TEXT,
    },
}


def say(message: dict[str, Any]) -> None:
    """One message of the protocol."""
    sys.stdout.write(json.dumps(message, separators=(",", ":")) + "\n")


def main(url: str) -> None:
    """The schema, every record, and how far they go."""
    say({"type": "SCHEMA", "stream": "customers", "schema": SCHEMA, "key_properties": ["internalId"]})
    offset, more = 0, True
    with httpx.Client(timeout=30) as client:
        while more:
            answer = client.get(f"{url}/customers", params={"offset": offset, "limit": PAGE})
            page = answer.raise_for_status().json()
            for record in page["items"]:
                say({"type": "RECORD", "stream": "customers", "record": record})
            offset, more = offset + len(page["items"]), page["hasMore"]
    say({"type": "STATE", "value": {"customers": offset}})


if __name__ == "__main__":
    main(*sys.argv[1:])
