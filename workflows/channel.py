"""An errand of people: a channel into a running guest."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.channels import Channels
    from manifests.contract import ChannelAnswer, ChannelRequest, WorkflowType
    from workflows.options import step


@workflow.defn(name=WorkflowType.CHANNEL)
class Channel:
    """Hands a ticket to the relay near a hypervisor and ends; the bytes go there directly."""

    @workflow.run
    async def run(self, request: ChannelRequest) -> ChannelAnswer:
        """Return where to connect."""
        return await workflow.execute_activity_method(
            Channels.admit,
            request,
            **step(request.hypervisor, f"let a channel to the guest's {request.endpoint} in"),
        )
