"""How far a partial file is true, and of which version of the source."""

from pydantic import Field, ValidationError

from domain.model import Value
from images.layout import Files, replace_text


class Cursor(Value):
    """The state of a download that outlives its process.

    offset:        bytes of the partial file that are synced; what lies beyond is not believed.
    total:         bytes of the source; 0 while unknown.
    etag:          the version's strong or weak entity tag, or empty.
    last_modified: the version's date as the server writes it, or empty.
    fetched:       bytes received in all attempts together.
    whole:         the partial file is the complete source.
    """

    offset: int = Field(default=0, ge=0)
    total: int = Field(default=0, ge=0)
    etag: str = ""
    last_modified: str = ""
    fetched: int = Field(default=0, ge=0)
    whole: bool = False

    @property
    def validator(self) -> str:
        """The value of If-Range, or empty when the server gave nothing that names its version.

        A weak tag will not do (RFC 9110, 13.1.5): equal weak tags do not promise equal bytes.
        """
        return self.last_modified if self.etag.startswith("W/") else self.etag or self.last_modified


def load(files: Files) -> Cursor:
    """Return the cursor an earlier attempt left, or one at zero.

    Bytes behind the offset were received by an attempt that was killed: they count as fetched although they are
    fetched again.
    """
    try:
        cursor = Cursor.model_validate_json(files.cursor.read_bytes())
    except (FileNotFoundError, ValidationError):
        cursor = Cursor()
    size = files.partial.stat().st_size if files.partial.exists() else 0
    if size < cursor.offset:
        return Cursor(fetched=cursor.fetched)
    return cursor.model_copy(update={"fetched": cursor.fetched + size - cursor.offset})


def store(files: Files, cursor: Cursor) -> None:
    """Publish a cursor; the bytes it speaks of are synced already."""
    replace_text(files.cursor, cursor.model_dump_json())
