"""What people ask of a VM over Temporal: one update for each operation, beside the edits.

A handler validates and records; only the VM's loop acts. An update answers when the request is accepted, not when it is
met. Its name, its argument and its answer are the contract of manifests/contract.py.
"""

from abc import abstractmethod

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from domain.requests import Request
    from domain.run_strategy import Operation
    from manifests.contract import PowerAnswer, PowerRequest, Update
    from workflows.edits import Edited, who

PLAIN = PowerRequest()
"""What an update without an argument asks."""


class Operated(Edited):
    """Something that is operated as a VM is."""

    @abstractmethod
    def _admit(self, operation: Operation, request: Request) -> None:
        """Raise an ApplicationError when an operation is refused."""

    @abstractmethod
    def _ask(self, operation: Operation, request: Request) -> PowerAnswer:
        """Record an operation."""

    @workflow.update(name=Update.START)
    def start(self, request: PowerRequest = PLAIN) -> PowerAnswer:
        """Run the guest."""
        return self._ask(Operation.START, who(request))

    @start.validator
    def _may_start(self, request: PowerRequest = PLAIN) -> None:
        self._admit(Operation.START, who(request))

    @workflow.update(name=Update.STOP)
    def stop(self, request: PowerRequest = PLAIN) -> PowerAnswer:
        """Stop the guest: by its agent, then by ACPI, after the grace period by power-off; at once when forced."""
        return self._ask(Operation.STOP, who(request))

    @stop.validator
    def _may_stop(self, request: PowerRequest = PLAIN) -> None:
        self._admit(Operation.STOP, who(request))

    @workflow.update(name=Update.RESTART)
    def restart(self, request: PowerRequest = PLAIN) -> PowerAnswer:
        """End the running incarnation and start another."""
        return self._ask(Operation.RESTART, who(request))

    @restart.validator
    def _may_restart(self, request: PowerRequest = PLAIN) -> None:
        self._admit(Operation.RESTART, who(request))

    @workflow.update(name=Update.PAUSE)
    def pause(self, request: PowerRequest = PLAIN) -> PowerAnswer:
        """Freeze the guest's CPUs; it keeps its memory and its incarnation."""
        return self._ask(Operation.PAUSE, who(request))

    @pause.validator
    def _may_pause(self, request: PowerRequest = PLAIN) -> None:
        self._admit(Operation.PAUSE, who(request))

    @workflow.update(name=Update.UNPAUSE)
    def unpause(self, request: PowerRequest = PLAIN) -> PowerAnswer:
        """Let a paused guest go on."""
        return self._ask(Operation.UNPAUSE, who(request))

    @unpause.validator
    def _may_unpause(self, request: PowerRequest = PLAIN) -> None:
        self._admit(Operation.UNPAUSE, who(request))

    @workflow.update(name=Update.SOFT_REBOOT)
    def soft_reboot(self, request: PowerRequest = PLAIN) -> PowerAnswer:
        """Ask the guest to reboot; it stays the same incarnation."""
        return self._ask(Operation.SOFT_REBOOT, who(request))

    @soft_reboot.validator
    def _may_soft_reboot(self, request: PowerRequest = PLAIN) -> None:
        self._admit(Operation.SOFT_REBOOT, who(request))

    @workflow.update(name=Update.RESET)
    def reset(self, request: PowerRequest = PLAIN) -> PowerAnswer:
        """Press the reset button; the guest stays the same incarnation."""
        return self._ask(Operation.RESET, who(request))

    @reset.validator
    def _may_reset(self, request: PowerRequest = PLAIN) -> None:
        self._admit(Operation.RESET, who(request))
