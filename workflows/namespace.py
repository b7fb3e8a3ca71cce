"""The life of a namespace: a declaration whose deletion takes everything in it along."""

from typing import Any

from temporalio import workflow
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from activities.clearing import Clearing
    from manifests.contract import WorkflowType
    from manifests.status import namespace_status
    from workflows import options
    from workflows.declaration import Declared
    from workflows.objects import Sent, lived

QUIET = 2
"""How often in a row nothing must be found before a namespace counts as empty: an object that was being created while
the deletion was asked for is listed a moment later."""


@workflow.defn(name=WorkflowType.NAMESPACE)
class Namespace(Declared):
    """One namespace. Input: its manifest, as people write it; `carried` is for continue-as-new only."""

    @workflow.init
    def __init__(self, manifest: Sent = None, carried: Sent = None) -> None:
        super().__init__(manifest, carried)
        self._left: dict[str, int] | None = None

    @workflow.run
    async def run(self, manifest: Sent = None, carried: Sent = None) -> str:
        """Live until deleted and empty; returns a sentence for the Temporal UI."""
        del manifest, carried
        return await lived(self._live(), self.delete)

    async def _leave(self) -> str:
        """Ask everything in the namespace to go, again and again, until nothing is left."""
        quiet, wait = 0, options.FIRST_LOOK
        while quiet < QUIET:
            self._publish()
            if not quiet:
                self._renew()
            before, self._left = self._left, await self._cleared()
            quiet = quiet + 1 if self._left == {} else 0
            wait = min(wait * 2, options.LAST_LOOK) if self._left == before else options.FIRST_LOOK
            if quiet < QUIET:
                self._publish()
                await workflow.sleep(wait)
        return "deleted; nothing is left in it"

    async def _cleared(self) -> dict[str, int] | None:
        """Return how many objects of each kind are left; None when nobody could find out."""
        name = self._declared.metadata.name
        try:
            left: dict[str, int] = await workflow.execute_activity_method(
                Clearing.clear, name, **options.a_round(f"delete everything in {name}")
            )
        except ActivityError as error:
            workflow.logger.warning("what is left in a namespace is not known", extra={"error": str(error.cause)})
            return None
        return left

    def _standing(self) -> dict[str, Any]:
        return namespace_status(self._left) if self._state.deleting else super()._standing()
