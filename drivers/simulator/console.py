"""What a guest prints on its serial console, as a function of the clock."""

import sqlite3
import time
from datetime import UTC, datetime

from domain.guest import StopCause

_BOOT = (
    (0.0, "Linux version 6.1.0-18-cloud-amd64 (debian-kernel@lists.debian.org) #1 SMP PREEMPT_DYNAMIC Debian"),
    (0.0, "Command line: root=/dev/vda1 ro console=ttyS0 no_timer_check"),
    (0.1, "smpboot: Total of 1 processors activated"),
    (0.2, "virtio_blk virtio1: [vda] 512-byte logical blocks"),
    (0.3, "EXT4-fs (vda1): mounted filesystem with ordered data mode. Quota mode: none."),
    (0.4, "systemd[1]: Detected virtualization simulator."),
    (0.6, "cloud-init[312]: Cloud-init v. 22.4.2 running 'init-local'"),
    (0.8, "cloud-init[371]: Cloud-init v. 22.4.2 running 'modules:config'"),
)
"""How far into the boot, as a fraction of its length, a line appears."""
_FAREWELL = {
    StopCause.GUEST: "reboot: Power down",
    StopCause.CRASHED: "Kernel panic - not syncing: sysrq triggered crash",
}


def console(row: sqlite3.Row) -> bytes:
    """Return everything a domain printed since its latest power-on; the row is `guests.find`'s."""
    if not row["incarnation"]:
        return b""
    now = time.time()
    until = min(now, row["ends"])
    length = row["listens"] - row["booting"]
    lines: list[str] = []
    for _ in range(row["reboots"]):
        lines += _boot(row["hostname"], row["started"], length, row["started"] + length)
        lines.append(_stamped(length, "reboot: Restarting system"))
    lines += _boot(row["hostname"], row["booting"], length, until)
    if row["ends"] <= now and row["cause"] in _FAREWELL:
        lines.append(_stamped(until - row["booting"], _FAREWELL[StopCause(row["cause"])]))
    return "".join(f"{line}\r\n" for line in lines).encode(errors="replace")


def _boot(hostname: str, began: float, length: float, until: float) -> list[str]:
    """Return the lines of a boot that took `length` seconds, as far as it came by a moment."""
    elapsed = until - began
    lines = [_stamped(share * length, text) for share, text in _BOOT if share * length <= elapsed]
    if length <= elapsed:
        when = datetime.fromtimestamp(began + length, UTC).strftime("%a, %d %b %Y %H:%M:%S +0000")
        lines += [
            _stamped(
                length,
                f"cloud-init[389]: Cloud-init v. 22.4.2 finished at {when}. Datasource DataSourceNoCloud"
                f" [seed=/dev/vdb][dsmode=net].  Up {length:.2f} seconds",
            ),
            "",
            f"Debian GNU/Linux 12 {hostname} ttyS0",
        ]
    return lines


def _stamped(seconds: float, text: str) -> str:
    return f"[{seconds:12.6f}] {text}"
