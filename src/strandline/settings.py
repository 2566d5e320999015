"""Settings of strandline itself: where the warehouse is, what its schemas are called, where the pipelines
are.

Read from `STRANDLINE_…` variables and `.env`; a flag of the command line wins over both.
"""

from pathlib import Path

from pydantic import BaseModel, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Schemas(BaseModel):
    """What the layers' schemas are called in the database."""

    raw: str = "raw"
    staging: str = "staging"
    warehouse: str = "warehouse"
    analytics: str = "analytics"
    strandline: str = "strandline"


class Settings(BaseSettings):
    """`STRANDLINE_DATABASE_URL`, `STRANDLINE_SCHEMAS__RAW`, `STRANDLINE_APP`, `STRANDLINE_HOME`,
    `STRANDLINE_WORKERS`, `STRANDLINE_SECRET_KEY`.
    """

    model_config = SettingsConfigDict(
        env_prefix="STRANDLINE_",
        env_nested_delimiter="__",
        env_file=".env",
        extra="ignore",
        hide_input_in_errors=True,
    )

    database_url: str | None = Field(
        None, description="The warehouse; without it an embedded PostgreSQL is used"
    )
    schemas: Schemas = Field(default_factory=Schemas, description="What the layers' schemas are called")
    app: str = Field("pipeline", description="The modules that declare the pipelines, separated by commas")
    home: Path = Field(Path(".strandline"), description="Where the embedded PostgreSQL keeps its data")
    workers: int | None = Field(
        None, ge=0, description="How many processes help a run with a stream of many records"
    )
    secret_key: SecretStr | None = Field(
        None, description="What credentials that change are encrypted with; several with commas, newest first"
    )
