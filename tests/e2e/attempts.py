"""How often the steps of a VM were tried, from its history."""

from typing import Any

from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowHandle

from tests.e2e.tenant import VM, Tenant


async def attempts(tenant: Tenant, name: str, activity: str) -> list[int]:
    """Return, of each activity of a type in a VM's life, the attempt at which it came to its end."""
    run = (await tenant.objects.describe(VM, name, tenant.namespace)).run_id
    handle = tenant.objects.client.get_workflow_handle(tenant.workflow(name), run_id=run)
    return await attempts_of(handle, activity)


async def attempts_of(handle: WorkflowHandle[Any, Any], activity: str) -> list[int]:
    """Return the same of a life that may be over."""
    names: dict[int, str] = {}
    found = []
    async for event in handle.fetch_history_events():
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
            names[event.event_id] = event.activity_task_scheduled_event_attributes.activity_type.name
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED:
            started = event.activity_task_started_event_attributes
            if names[started.scheduled_event_id] == activity:
                found.append(started.attempt)
    return found
