"""The source layer: what a user declares of an API, and how it is read."""

from strandline import late

# At once: a module of the same name would stand in the way of each.
from strandline.source.reconciliation import reconciliation as reconciliation
from strandline.source.stream import stream as stream

HOMES = {
    "Adaptive": "source.sizing",
    "AirbyteSource": "source.airbyte",
    "ApiKey": "source.auth",
    "Basic": "source.auth",
    "Bearer": "source.auth",
    "BooleanString": "source.contract",
    "ClientCredentials": "source.oauth2",
    "Connection": "source.graphql",
    "Contract": "source.contract",
    "Csv": "source.format",
    "Cursor": "source.cursor",
    "DbtSource": "source.sql.dbt",
    "Download": "source.report",
    "ErrorInBody": "source.refusal",
    "Excel": "source.format",
    "FileSource": "source.file.source",
    "FileVault": "source.vault",
    "FixedWidth": "source.format",
    "Flag": "source.tombstone",
    "Format": "source.format",
    "Header": "source.tally",
    "HmacSignature": "source.signature",
    "HttpSettings": "source.transport",
    "HttpSource": "source.http",
    "IfChanged": "source.conditional",
    "InBody": "source.request",
    "Json": "source.format",
    "JsonLines": "source.format",
    "JwtAssertion": "source.assertion",
    "Keyset": "source.keyset",
    "LinkHeader": "source.paginator",
    "LinkInBody": "source.paginator",
    "LinkInHeader": "source.paginator",
    "NaturalKeys": "natural_key",
    "OAuth1": "source.oauth1",
    "Offset": "source.paginator",
    "Page": "source.page",
    "PageNumber": "source.paginator",
    "Pages": "source.page",
    "Paginator": "source.request",
    "Parents": "source.parent",
    "Parquet": "source.format",
    "Partitions": "source.division",
    "Personal": "source.personal",
    "Precision": "source.cursor",
    "ProgramSettings": "source.program",
    "READ_TIME": "source.moment",
    "Rate": "source.throttle",
    "Ready": "source.report",
    "Reconciliation": "source.reconciliation",
    "Record": "source.contract",
    "Reference": "source.contract",
    "RefreshToken": "source.rotation",
    "Retry": "source.retry",
    "SessionLogin": "source.session",
    "Settled": "source.settled",
    "SingerSource": "source.singer",
    "SinglePage": "source.paginator",
    "Source": "source.stream",
    "SourceSettings": "source.settings",
    "SqlSource": "source.sql.source",
    "State": "source.state",
    "Stream": "source.stream",
    "Submit": "source.report",
    "TokenInBody": "source.paginator",
    "TokenInHeader": "source.paginator",
    "TokenVault": "source.vault",
    "Widened": "source.drift",
    "Xml": "source.format",
    "Zone": "source.contract",
    "paged": "source.generator",
}

__all__ = sorted([*HOMES, "reconciliation", "stream"])  # noqa: PLE0605

__getattr__ = late.finder(__name__, HOMES)


def __dir__() -> list[str]:
    return __all__
