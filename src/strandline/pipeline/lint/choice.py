"""What a project chooses: how severe a rule is and why, what names look like, and how much is too much."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from strandline.errors import DeclarationError

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

    rules: dict[str, Override] = Field(default_factory=dict)
    """Rules that are more or less severe here, or off."""
    strict: bool = False
    """Warnings end the command with 1 as well."""
    table_names: Literal["singular", "plural"] = "singular"
    longest_name: int = Field(40, ge=8, le=63)
    """In letters; above it a name is too long."""
    most_attributes: int = Field(80, ge=1)
    """Above it a dimension is too wide."""
    most_references: int = Field(20, ge=1)
    """Above it a fact is a centipede."""
    most_flags: int = Field(5, ge=1)
    """Above it the flags and statuses of a fact belong into a junk dimension."""
    boolean_prefixes: tuple[str, ...] = ()
    """More words that a column of yes and no may begin with."""
    moment_suffixes: tuple[str, ...] = ()
    """More words that a moment may end with."""
    day_suffixes: tuple[str, ...] = ()
    """More words that a date may end with."""
    money_words: tuple[str, ...] = ()
    """More words by which one sees that a column is money."""
    personal_words: tuple[str, ...] = ()
    """More words by which one sees that a column points at a person."""


def read(given: Mapping[str, Any], *, where: str, rules: Iterable[str]) -> Choice:
    """The choice that this mapping makes. Raises DeclarationError naming everything that is wrong in it."""
    try:
        choice = Choice.model_validate(dict(given))
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, it['loc']))}: {it['msg']}" for it in error.errors())
        raise DeclarationError(
            f"{where}: {wrong}", hint="docs/reference/rules.md tells what can be chosen."
        ) from error
    known = list(rules)
    for name in choice.rules:
        if name not in known:
            raise unknown_rule(name, known, where=where)
    return choice


def unknown_rule(name: str, known: Iterable[str], *, where: str) -> DeclarationError:
    """What is raised for a rule that is not there."""
    near = get_close_matches(name, list(known), n=1, cutoff=0.5)
    hint = f"Did you mean {near[0]!r}?" if near else "strandline check --rules lists all."
    return DeclarationError(f"{where}: there is no rule {name!r}", hint=hint)
