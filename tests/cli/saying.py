"""What a command says when something is wrong, and what it offers to a shell."""

from runtime.settings import Settings
from tests.e2e.stacks import Said, vmflow


def is_one_line(said: Said, reason: str) -> bool:
    """Tell whether a command has failed with one line for people."""
    lines = said.err.splitlines()
    return said.code == 1 and said.out == "" and len(lines) == 1 and lines[0].startswith(f"Error ({reason}): ")


async def completed(settings: Settings, words: str) -> Said:
    """Ask as bash does when somebody presses the tabulator."""
    count = str(len(words.split()) - 1)
    return await vmflow(settings, _VMFLOW_COMPLETE="complete_bash", COMP_WORDS=words, COMP_CWORD=count)
