"""How rows get to the database and out of it: raw log, merges, keys, marks, repositories."""

# Not the module: the one of that name here would be hidden by it.
from strandline.late import finder

HOMES = {
    "Database": "warehouse.database",
    "DimensionRepository": "warehouse.repository.protocol",
    "Memory": "warehouse.repository.memory",
    "Page": "warehouse.repository.page",
    "Repository": "warehouse.repository.protocol",
    "UnitOfWork": "warehouse.repository.unit",
    "create_tables": "warehouse.creation",
    "open_warehouse": "warehouse.opened",
}

__all__ = sorted(HOMES)  # noqa: PLE0605

__getattr__ = finder(__name__, HOMES)


def __dir__() -> list[str]:
    return __all__
