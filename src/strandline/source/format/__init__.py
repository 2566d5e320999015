"""How the bytes of a body or a file are cut into records: one module for each format, and one protocol.

    with path.open("rb") as file:
        for payload in Csv(delimiter=";").records(file, charset="cp1252"):
            …

`records` takes whatever can be read as a binary file, an answer's body in a BytesIO or a file of gigabytes,
and yields what becomes a payload of the raw log, one after the other, in flat memory:

    Json, JsonLines     the record's exact bytes
    Csv                 the row as a JSON object of texts, made deterministically
    FixedWidth          the line as a JSON object of texts, made deterministically
    Excel, Parquet      the row as a JSON object of what its cells hold
    Xml                 the element as a JSON object, made deterministically

So an unchanged row is an unchanged payload, wherever it stands: its number is not in it, but can be counted,
for every row yields exactly one payload. A row that cannot be read yields one too, `malformed`, which tells
the reason and the number, and which every contract refuses. `charset` is what the transport says of the
encoding; what the format declares itself goes before it. A body that ends too early raises
`lenient.Truncated`, one that is something else `lenient.Unreadable`.
"""

from strandline import late

HOMES = {
    "Csv": "source.format.delimited",
    "Excel": "source.format.excel",
    "FixedWidth": "source.format.fixed",
    "Format": "source.format.protocol",
    "Json": "source.format.whole",
    "JsonLines": "source.format.line",
    "Parquet": "source.format.parquet",
    "Xml": "source.format.markup",
}

__all__ = sorted(HOMES)  # noqa: PLE0605

__getattr__ = late.finder(__name__, HOMES)
