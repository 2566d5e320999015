"""What is found in `strandline.warehouse`, as type checkers see it."""

from strandline.warehouse.creation import create_tables as create_tables
from strandline.warehouse.database import Database as Database
from strandline.warehouse.opened import open_warehouse as open_warehouse
from strandline.warehouse.repository.memory import Memory as Memory
from strandline.warehouse.repository.page import Page as Page
from strandline.warehouse.repository.protocol import DimensionRepository as DimensionRepository
from strandline.warehouse.repository.protocol import Repository as Repository
from strandline.warehouse.repository.unit import UnitOfWork as UnitOfWork

HOMES: dict[str, str]
