"""Whether anybody is there to do what is asked, for commands that show what was last known."""

from temporalio.api.enums.v1 import TaskQueueType

from manifests.contract import hypervisor_queue
from manifests.registry import Kind
from runtime.objects import Objects
from runtime.pollers import abandoned

_FLOWS, _STEPS = TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW, TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY


async def unserved(objects: Objects, kind: Kind, hypervisor: str = "") -> str:
    """Return the sentence that says who is missing; empty when somebody serves the kind, and the hypervisor if named.

    A worker that died is missed after about a minute, when its last question has run out.
    """
    missing = [kind.queue] if await abandoned(objects.client, kind.queue, _FLOWS) else []
    if hypervisor and await abandoned(objects.client, hypervisor_queue(hypervisor), _STEPS):
        missing.append(hypervisor_queue(hypervisor))
    if not missing:
        return ""
    return f"no worker serves {' and '.join(missing)}: this is what was last known; start one (vmflow up)"
