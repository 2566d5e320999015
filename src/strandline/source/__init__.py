"""The source layer: what a user declares of an API, and how it is read."""

from strandline.natural_key import NaturalKeys
from strandline.source.airbyte import AirbyteSource
from strandline.source.assertion import JwtAssertion
from strandline.source.auth import ApiKey, Basic, Bearer
from strandline.source.conditional import IfChanged
from strandline.source.contract import BooleanString, Contract, Record, Reference, Zone
from strandline.source.cursor import Cursor, Precision
from strandline.source.division import Partitions
from strandline.source.drift import Widened
from strandline.source.file.source import FileSource
from strandline.source.format import Csv, Excel, FixedWidth, Format, Json, JsonLines, Parquet, Xml
from strandline.source.generator import paged
from strandline.source.graphql import Connection
from strandline.source.http import HttpSource
from strandline.source.keyset import Keyset
from strandline.source.moment import READ_TIME
from strandline.source.oauth1 import OAuth1
from strandline.source.oauth2 import ClientCredentials
from strandline.source.page import Page, Pages
from strandline.source.paginator import (
    LinkHeader,
    LinkInBody,
    LinkInHeader,
    Offset,
    PageNumber,
    SinglePage,
    TokenInBody,
    TokenInHeader,
)
from strandline.source.parent import Parents
from strandline.source.personal import Personal
from strandline.source.program import ProgramSettings
from strandline.source.reconciliation import Reconciliation, reconciliation
from strandline.source.report import Download, Ready, Submit
from strandline.source.request import InBody, Paginator
from strandline.source.retry import Retry
from strandline.source.rotation import RefreshToken
from strandline.source.session import SessionLogin
from strandline.source.settings import SourceSettings
from strandline.source.settled import Settled
from strandline.source.signature import HmacSignature
from strandline.source.singer import SingerSource
from strandline.source.sizing import Adaptive
from strandline.source.sql.source import SqlSource
from strandline.source.state import State
from strandline.source.stream import Source, Stream, stream
from strandline.source.tally import Header
from strandline.source.throttle import Rate
from strandline.source.transport import HttpSettings
from strandline.source.vault import FileVault, TokenVault

__all__ = [
    "READ_TIME",
    "Adaptive",
    "AirbyteSource",
    "ApiKey",
    "Basic",
    "Bearer",
    "BooleanString",
    "ClientCredentials",
    "Connection",
    "Contract",
    "Csv",
    "Cursor",
    "Download",
    "Excel",
    "FileSource",
    "FileVault",
    "FixedWidth",
    "Format",
    "Header",
    "HmacSignature",
    "HttpSettings",
    "HttpSource",
    "IfChanged",
    "InBody",
    "Json",
    "JsonLines",
    "JwtAssertion",
    "Keyset",
    "LinkHeader",
    "LinkInBody",
    "LinkInHeader",
    "NaturalKeys",
    "OAuth1",
    "Offset",
    "Page",
    "PageNumber",
    "Pages",
    "Paginator",
    "Parents",
    "Parquet",
    "Partitions",
    "Personal",
    "Precision",
    "ProgramSettings",
    "Rate",
    "Ready",
    "Reconciliation",
    "Record",
    "Reference",
    "RefreshToken",
    "Retry",
    "SessionLogin",
    "Settled",
    "SingerSource",
    "SinglePage",
    "Source",
    "SourceSettings",
    "SqlSource",
    "State",
    "Stream",
    "Submit",
    "TokenInBody",
    "TokenInHeader",
    "TokenVault",
    "Widened",
    "Xml",
    "Zone",
    "paged",
    "reconciliation",
    "stream",
]
