"""The public API, as type checkers see it."""

from strandline.errors import StrandlineError as StrandlineError
from strandline.model import (
    AccumulatingSnapshot as AccumulatingSnapshot,
)
from strandline.model import (
    Aggregate as Aggregate,
)
from strandline.model import (
    BooleanStringType as BooleanStringType,
)
from strandline.model import (
    Bridge as Bridge,
)
from strandline.model import (
    DimDate as DimDate,
)
from strandline.model import (
    Dimension as Dimension,
)
from strandline.model import (
    Fact as Fact,
)
from strandline.model import (
    Hierarchy as Hierarchy,
)
from strandline.model import (
    JunkDimension as JunkDimension,
)
from strandline.model import (
    Mapper as Mapper,
)
from strandline.model import (
    MiniDimension as MiniDimension,
)
from strandline.model import (
    Money as Money,
)
from strandline.model import (
    NormalizedEmail as NormalizedEmail,
)
from strandline.model import (
    PeriodicSnapshot as PeriodicSnapshot,
)
from strandline.model import (
    ReferenceType as ReferenceType,
)
from strandline.model import (
    ShrunkenDimension as ShrunkenDimension,
)
from strandline.model import (
    allocate as allocate,
)
from strandline.model import (
    attribute as attribute,
)
from strandline.model import (
    bands as bands,
)
from strandline.model import (
    combination as combination,
)
from strandline.model import (
    degenerate as degenerate,
)
from strandline.model import (
    event_time as event_time,
)
from strandline.model import (
    field as field,
)
from strandline.model import (
    grain as grain,
)
from strandline.model import (
    lag as lag,
)
from strandline.model import (
    line as line,
)
from strandline.model import (
    line_number as line_number,
)
from strandline.model import (
    measure as measure,
)
from strandline.model import (
    milestone as milestone,
)
from strandline.model import (
    period as period,
)
from strandline.model import (
    references as references,
)
from strandline.pipeline import Pipeline as Pipeline
from strandline.pipeline import run as run
from strandline.source import (
    READ_TIME as READ_TIME,
)
from strandline.source import (
    ApiKey as ApiKey,
)
from strandline.source import (
    Basic as Basic,
)
from strandline.source import (
    Bearer as Bearer,
)
from strandline.source import (
    BooleanString as BooleanString,
)
from strandline.source import (
    Cursor as Cursor,
)
from strandline.source import (
    HttpSource as HttpSource,
)
from strandline.source import (
    Pages as Pages,
)
from strandline.source import (
    Personal as Personal,
)
from strandline.source import (
    Precision as Precision,
)
from strandline.source import (
    Record as Record,
)
from strandline.source import (
    Reference as Reference,
)
from strandline.source import (
    SourceSettings as SourceSettings,
)
from strandline.source import (
    Zone as Zone,
)
from strandline.source import (
    stream as stream,
)
from strandline.warehouse.database import Database as Database

__all__: list[str]
HOMES: dict[str, str]
