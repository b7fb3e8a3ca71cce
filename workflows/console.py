"""An errand of people: the end of a guest's serial console, read near its hypervisor."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.hypervisor import HypervisorActivities
    from manifests.contract import ConsoleRequest, WorkflowType
    from workflows.options import step


@workflow.defn(name=WorkflowType.CONSOLE)
class Console:
    """Reads once and ends; its history is kept as long as the namespace keeps closed workflows."""

    @workflow.run
    async def run(self, request: ConsoleRequest) -> str:
        """Return the text."""
        return await workflow.execute_activity_method(
            HypervisorActivities.read_console,
            request,
            **step(request.hypervisor, "read the serial console"),
        )
