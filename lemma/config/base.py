"""A section of the configuration, and what of it decides what is asked or kept."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, JsonValue

OPERATIONAL: dict[str, JsonValue] = {"operational": True}


class Section(BaseModel):
    """A part of the configuration: frozen, closed."""

    # defaults are validated too, so that 0 and 0.0 are one value in every hash
    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    def content(self) -> dict[str, JsonValue]:
        """The content keys only, as plain JSON values."""
        return {
            name: content_value(getattr(self, name))
            for name, info in type(self).model_fields.items()
            if info.json_schema_extra != OPERATIONAL
        }


def content_value(value: Any) -> JsonValue:
    """A key's value as plain JSON; of a section, its content keys only."""
    if isinstance(value, Section):
        return value.content()
    if isinstance(value, list | tuple):
        return [content_value(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): content_value(item) for key, item in value.items()}
    return value  # type: ignore[no-any-return]
