"""How far a booting guest is, read from its serial console."""

import re

from domain.model import Value

FINISHED = "cloud-init finished"

STAGES: tuple[tuple[str, re.Pattern[str]], ...] = (
    (FINISHED, re.compile(r"Cloud-init v\. \S+ finished at")),
    ("cloud-init: final modules", re.compile(r"Cloud-init v\. \S+ running 'modules:final'")),
    ("cloud-init: config modules", re.compile(r"Cloud-init v\. \S+ running 'modules:config'")),
    ("cloud-init: network is up", re.compile(r"Cloud-init v\. \S+ running 'init'")),
    ("cloud-init: local stage", re.compile(r"Cloud-init v\. \S+ running 'init-local'")),
    ("login prompt", re.compile(r"^\S+ login:", re.MULTILINE)),
    ("services are starting", re.compile(r"systemd\[1\]|Welcome to |: ready\r?$", re.MULTILINE)),
    ("kernel is booting", re.compile(r"Linux version|Run /s?bin/init|Decompressing Linux|\[\s+\d+\.\d+\]")),
    ("boot loader", re.compile(r"\S")),
)
"""Latest stage first. The cloud-init lines are those cloud-init prints itself when a stage begins or ends."""

_ESCAPE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|.)")
"""A terminal's control sequence (ECMA-48), as systemd's colours are."""


class BootProgress(Value):
    """What a booting guest last showed: the stage and its latest console line (printable characters only)."""

    stage: str
    line: str = ""

    @property
    def finished(self) -> bool:
        """Whether the guest has nothing more to tell about its boot."""
        return self.stage == FINISHED


def boot_progress(console: bytes) -> BootProgress:
    """Return how far a guest is; `power on` when its console is still empty."""
    text = _ESCAPE.sub("", console.decode(errors="replace"))
    stage = next((name for name, pattern in STAGES if pattern.search(text)), "power on")
    lines = ("".join(char for char in line if char.isprintable()).strip() for line in reversed(text.splitlines()))
    return BootProgress(stage=stage, line=next((line for line in lines if line), "")[:160])
