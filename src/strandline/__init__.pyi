"""The public API, as type checkers see it."""

from strandline.errors import StrandlineError as StrandlineError
from strandline.model import BooleanStringType as BooleanStringType, DimDate as DimDate, Dimension as Dimension, Fact as Fact, Mapper as Mapper, Money as Money, NormalizedEmail as NormalizedEmail, ReferenceType as ReferenceType, attribute as attribute, degenerate as degenerate, event_time as event_time, field as field, grain as grain, measure as measure, references as references
from strandline.pipeline import Pipeline as Pipeline, run as run
from strandline.source import ApiKey as ApiKey, Basic as Basic, Bearer as Bearer, BooleanString as BooleanString, Cursor as Cursor, HttpSource as HttpSource, Pages as Pages, Precision as Precision, READ_TIME as READ_TIME, Record as Record, Reference as Reference, SourceSettings as SourceSettings, Zone as Zone, stream as stream
from strandline.warehouse.database import Database as Database

__all__: list[str]
HOMES: dict[str, str]
