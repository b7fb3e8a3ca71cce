"""What a command says when something is wrong, and what it offers to a shell."""

import getpass
import socket

from runtime.objects import CODES
from runtime.settings import Settings
from tests.e2e.stacks import Said, vmflow

ME = f"{getpass.getuser()}@{socket.gethostname()}"
"""Who asks, as commands say it."""


def is_one_line(said: Said, reason: str) -> bool:
    """Tell whether a command has failed with one line for people."""
    lines = said.err.splitlines()
    return said.code == 1 and said.out == "" and len(lines) == 1 and lines[0].startswith(error(reason))


def error(reason: str) -> str:
    """Return how a line about trouble of that reason begins: with the code of what Kubernetes knows as well."""
    return f"Error ({CODES[reason]} {reason}): " if reason in CODES else f"Error ({reason}): "


async def completed(settings: Settings, words: str) -> Said:
    """Ask as bash does when somebody presses the tabulator."""
    count = str(len(words.split()) - 1)
    return await vmflow(settings, _VMFLOW_COMPLETE="complete_bash", COMP_WORDS=words, COMP_CWORD=count)
