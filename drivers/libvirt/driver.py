"""The driver protocol, told to libvirt.

`drivers.base.Driver` says what each call means. Every step may be cut off after any line: the disk is published before
the domain is defined, the domain is defined before it is powered on, and each finds what the one before left.
"""

import errno
import socket
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

import libvirt

from domain.channel import Endpoint
from domain.guest import GuestPlan, Observation, Power, absent
from domain.hypervisor import HypervisorFacts, LibvirtSpec
from domain.problem import Problem
from drivers.base import Beat, Change
from drivers.libvirt.building import Builder
from drivers.libvirt.channels import screen, tcp_port
from drivers.libvirt.console import read_tail
from drivers.libvirt.errors import is_code
from drivers.libvirt.facts import read_facts
from drivers.libvirt.fitting import Fitting
from drivers.libvirt.guest_info import guest_info
from drivers.libvirt.host import Host, find_domain
from drivers.libvirt.layout import Layout
from drivers.libvirt.live import pause, reboot, resume, unless_ended
from drivers.libvirt.networks import link_to
from drivers.libvirt.power import Shutdown, finish, give_up_start, power_off, power_on
from drivers.libvirt.probe import Accelerator, accelerator
from drivers.libvirt.sight import Sight, glance, look
from drivers.libvirt.storage import Storage
from drivers.libvirt.terminal import attach
from drivers.libvirt.watch import Watch

_EVERYTHING = (
    libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE
    | libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
    | libvirt.VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA
    | libvirt.VIR_DOMAIN_UNDEFINE_NVRAM
    | libvirt.VIR_DOMAIN_UNDEFINE_TPM
)
"""All that libvirt keeps of a domain beside its definition."""

_Living = tuple[libvirt.virConnect, tuple[libvirt.virDomain, Sight] | None]


