"""The problems an import can meet, each built in one place so that reasons stay stable.

Terminal: `InvalidSource`, `ImageSourceRefused`, `ImageNotFound`, `ImageForbidden`, `ImageTooLarge`, `ImageCorrupt`,
`ImageFormatRefused`, `ImageFormatMismatch`, `InvalidChecksum`, `ChecksumRequired`, `ChecksumMismatch`.
Retry: `ImageUnreachable`, `ImageTruncated`, `ImageDeadlineExceeded`, `ImageBusy`. Wait: `NoSpace`,
`ImageInUse`.
"""

from domain.problem import Problem

SOURCE = "spec.storage.root.source.http.url"
CHECKSUM = "spec.storage.root.source.http.checksum"


def refused(reason: str, message: str) -> Problem:
    """Return the terminal problem of a source that will never do."""
    return Problem.terminal(reason, message, field=SOURCE)


def passing(reason: str, message: str) -> Problem:
    """Return the problem of a source that may do the next time."""
    return Problem.retry(reason, message, field=SOURCE)


def corrupt(message: str) -> Problem:
    """Return the problem of an image whose bytes contradict themselves."""
    return refused("ImageCorrupt", message)


def unsupported(message: str) -> Problem:
    """Return the problem of an image in a form vmflow does not take."""
    return refused("ImageFormatRefused", message)


def too_large(message: str) -> Problem:
    """Return the problem of an image that exceeds a limit of the policy."""
    return refused("ImageTooLarge", message)


def no_space(folder: str) -> Problem:
    """Return the problem of a full image store."""
    return Problem.wait(
        "NoSpace", f"{folder} has no room for this image; free space there and it goes on", field=SOURCE
    )


def in_use(key: str, users: list[str]) -> Problem:
    """Return the problem of an image that must stay as long as disks lean on it."""
    return Problem.wait(
        "ImageInUse",
        f"{len(users)} root disks lean on it, the first is {users[0]}'s; delete those VMs, and it goes",
        field=key,
    )
