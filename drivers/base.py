"""The driver protocol: what every hypervisor must be able to do for a guest.

Rules every driver keeps, proved by tests/drivers/contract.py:

- Calls block; they run on worker threads. A driver is safe to use from many threads at once.
- Every `ensure_…` looks for what an earlier attempt left, by the VM's UID, adopts it and does only what is missing.
  Calling it twice is calling it once. It may be cut off at any point (SIGKILL) and called again.
- Nothing is half there under its final name: partial files carry a name of their own and are renamed when whole.
- Trouble is a `domain.problem.Problem` with a verdict. Failing to reach the hypervisor is `Problem.retry` with reason
  `HypervisorUnreachable`: it is never a fact about a guest. ABSENT is reported only when the hypervisor says so.
- Names, paths and texts from a manifest are data: built into XML or JSON by a library, never by concatenation.
"""

import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

from domain.channel import Endpoint
from domain.guest import GuestPlan, Observation
from domain.hypervisor import HypervisorFacts
from domain.model import Value

Beat = Callable[[], None]
"""Called often (at least every second) during a long call; raises to make the call stop early and cleanly.

What it raises reaches the call's caller unchanged. What was done by then stays done; calling again goes on from there.
"""


class Change(Value):
    """A hint that something about a guest may have changed; `uid` is empty when everything must be looked at again.

    Hints may be lost, doubled or late: whoever gets one observes before believing.
    """

    uid: str
    what: str = ""


class Driver(Protocol):
    """One hypervisor."""

    @property
    def images(self) -> Path:
        """Folder of the image cache on this hypervisor; `GuestPlan.image` names `<images>/<key>.qcow2`."""

    def prepare(self) -> HypervisorFacts:
        """Make the hypervisor usable (folders, storage pool, network: `ensure_…` each) and report what it is."""

    def observe(self, uid: str) -> Observation:
        """Report one guest, including what its agent or lease tells. Never waits for a guest."""

    def inventory(self) -> list[Observation]:
        """Report every guest vmflow built here, without asking guest agents (`guest` may be empty)."""

    def ensure_defined(self, plan: GuestPlan, *, fresh: bool) -> Observation:
        """Build what the plan says (root disk as linked clone, seed, domain) and leave the guest's power as it is.

        A domain and a seed that are there are brought to the plan, which a running guest meets at its next power-on. A
        root disk that is there is grown to the plan's size while no guest runs on it, and otherwise never touched,
        fresh or not: it is never shrunk. A refusal leaves nothing behind that was not there.

        fresh: the guest was never provisioned, so a missing root disk is made. When false, a missing root disk is
               Problem.terminal `RootDiskMissing`: data that was lost is never silently replaced by an empty clone. It
               comes before any trouble with the image.
        Raises Problem.wait `ImageMissing` when the image is not in the cache.
        Raises Problem.terminal `DiskTooSmall` when the plan's disk is smaller than the image's virtual size.
        Raises Problem.terminal `DomainNameTaken` when another domain has the plan's name; nothing was built.
        """

    def ensure_running(self, plan: GuestPlan, *, fresh: bool, start: int) -> Observation:
        """`ensure_defined`, then power on unless it runs. A paused guest stays paused.

        start: number of the power-on that is wanted, 1 or more. A guest that was powered on for this number or a later
               one is not powered on again: if it has ended since, that end is reported (`Observation.start`), so that a
               call which was cut off after its effect never runs a guest twice.
        """

    def ensure_paused(self, uid: str, *, incarnation: str) -> Observation:
        """Freeze one incarnation's CPUs; one that is paused, or is not this incarnation, is left so."""

    def ensure_resumed(self, uid: str, *, incarnation: str) -> Observation:
        """Let one paused incarnation go on; one that runs, or is not this incarnation, is left so."""

    def ensure_rebooted(self, uid: str, *, incarnation: str, request: str, hard: bool) -> Observation:
        """Reboot one running incarnation, which stays the same incarnation.

        hard: press reset; else the guest is asked: by its agent, or by ACPI where there is none.
        request: id of the order. One that the incarnation has met is not repeated (`Observation.reboot`); a call that
                 was cut off between its effect and the note of it presses once more.
        Does nothing when the guest is off, absent, paused, or another incarnation.
        """

    def ensure_fitted(self, plan: GuestPlan, *, incarnation: str) -> Observation:
        """Bring one running incarnation as near to the plan's shape as it can come without a power-on.

        Memory by the balloon, CPUs up to the maximum it was powered on with, the root disk (growing only), exposed
        ports. What cannot be met is left as it is, without an error: the observation's `shape` tells. Does nothing when
        the guest is off, absent, paused, or another incarnation.
        """

    def ensure_stopped(self, uid: str, *, incarnation: str, grace: float, beat: Beat) -> Observation:
        """End one incarnation: ask the agent, then ACPI; after `grace` seconds (0: at once) power off hard.

        Only that incarnation: if the guest is off, absent or runs as another incarnation, nothing is done. Polls
        `beat` while waiting; asks again now and then, for a guest that was not yet listening. Without grace the guest
        is not asked. The cause tells which it was: `GUEST` when it shut itself down, `HOST` when it was powered off.
        """

    def ensure_removed(self, uid: str) -> None:
        """Power off and remove the domain and everything built for it (disk, seed, console log, NVRAM, partial files).

        Removing what is gone succeeds.
        """

    def console(self, uid: str, *, limit: int) -> bytes:
        """Return the last `limit` bytes of the guest's serial console since its latest power-on; empty if none.

        The text stays while the guest is off and goes with its next power-on or its removal.
        """

    def open_channel(self, uid: str, *, endpoint: Endpoint, port: int = 0) -> socket.socket:
        """Return a connected stream socket to a running guest's console, screen or TCP port; the caller closes it.

        Raises Problem.wait `GuestNotRunning`, and Problem.terminal `PortClosed` when the guest cannot be reached there:
        nothing listens, or, where guests are reached through forwarded ports only, the VM does not expose the port.
        """

    def changes(self, stop: threading.Event) -> Iterator[Change]:
        """Yield hints until `stop` is set.

        The first hint has an empty uid, and so has one after every reconnect. A started guest yields a hint when its
        agent connects and one when its first address is known (at the latest a second after it is). Raises
        Problem.retry `HypervisorUnreachable` when the connection breaks; the caller calls again.
        """

    def clones(self, image: str) -> list[str]:
        """Return the UIDs of the guests whose root disk here leans on a cached image (its key): it must stay."""

    def leftovers(self) -> list[str]:
        """Name everything vmflow made here that belongs to no defined domain (disks, seeds, partial files, …).

        For audits: an empty list after every lifecycle. A partial file belongs to no domain, whosever it will be; the
        name of what was built for a guest contains its UID. Of the image cache only
        `drivers.cache.partial_images` counts.
        """

    def close(self) -> None:
        """Let go of connections and threads; guests go on."""
