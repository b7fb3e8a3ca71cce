"""Disk images: where they come from, what they are once cached."""

from hashlib import sha256

from domain.model import Value


class ImageSource(Value):
    """An HTTP(S) source. checksum is `sha256:<64 hex digits>` of the bytes as served, or empty when not pinned."""

    url: str
    checksum: str = ""


class ImageFacts(Value):
    """A cached image: verified, in a known format, published under its final name.

    key:          `image_key` of its source; the cached file is `<key>.qcow2`.
    sha256:       hex digest of the bytes as served.
    format:       the format the source had (`qcow2`, `raw`, `vmdk`, ...); the cached file is always qcow2.
    virtual_size: bytes the guest sees; a root disk must be at least as large.
    size:         bytes of the cached file.
    fetched:      bytes that came over the network for it, all attempts together.
    """

    key: str
    sha256: str
    format: str
    virtual_size: int
    size: int
    fetched: int = 0


class ImportProgress(Value):
    """How far an import is; the heartbeat of the activity and what people see.

    stage:      `downloading`, `verifying`, `converting` or `publishing`.
    done:       bytes of the source that are on disk and synced; total is 0 when the server does not say.
    rate:       bytes per second over the last moments.
    """

    stage: str
    done: int = 0
    total: int = 0
    rate: float = 0.0


def image_key(namespace: str, source: ImageSource) -> str:
    """Return the cache key of a source: 32 hex digits.

    The namespace is part of it, so no tenant can plant an image under a URL another tenant will use.
    """
    text = f"{namespace}\n{source.url}\n{source.checksum}"
    return sha256(text.encode()).hexdigest()[:32]
