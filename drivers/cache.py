"""What a driver knows of the image cache on its hypervisor; the cache itself is kept by `images`."""

from pathlib import Path

_WHOLE = {".qcow2", ".json", ".lock"}
"""How the names of an image, its facts and its importer's lock end. Whatever else lies there was made on the way."""


def partial_images(images: Path) -> list[str]:
    """Name what imports left unfinished in a cache, as `images/<name>`; a cache that is not there has nothing."""
    if not images.is_dir():
        return []
    return sorted(f"images/{path.name}" for path in images.iterdir() if path.suffix not in _WHOLE)
