"""What people want of a VM, as far as that can be told without looking into its life.

The documentation's table decides on the strategy, and the strategy on what follows a guest's own end. Where reports are
still on their way when something happens, more than one outcome is right; then nothing is claimed but the bounds.
"""

from domain.guest import StopCause
from domain.run_strategy import LIVE, TRANSITIONS, Operation, RunStrategy

RESTARTED = {
    RunStrategy.ALWAYS: set(StopCause),
    RunStrategy.RERUN_ON_FAILURE: set(StopCause) - {StopCause.GUEST},
    RunStrategy.MANUAL: set[StopCause](),
    RunStrategy.HALTED: set[StopCause](),
    RunStrategy.ONCE: set[StopCause](),
}
"""After which ends a strategy starts a guest again that nobody stopped."""

AT_ONCE = {RunStrategy.ALWAYS, RunStrategy.RERUN_ON_FAILURE, RunStrategy.ONCE}
"""Strategies that start a guest when it is declared."""


class Intent:
    """The wish so far.

    running:   whether the guest is to run; None when more than one answer is right.
    stopped:   somebody stopped it, and nobody has started it since.
    paused:    whether it is to be frozen, while that can be told.
    meddled:   somebody acted on the guest without asking vmflow.
    doomed:    the incarnation a restart was to end, unless that was taken back.
    excused:   incarnations that were told to end: their end is nobody's wish of the guest.
    power_ons: how often it may have been powered on by order at most.
    orders:    live operations that were accepted: which, and for which incarnation, by request.
    """

    def __init__(self, strategy: RunStrategy) -> None:
        self.strategy = strategy
        self.running: bool | None = strategy in AT_ONCE
        self.stopped = False
        self.paused: bool | None = None
        self.meddled = False
        self.doomed = ""
        self.excused: set[str] = set()
        self.power_ons = int(strategy in AT_ONCE)
        self.orders: dict[str, tuple[Operation, str]] = {}
        self.requests = 0

    def ask(self, operation: Operation, incarnation: str, request: str, *, knows: bool) -> None:
        """Take an accepted request into account; incarnation: the one the VM believes to run."""
        self.requests += 1
        if operation in LIVE:
            self._order(operation, incarnation, request, knows=knows)
            return
        self.strategy = TRANSITIONS.get((self.strategy, operation), self.strategy)
        self.power_ons += operation is not Operation.STOP
        self.stopped, self.paused = operation is Operation.STOP, None
        certain = knows or self.stopped or self.strategy is RunStrategy.ALWAYS
        self.running = not self.stopped if certain else None
        self.doomed = incarnation if operation is Operation.RESTART and knows else ""
        self.excused |= {incarnation} if operation is not Operation.START else set()

    def end(self, incarnation: str, cause: StopCause, *, knows: bool) -> None:
        """Take the end of a guest into account that is not vmflow's doing."""
        restarted = cause in RESTARTED[self.strategy]
        self.power_ons += restarted
        self.paused = None
        if self.strategy is RunStrategy.ALWAYS or self.running is False or incarnation in self.excused:
            return
        self.running = restarted if self.running and knows else None

    def meddle(self, *, knows: bool) -> None:
        """Take into account that somebody started or paused the guest without asking vmflow."""
        self.paused, self.meddled = None, True
        certain = knows or self.stopped or self.strategy in {RunStrategy.ALWAYS, RunStrategy.HALTED}
        self.running = self.running if certain else None

    def forget(self, *, knows: bool) -> None:
        """Take into account that the domain was undefined: nobody knows its power-ons any more, nor why it is off."""
        self.power_ons += 1
        if self.strategy is RunStrategy.RERUN_ON_FAILURE and not knows:
            self.running = None

    def allows(self, *, running: bool, incarnation: str) -> bool:
        """Return whether a VM may rest like this."""
        as_wanted = self.running is None or self.running is running
        return as_wanted and not (self.doomed and incarnation == self.doomed)

    def carried_out_well(self, carried: tuple[tuple[Operation, str, str], ...]) -> bool:
        """Return whether live operations had their effect on the incarnation they were for, and reboots once each."""
        right = all(self.orders[request] == (operation, incarnation) for operation, request, incarnation in carried)
        reboots = [
            request for operation, request, _ in carried if operation in {Operation.SOFT_REBOOT, Operation.RESET}
        ]
        return right and len(reboots) == len(set(reboots))

    def _order(self, operation: Operation, incarnation: str, request: str, *, knows: bool) -> None:
        self.orders[request] = (operation, incarnation)
        switched = operation in {Operation.PAUSE, Operation.UNPAUSE}
        if switched:
            self.paused = operation is Operation.PAUSE if knows else None