class LibvirtDriver:
    """One libvirt host. Safe for many threads, and for many processes at once."""

    def __init__(self, spec: LibvirtSpec) -> None:
        self._host = Host(spec.uri)
        self._layout = Layout(spec.directory)
        self._storage = Storage(self._layout, spec.pool)
        self._link = link_to(spec.network)
        self._builder = Builder(self._layout, self._storage, self._link)

    @property
    def images(self) -> Path:
        """Folder of the image cache."""
        return self._layout.images

    def prepare(self) -> HypervisorFacts:
        """Make folders, pool and network; probe the accelerator.

        Raises Problem.terminal `FolderClosed` or `PoolElsewhere`.
        """
        with self._calling() as connection:
            self._layout.ensure_folders()
            if connection.getURI().endswith("/system"):
                self._layout.check_open()
            self._storage.ensure_pool(connection).refresh(0)
            self._link.ensure(connection)
            return read_facts(connection, self._accelerator)

    def observe(self, uid: str) -> Observation:
        """Report one guest with what it tells of itself; a start of it that hangs is given up first."""
        with self._calling(uid) as connection:
            return self._report(connection, uid, _left(connection, uid))

    def inventory(self) -> list[Observation]:
        """Report every domain that carries this hypervisor's mark."""
        with self._calling() as connection:
            return [seen.observation() for seen in self._sights(connection)]

    def ensure_defined(self, plan: GuestPlan, *, fresh: bool) -> Observation:
        """Make disk, seed and domain, each unless it is there."""
        with self._calling(plan.uid) as connection:
            self._builder.ensure_defined(connection, plan, fresh=fresh, accelerator=self._accelerator.name)
            return self._observe(connection, plan.uid)

    def ensure_running(self, plan: GuestPlan, *, fresh: bool, start: int) -> Observation:
        """Define, then power on unless there is an incarnation, or was one for this number."""
        with self._calling(plan.uid) as connection:
            left = _left(connection, plan.uid)
            seen = glance(left) if left is not None else None
            if left is not None and seen is not None and seen.crashed and seen.start < start:
                power_off(left)
            domain = self._builder.ensure_defined(connection, plan, fresh=fresh, accelerator=self._accelerator.name)
            with self._builder.alone(plan.uid):
                seen = look(domain)
                if seen.incarnation:
                    finish(domain, start)
                elif seen.start < start:
                    self._link.ensure(connection)
                    power_on(domain, start)
            return self._observe(connection, plan.uid)

    def ensure_paused(self, uid: str, *, incarnation: str) -> Observation:
        """Freeze one incarnation."""
        with self._living(uid, incarnation, Power.RUNNING) as (connection, found):
            if found:
                pause(found[0])
            return self._observe(connection, uid)

    def ensure_resumed(self, uid: str, *, incarnation: str) -> Observation:
        """Let one frozen incarnation go on."""
        with self._living(uid, incarnation, Power.PAUSED) as (connection, found):
            if found:
                resume(found[0])
            return self._observe(connection, uid)

    def ensure_rebooted(self, uid: str, *, incarnation: str, request: str, hard: bool) -> Observation:
        """Reboot one incarnation, then note the order in it."""
        with self._living(uid, incarnation, Power.RUNNING) as (connection, found):
            if found and found[1].mark.reboot != request:
                reboot(*found, request, hard=hard)
            return self._observe(connection, uid)

    def ensure_fitted(self, plan: GuestPlan, *, incarnation: str) -> Observation:
        """Change what of one incarnation differs from the plan and can follow it."""
        with self._living(plan.uid, incarnation, Power.RUNNING) as (connection, found):
            if found:
                Fitting(connection, *found, plan).fit(self._link)
            return self._observe(connection, plan.uid)

    def ensure_stopped(self, uid: str, *, incarnation: str, grace: float, beat: Beat) -> Observation:
        """Ask the guest until it is off or its grace is over, then power it off."""
        with self._calling(uid) as connection:
            domain = find_domain(connection, uid)
            if domain is not None and incarnation:
                Shutdown(domain, incarnation, lambda: glance(domain)).end(grace, beat)
            return self._observe(connection, uid)

    def ensure_removed(self, uid: str) -> None:
        """Power off, forget the domain, then delete its files: what is left in between is named by `leftovers`."""
        with self._calling(uid) as connection:
            domain = find_domain(connection, uid)
            seen = glance(domain) if domain is not None else None
            if domain is not None and seen is not None:
                power_off(domain)
                if self._host.local:
                    self._link.release(connection, seen.macs)
                _undefine(domain)
                power_off(domain)  # if somebody powered it on in between, it has lost its definition by now
            self._storage.remove(uid)

    def console(self, uid: str, *, limit: int) -> bytes:
        """Return the end of the console's log."""
        with self._filing(uid):
            return read_tail(self._layout.console(uid), limit)

    def open_channel(self, uid: str, *, endpoint: Endpoint, port: int = 0) -> socket.socket:
        """Connect to the guest's console, screen or port."""
        with self._calling(uid) as connection:
            domain = find_domain(connection, uid)
            if domain is None or not self._observe(connection, uid).alive:
                raise Problem.wait("GuestNotRunning", "the guest is off; start it first", field=uid)
            match endpoint:
                case Endpoint.CONSOLE:
                    return attach(self._host.opened(), uid)
                case Endpoint.VNC:
                    return screen(domain)
                case Endpoint.PORT:
                    return tcp_port(connection, domain, self._link, port)

    def changes(self, stop: threading.Event) -> Iterator[Change]:
        """Yield what libvirt's events say, on a connection of their own."""
        return Watch(self._host, self._link, self._ours).changes(stop)

    def clones(self, image: str) -> list[str]:
        """Read it off the disks themselves."""
        with self._filing(""):
            return self._storage.clones(image)

    def leftovers(self) -> list[str]:
        """Name the files that belong to no domain built here, and everything partial."""
        with self._calling() as connection:
            return self._layout.strays({seen.uid for seen in self._sights(connection)})

    def close(self) -> None:
        """Close the connection; guests go on."""
        self._host.close()

    @cached_property
    def _accelerator(self) -> Accelerator:
        with self._host.talking() as connection:
            return accelerator(self._host, connection)

    @contextmanager
    def _living(self, uid: str, incarnation: str, power: Power) -> Iterator[_Living]:
        """Yield a domain with nobody else at it, if it is this incarnation and in this power."""
        with self._calling(uid) as connection, self._builder.alone(uid):
            domain = _left(connection, uid)
            seen = glance(domain) if domain is not None and incarnation else None
            if domain is None or seen is None or seen.incarnation != incarnation:
                yield connection, None
                return
            with unless_ended(domain):
                finish(domain)  # a power-on that was cut off is seen through before anything else happens
            seen = glance(domain)
            there = seen is not None and seen.incarnation == incarnation and seen.power is power
            yield connection, (domain, seen) if seen is not None and there else None

    def _observe(self, connection: libvirt.virConnect, uid: str) -> Observation:
        return self._report(connection, uid, find_domain(connection, uid))

    def _report(self, connection: libvirt.virConnect, uid: str, domain: libvirt.virDomain | None) -> Observation:
        seen = glance(domain) if domain is not None else None
        if seen is None:
            return absent(uid)
        return seen.observation(guest_info(connection, domain, seen, self._link) if seen.incarnation else None)

    def _sights(self, connection: libvirt.virConnect) -> list[Sight]:
        sights = (glance(domain) for domain in connection.listAllDomains(0))
        return [seen for seen in sights if seen is not None and self._ours(seen)]

    def _ours(self, seen: Sight) -> bool:
        return seen.mark.directory == str(self._layout.directory)

    @contextmanager
    def _calling(self, uid: str = "") -> Iterator[libvirt.virConnect]:
        with self._filing(uid), self._host.talking() as connection:
            yield connection

    @contextmanager
    def _filing(self, uid: str) -> Iterator[None]:
        """See that a UID is one, and turn the file system's errors into Problems."""
        if uid and str(uuid.UUID(uid)) != uid:
            raise ValueError(f"{uid!r} is not a UUID in its canonical form")
        try:
            yield
        except OSError as error:
            full = error.errno in {errno.ENOSPC, errno.EDQUOT}
            advice = "make room" if full else "check the folder and its permissions"
            raise Problem.retry(
                "DiskFull" if full else "StorageTrouble",
                f"{error.strerror or error}; {advice}; it is tried again",
                field=str(error.filename or self._layout.directory),
            ) from error


def _left(connection: libvirt.virConnect, uid: str) -> libvirt.virDomain | None:
    """Return a domain as earlier attempts left it, without a start that hangs; None when there is none."""
    domain = find_domain(connection, uid)
    if domain is not None:
        with unless_ended(domain):
            give_up_start(domain)
    return domain


def _undefine(domain: libvirt.virDomain) -> None:
    try:
        domain.undefineFlags(_EVERYTHING)
    except libvirt.libvirtError as error:
        if not is_code(error, libvirt.VIR_ERR_NO_DOMAIN):
            raise
