"""The base of every value in the domain."""

from pydantic import BaseModel, ConfigDict


class Value(BaseModel):
    """A frozen value compared by content; an unknown field is an error, never ignored."""

    model_config = ConfigDict(frozen=True, extra="forbid")
