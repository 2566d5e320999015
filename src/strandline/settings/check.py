"""What a project chooses of `strandline check`: how severe a rule is and why, what names look like, and how
much is too much.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

Severity = Literal["error", "warning", "info", "off"]


class Override(BaseModel):
    """Another severity for a rule, and the reason for it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    severity: Severity
    reason: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_word(cls, given: Any) -> Any:
        return {"severity": given} if isinstance(given, str | bool) else given

    @field_validator("severity", mode="before")
    @classmethod
    def _from_yaml(cls, given: Any) -> Any:
        """YAML reads a bare `off` as false."""
        return "off" if given is False else given


class Choice(BaseModel):
    """How a project wants to be checked."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rules: dict[str, Override] = Field(
        default_factory=dict, description="Rules that are more or less severe here, or off, with the reason"
    )
    strict: bool = Field(default=False, description="Whether warnings end strandline check with 1")
    table_names: Literal["singular", "plural"] = Field("singular", description="What names of tables are")
    longest_name: int = Field(40, ge=8, le=63, description="Letters of a name, above which it is too long")
    most_attributes: int = Field(80, ge=1, description="Above it a dimension is too wide")
    most_references: int = Field(20, ge=1, description="Above it a fact is a centipede")
    most_flags: int = Field(5, ge=1, description="Above it the flags of a fact belong into a junk dimension")
    boolean_prefixes: tuple[str, ...] = Field(
        (), description="More words that a column of yes and no may begin with"
    )
    moment_suffixes: tuple[str, ...] = Field((), description="More words that a moment may end with")
    day_suffixes: tuple[str, ...] = Field((), description="More words that a date may end with")
    money_words: tuple[str, ...] = Field((), description="More words by which one sees that it is money")
    personal_words: tuple[str, ...] = Field(
        (), description="More words by which one sees that it points at a person"
    )
