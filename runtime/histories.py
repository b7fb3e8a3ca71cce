"""Which histories a database holds: a note beside it, compared before workers would meet what they cannot replay."""

from domain.problem import Problem
from manifests.contract import HISTORIES
from runtime.settings import Settings

_NOTE = "histories"


def ensure_replayable(settings: Settings) -> None:
    """Note the histories of a new database; raises Problem.terminal `OtherHistories` when an old one has others."""
    note = settings.database.with_name(_NOTE)
    if not settings.database.exists():
        note.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        note.write_text(f"{HISTORIES}\n")
    elif not note.exists() or note.read_text().strip() != str(HISTORIES):
        raise Problem.terminal(
            "OtherHistories",
            f"{settings.database} holds objects of another version of vmflow, which this one cannot take over; delete "
            f"them with the version that made them and remove {settings.database.parent}, or set VMFLOW_HOME to "
            "another folder",
            field=str(settings.database),
        )
