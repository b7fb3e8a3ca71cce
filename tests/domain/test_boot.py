"""How far a guest is, read from what its console showed so far."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.boot import STAGES, boot_progress

CONSOLE = """\
\x1b[2J\x1b[1;1HGNU GRUB  version 2.06\r
[    0.000000] Linux version 6.1.0-18-cloud-amd64 (debian-kernel@lists.debian.org)\r
[    2.412345] systemd[1]: Detected virtualization qemu.\r
[   10.000001] cloud-init[312]: Cloud-init v. 22.4.2 running 'init-local' at Sat, 21 Nov 2026. Up 9.81 seconds.\r
[   12.000001] cloud-init[340]: Cloud-init v. 22.4.2 running 'init' at Sat, 21 Nov 2026. Up 11.8 seconds.\r
[   14.000001] cloud-init[371]: Cloud-init v. 22.4.2 running 'modules:config' at Sat, 21 Nov 2026. Up 13.8 seconds.\r
[   15.000001] cloud-init[389]: Cloud-init v. 22.4.2 running 'modules:final' at Sat, 21 Nov 2026. Up 14.8 seconds.\r
[   16.000001] cloud-init[389]: Cloud-init v. 22.4.2 finished at Sat, 21 Nov 2026. Up 15.8 seconds\r
"""


@pytest.mark.parametrize(
    ("lines", "stage"),
    [
        (0, "power on"),
        (1, "boot loader"),
        (2, "kernel is booting"),
        (3, "services are starting"),
        (4, "cloud-init: local stage"),
        (5, "cloud-init: network is up"),
        (6, "cloud-init: config modules"),
        (7, "cloud-init: final modules"),
        (8, "cloud-init finished"),
    ],
)
def test_the_stage_follows_the_console(lines: int, stage: str) -> None:
    shown = "".join(CONSOLE.splitlines(keepends=True)[:lines])
    assert boot_progress(shown.encode()).stage == stage


def test_only_the_last_stage_is_the_end() -> None:
    shown = CONSOLE.splitlines(keepends=True)
    ends = [boot_progress("".join(shown[:count]).encode()).finished for count in range(len(shown) + 1)]
    assert ends == [False] * len(shown) + [True]


@pytest.mark.parametrize(
    ("text", "stage"),
    [
        ("Debian GNU/Linux 12 web ttyS0\r\n\r\nweb login: ", "login prompt"),
        ("Welcome to \x1b[1mDebian GNU/Linux 12 (bookworm)\x1b[0m!\r\n", "services are starting"),
        ("guest: ready\r\n", "services are starting"),
        ("guest: ready\n", "services are starting"),
        ("Run /sbin/init as init process\r\n", "kernel is booting"),
        ("SeaBIOS (version 1.16.2)\r\n", "boot loader"),
        (" \r\n\t\r\n", "power on"),
    ],
)
def test_guests_without_cloud_init_show_themselves_too(text: str, stage: str) -> None:
    assert boot_progress(text.encode()).stage == stage


@pytest.mark.parametrize(
    ("console", "line"),
    [
        (b"", ""),
        (b"first\r\nlast\r\n\r\n  \r\n", "last"),
        (b"[\x1b[0;32m  OK  \x1b[0m] Started \x1b[0;1;39mOpenSSH\x1b[0m.\r\n", "[  OK  ] Started OpenSSH."),
        (b"half a charact\xc3", "half a charact\N{REPLACEMENT CHARACTER}"),
        (b"bell\x07 and null\x00", "bell and null"),
        (b"x" * 500, "x" * 160),
    ],
)
def test_the_latest_line_is_told_without_what_a_terminal_would_obey(console: bytes, line: str) -> None:
    assert boot_progress(console).line == line


@given(st.binary(max_size=200))
def test_whatever_a_guest_prints_is_read(console: bytes) -> None:
    progress = boot_progress(console)
    assert progress.stage in {"power on", *(name for name, _ in STAGES)}
    assert progress.line.isprintable()
    assert len(progress.line) <= 160
