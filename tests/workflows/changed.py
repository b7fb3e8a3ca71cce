"""The VM's workflow as a later version might be: it takes a breath before anything else.

Two versions: `VirtualMachine` under a patch, as a change is to be made; and the same change without one, as it is not.
"""

from datetime import timedelta
from typing import Any

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from manifests.contract import WorkflowType

from workflows.virtual_machine import VirtualMachine

PATCH = "breathe-first"
BREATH = timedelta(milliseconds=10)


@workflow.defn(name=WorkflowType.VIRTUAL_MACHINE)
class Patched(VirtualMachine):
    """Lives that began under the old code go on as they were; new ones breathe first."""

    @workflow.init
    def __init__(self, manifest: Any = None, carried: Any = None) -> None:
        super().__init__(manifest, carried)

    @workflow.run
    async def run(self, manifest: Any = None, carried: Any = None) -> str:
        """Breathe, and live."""
        if workflow.patched(PATCH):
            await workflow.sleep(BREATH)
        return await super().run(manifest, carried)


@workflow.defn(name=WorkflowType.VIRTUAL_MACHINE)
class Unpatched(VirtualMachine):
    """The same change, made as if nobody lived yet."""

    @workflow.init
    def __init__(self, manifest: Any = None, carried: Any = None) -> None:
        super().__init__(manifest, carried)

    @workflow.run
    async def run(self, manifest: Any = None, carried: Any = None) -> str:
        """Breathe, and live."""
        await workflow.sleep(BREATH)
        return await super().run(manifest, carried)
