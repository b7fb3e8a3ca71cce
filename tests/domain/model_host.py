"""A hypervisor small enough to explore: it does what drivers/base.py asks of a driver, for one guest, and keeps record.

What people, guests and luck do to it goes past the protocol, as it does in life.
"""

from dataclasses import dataclass

from domain.guest import GuestInfo, GuestPlan, Observation, Power, Shape, StopCause, absent
from domain.problem import Problem
from domain.run_strategy import Operation
from tests.domain.examples import UID


@dataclass
class Host:
    """One guest's home.

    began:    incarnations so far; ordered: how many of them were ordered through the protocol.
    start:    number of the domain's latest ordered power-on; numbers: all of them, as long as the domain is the same.
    disk:     bytes of the root disk; 0 when there is none.
    carried:  live operations that had an effect: operation, request, incarnation.
    taken:    names of domains that are not vmflow's.
    """

    power: Power = Power.ABSENT
    cause: StopCause = StopCause.UNKNOWN
    began: int = 0
    ordered: int = 0
    start: int = 0
    numbers: tuple[int, ...] = ()
    disk: int = 0
    plan: GuestPlan | None = None
    shape: Shape | None = None
    reboot: str = ""
    carried: tuple[tuple[Operation, str, str], ...] = ()
    taken: frozenset[str] = frozenset()
    cached: bool = True
    reachable: bool = True
    stubborn: bool = False

    @property
    def alive(self) -> bool:
        return self.power in {Power.RUNNING, Power.PAUSED}

    @property
    def incarnation(self) -> str:
        return f"i{self.began}" if self.alive else ""

    def seen(self) -> Observation:
        if self.power is Power.ABSENT:
            return absent(UID)
        if not self.alive:
            return Observation(uid=UID, power=self.power, cause=self.cause, start=self.start)
        return Observation(
            uid=UID,
            power=self.power,
            incarnation=self.incarnation,
            guest=GuestInfo(agent=self.power is Power.RUNNING),
            start=self.start,
            shape=self.shape,
            build=self._built.build,
            reboot=self.reboot,
        )

    @property
    def _built(self) -> GuestPlan:
        assert self.plan is not None
        return self.plan

    # The protocol

    def ensure_defined(self, plan: GuestPlan, *, fresh: bool) -> None:
        if plan.name in self.taken and self.power is Power.ABSENT:
            raise Problem.terminal("DomainNameTaken", "rename or remove the other domain")
        if not self.disk and not fresh:
            raise Problem.terminal("RootDiskMissing", "restore the disk")
        if not self.disk and not self.cached:
            raise Problem.wait("ImageMissing", "import the image first")
        if not self.alive:
            self.disk = max(self.disk, plan.disk)
            self.plan = plan
        if self.power is Power.ABSENT:
            self.power, self.cause, self.start, self.numbers = Power.OFF, StopCause.UNKNOWN, 0, ()

    def ensure_running(self, plan: GuestPlan, *, fresh: bool, start: int) -> None:
        self.ensure_defined(plan, fresh=fresh)
        if not self.alive and self.start < start:
            self.somebody_starts()
            self.ordered, self.start, self.numbers = self.ordered + 1, start, (*self.numbers, start)

    def ensure_ordered(self, operation: Operation, request: str, incarnation: str) -> None:
        if self.incarnation != incarnation:
            return
        match operation, self.power:
            case Operation.PAUSE, Power.RUNNING:
                self.power = Power.PAUSED
            case Operation.UNPAUSE, Power.PAUSED:
                self.power = Power.RUNNING
            case ((Operation.SOFT_REBOOT | Operation.RESET), Power.RUNNING) if self.reboot != request:
                self.reboot = request
            case _:
                return
        self.carried = (*self.carried, (operation, request, incarnation))

    def ensure_fitted(self, plan: GuestPlan, *, incarnation: str) -> None:
        if self.incarnation != incarnation or self.power is not Power.RUNNING or self.shape is None:
            return
        wanted, has = plan.shape, self.shape
        self.disk = max(self.disk, wanted.disk)
        self.shape = Shape(
            cpus=max(has.cpus, min(wanted.cpus, self._built.max_cpus)),
            memory=min(wanted.memory, self._built.max_memory),
            disk=self.disk,
            tcp=wanted.tcp,
            udp=wanted.udp,
        )

    def ensure_stopped(self, *, incarnation: str, grace: float) -> None:
        if self.alive and self.incarnation == incarnation:
            self.end(StopCause.GUEST if grace and not self.stubborn else StopCause.HOST)

    def ensure_removed(self) -> None:
        self.undefine()
        self.disk = 0

    # What happens past it

    def end(self, cause: StopCause) -> None:
        self.power, self.cause, self.shape, self.reboot = Power.OFF, cause, None, ""

    def undefine(self) -> None:
        self.end(StopCause.UNKNOWN)
        self.power, self.start, self.numbers = Power.ABSENT, 0, ()

    def somebody_starts(self) -> None:
        self.power, self.began = Power.RUNNING, self.began + 1
        self.shape = self._built.shape.model_copy(update={"disk": self.disk})
