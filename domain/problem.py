"""What can go wrong, in one vocabulary.

Every layer below the workflows reports trouble as a `Problem`. Its verdict is the only thing that decides what happens
next; nobody matches message texts.
"""

from enum import StrEnum
from typing import Self


class Verdict(StrEnum):
    """What a problem means for the step that met it."""

    RETRY = "Retry"
    """Passing trouble: the same step may succeed soon. No fact about the guest follows from it."""
    WAIT = "Wait"
    """Benign: something else must happen first (room, an image, a hypervisor). Wakes, not hurry, resolve it."""
    TERMINAL = "Terminal"
    """The same input will fail the same way: only a changed declaration or an operator resolves it."""


class Problem(Exception):
    """Trouble with a type (`reason`), the object or field it concerns and a sentence that says what to do.

    reason:  CamelCase word, stable, usable as a Kubernetes condition reason.
    message: one sentence for a person; never contains a secret.
    field:   path of the manifest field at fault (`spec.storage.root.source.http.url`), or the object's name.
    """

    def __init__(self, reason: str, message: str, *, verdict: Verdict, field: str = "") -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.verdict = verdict
        self.field = field

    def __str__(self) -> str:
        return f"{self.field}: {self.message}" if self.field else self.message

    @classmethod
    def retry(cls, reason: str, message: str, *, field: str = "") -> Self:
        """Return a problem that passes by itself."""
        return cls(reason, message, verdict=Verdict.RETRY, field=field)

    @classmethod
    def wait(cls, reason: str, message: str, *, field: str = "") -> Self:
        """Return a problem that something else will resolve."""
        return cls(reason, message, verdict=Verdict.WAIT, field=field)

    @classmethod
    def terminal(cls, reason: str, message: str, *, field: str = "") -> Self:
        """Return a problem that the same input will always meet."""
        return cls(reason, message, verdict=Verdict.TERMINAL, field=field)
