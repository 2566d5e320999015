"""What is found in `strandline.source.format`, as type checkers see it."""

from strandline.source.format.delimited import Csv as Csv
from strandline.source.format.excel import Excel as Excel
from strandline.source.format.fixed import FixedWidth as FixedWidth
from strandline.source.format.line import JsonLines as JsonLines
from strandline.source.format.markup import Xml as Xml
from strandline.source.format.parquet import Parquet as Parquet
from strandline.source.format.protocol import Format as Format
from strandline.source.format.whole import Json as Json
