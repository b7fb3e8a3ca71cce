"""What payloads say. Any Temporal client may have sent them, in whatever encoding: one nobody can read is no error."""

from collections.abc import Sequence
from typing import Any

from temporalio.api.common.v1 import Payload
from temporalio.converter import DataConverter

UNREADABLE = "(unreadable)"
"""What a payload says that no converter of ours can read."""


async def said(converter: DataConverter, payloads: Sequence[Payload]) -> list[Any]:
    """Return what payloads say, as JSON values; `UNREADABLE` for all of them when one cannot be read."""
    try:
        return await converter.decode(payloads)
    except Exception:  # noqa: BLE001 - converters have no common error
        return [UNREADABLE] * len(payloads)
