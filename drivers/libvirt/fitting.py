"""Fitting a running guest to a plan: memory, CPUs, root disk, exposed ports, each where it differs and can follow."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import libvirt
from lxml import etree

from domain.guest import Forward, GuestPlan
from drivers.libvirt import forwarding, ports
from drivers.libvirt.errors import is_code
from drivers.libvirt.guest_info import silent
from drivers.libvirt.live import unless_ended
from drivers.libvirt.metadata import CONFIG, LIVE, configured, write_guest
from drivers.libvirt.networks import Link, UserLink
from drivers.libvirt.qcow2 import whole
from drivers.libvirt.shape import ROOT_DISK, ballooned, close, max_cpus, max_memory
from drivers.libvirt.sight import Sight, look

_LOG = logging.getLogger(__name__)
_PACE = 0.1
"""Seconds between two looks at what a guest makes of a request."""
_BALLOON_SECONDS = 5.0
"""How long a guest may take to give memory back before it is told what it still has."""
_CPU_SECONDS = 2.0
"""How long a guest may take to notice new CPUs."""
_ATTEMPTS = 3
"""How often another host port is tried when somebody took the one that was chosen."""
_REFUSED = (
    libvirt.VIR_ERR_CONFIG_UNSUPPORTED,
    libvirt.VIR_ERR_INTERNAL_ERROR,
    libvirt.VIR_ERR_INVALID_ARG,
    libvirt.VIR_ERR_OPERATION_FAILED,
    libvirt.VIR_ERR_OPERATION_TIMEOUT,
    libvirt.VIR_ERR_OPERATION_UNSUPPORTED,
)
"""How libvirt says that QEMU or the guest does not take a change: it is left for the next power-on."""


class Fitting:
    """Fits one running domain to a plan. Raises libvirtError only when the hypervisor itself is in trouble.

    seen: the running incarnation, just looked at.
    """

    def __init__(self, connection: libvirt.virConnect, domain: libvirt.virDomain, seen: Sight, plan: GuestPlan) -> None:
        self._connection = connection
        self._domain = domain
        self._plan = plan
        self._mark = seen.mark
        self._agent = seen.connected

    def fit(self, link: Link) -> None:
        """Change what differs and can follow."""
        with unless_ended(self._domain):
            for change in (self._fit_memory, self._fit_cpus, self._fit_disk, lambda: self._fit_ports(link)):
                with self._left_if_refused():
                    change()

    def _fit_memory(self) -> None:
        wanted = min(self._plan.memory, max_memory(self._document()))
        if not (close(ballooned(self._document()), wanted) and wanted == self._mark.memory):
            self._domain.setMemoryFlags(-(-wanted // 1024), LIVE)
            # A guest that is not up yet has no balloon driver to answer with.
            slow = self._agent and not self._within(
                _BALLOON_SECONDS, lambda: close(ballooned(self._document()), wanted)
            )
            self._note(memory=wanted, slow=slow)

    def _fit_cpus(self) -> None:
        """Add CPUs. None is taken away: a guest may be slow to let go of one, and QEMU 7.2 crashes on a late answer."""
        wanted = min(self._plan.cpus, max_cpus(self._document()))
        shape = look(self._domain).shape
        if shape is not None and shape.cpus < wanted:
            self._domain.setVcpusFlags(wanted, LIVE)
            if self._agent:
                self._within(_CPU_SECONDS, lambda: self._use_cpus(wanted))

    def _use_cpus(self, wanted: int) -> bool:
        """Have the agent take new CPUs into use, where the guest's own rules do not; return whether it did."""
        try:
            self._domain.setVcpusFlags(wanted, libvirt.VIR_DOMAIN_VCPU_GUEST)
        except libvirt.libvirtError as error:
            if not (silent(error) or is_code(error, *_REFUSED)):
                raise
            return False
        return True

    def _fit_disk(self) -> None:
        shape = look(self._domain).shape
        if shape is not None and shape.disk < self._plan.disk:
            self._domain.blockResize(ROOT_DISK, whole(self._plan.disk), libvirt.VIR_DOMAIN_BLOCK_RESIZE_BYTES)
        if self._mark.disk != self._plan.disk:
            self._note(disk=self._plan.disk)

    def _fit_ports(self, link: Link) -> None:
        wanted = self._plan.shape
        if (self._mark.tcp, self._mark.udp) == (wanted.tcp, wanted.udp):
            return
        if not isinstance(link, UserLink):
            self._note(tcp=wanted.tcp, udp=wanted.udp)
            return
        opened = self._reforward(link)
        reached = {(each.protocol, each.guest) for each in opened}
        self._note(
            tcp=tuple(port for port in wanted.tcp if ("tcp", port) in reached),
            udp=tuple(port for port in wanted.udp if ("udp", port) in reached),
            forwards=opened,
        )
        config = configured(self._domain)
        reserved = tuple(each for each in opened if each not in config.forwards)
        write_guest(self._domain, config.model_copy(update={"reserved": reserved}), CONFIG)

    def _reforward(self, link: UserLink) -> tuple[Forward, ...]:
        """Close the ports that are no longer exposed, open those that are now; return what is open in the end.

        What is open is asked of QEMU: an attempt that was cut off may not have written it down.
        """
        exposed = set(ports.exposed(self._plan))
        for unwanted in forwarding.forwarded(self._domain):
            if (unwanted.protocol, unwanted.guest) not in exposed:
                forwarding.withdraw(self._domain, unwanted, link.listen)
        recorded = (*self._mark.forwards, *configured(self._domain).reserved)
        for _ in range(_ATTEMPTS):
            held = forwarding.forwarded(self._domain)
            taken = ports.taken(self._connection, self._plan.uid)
            chosen = ports.choose(self._plan, recorded, link.listen, taken, held)
            for missing in (each for each in chosen if each not in held):
                forwarding.forward(self._domain, missing, link.listen)
            if set(chosen) <= set(forwarding.forwarded(self._domain)):
                return chosen
        held = forwarding.forwarded(self._domain)
        return tuple(each for each in chosen if each in held)

    def _note(self, **changes: object) -> None:
        """Write down, in the running domain, what was asked of it."""
        self._mark = self._mark.model_copy(update=changes)
        write_guest(self._domain, self._mark, LIVE)

    def _document(self) -> etree._Element:
        return etree.fromstring(self._domain.XMLDesc(0))

    def _within(self, seconds: float, holds: Callable[[], bool]) -> bool:
        """Wait until something holds; return whether it did in time."""
        over = time.monotonic() + seconds
        while not holds():
            if time.monotonic() >= over:
                return False
            time.sleep(_PACE)
        return True

    @contextmanager
    def _left_if_refused(self) -> Iterator[None]:
        try:
            yield
        except libvirt.libvirtError as error:
            if not is_code(error, *_REFUSED):
                raise
            _LOG.info("%s does not follow its plan while it runs: %s", self._domain.name(), error)
