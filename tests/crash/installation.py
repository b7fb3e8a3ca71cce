"""A small installation in a Temporal namespace of its own, whose workers may die at any moment."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from google.protobuf.duration_pb2 import Duration
from temporalio.api.enums.v1 import EventType, TaskQueueType
from temporalio.api.workflowservice.v1 import RegisterNamespaceRequest
from temporalio.client import Client, WorkflowHistory
from temporalio.service import RPCError, RPCStatusCode

from manifests.contract import LIFECYCLE_QUEUE, SEARCH_ATTRIBUTES
from runtime.client import connect, ensure_search_attributes
from runtime.pollers import last_poll
from runtime.settings import Settings
from runtime.wait import until
from tests.crash.crews import Crew, Played, Post
from tests.crash.points import Point
from tests.crash.stage import Role, Stage
from tests.crash.striking import Cue, Order, Reach, Sight
from tests.image_server import ImageServer
from tests.world import PATIENCE, World

Hire = Callable[[Post, Reach], Crew]
"""Gives a worker that has not started yet."""

_ATTEMPTS = 5
"""How often a worker is sent to a post; a busy server refuses one or another."""
_POLL = 0.05
"""Seconds between two looks at the server."""


class Installation:
    """One zone, one simulated host, one worker near it and one in the centre. One life is lived in it at a time."""

    def __init__(self, settings: Settings, client: Client, world: World, hire: Hire) -> None:
        self._settings = settings
        self._hire = hire
        self.client = client
        self.world = world
        self.stage = self.new_stage()
        self._crews: dict[Role, Crew] = {}
        self._graves: list[Crew] = []
        self._burying: list[asyncio.Task[None]] = []
        self._reviving: set[asyncio.Task[None]] = set()

    def new_stage(self, strikes: Sequence[Point] = ()) -> Stage:
        """Return a stage for the next life."""
        return Stage(strikes, self.crash, self.acknowledged)

    async def staff(self) -> None:
        """Put a worker to every post that has none."""
        for role in Role:
            if role not in self._crews:
                await self._fill(role)

    async def _fill(self, role: Role) -> None:
        """Put a worker to a post. One that cannot come to work is replaced, as whoever supervises it would."""
        post = Post(
            role=role,
            address=self._settings.temporal_address,
            namespace=self.client.namespace,
            hypervisor=self.world.spec(),
        )
        for attempt in range(_ATTEMPTS):
            crew = self._crews[role] = self._hire(post, self._reach)
            try:
                await crew.start()
            except (RuntimeError, RPCError):
                if self._crews.get(role) is not crew:  # killed meanwhile, and replaced already
                    return
                if attempt == _ATTEMPTS - 1:
                    raise
            else:
                return

    def crash(self, *roles: Role, revive: bool = True) -> None:
        """Kill the workers of these posts, and put fresh ones to all that are empty.

        The dead hear and change nothing, but take their room until they are buried.
        """
        for role in roles:
            if (crew := self._crews.pop(role, None)) is not None:
                crew.kill()
                self._graves.append(crew)
        if revive:
            task = asyncio.create_task(self.staff())
            self._reviving.add(task)
            task.add_done_callback(self._reviving.discard)

    def bury(self) -> None:
        """Bury the dead of a life that is over, while the next ones are led."""
        self._burying += [asyncio.create_task(crew.leave()) for crew in self._graves]
        self._graves.clear()

    async def close(self) -> None:
        """Let all workers go, the dead as well."""
        self.stage.close()
        await asyncio.gather(*self._reviving)
        self.bury()
        await asyncio.gather(*self._burying, *(crew.leave() for crew in self._crews.values()))

    async def acknowledged(self, sight: Sight) -> None:
        """Wait until the server has the result of an activity."""
        handle = self.client.get_workflow_handle(sight.workflow, run_id=sight.run)

        async def there() -> bool:
            return sight.id in _acknowledged(await handle.fetch_history())

        async with asyncio.timeout(PATIENCE):
            await until(there, every=_POLL)

    async def _reach(self, sight: Sight, cue: Cue) -> Order:
        return await self.stage.reach(sight, cue)


async def _known(client: Client) -> bool:
    """Tell whether every part of the server has heard of a new namespace: until then, workers are sent away."""
    try:
        await last_poll(client, LIFECYCLE_QUEUE, TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW)
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        return False
    return True


def _acknowledged(history: WorkflowHistory) -> set[str]:
    """Return the ids of the activities whose results are in a history."""
    scheduled: dict[int, str] = {}
    done: set[str] = set()
    for event in history.events:
        match event.event_type:
            case EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
                scheduled[event.event_id] = event.activity_task_scheduled_event_attributes.activity_id
            case EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED:
                done.add(scheduled[event.activity_task_completed_event_attributes.scheduled_event_id])
            case EventType.EVENT_TYPE_MARKER_RECORDED:
                (payload,) = event.marker_recorded_event_attributes.details["data"].payloads
                done.add(json.loads(payload.data)["activity_id"])
    return done


@asynccontextmanager
async def installed(
    settings: Settings, directory: Path, server: ImageServer, hire: Hire = Played
) -> AsyncIterator[Installation]:
    """Make an installation on a Temporal server; its image is in its host's cache already."""
    namespace = f"crash-{uuid.uuid4().hex[:8]}"
    request = RegisterNamespaceRequest(
        namespace=namespace,
        workflow_execution_retention_period=Duration(seconds=86400),
    )
    await (await connect(settings)).workflow_service.register_namespace(request)
    own = settings.model_copy(update={"temporal_namespace": namespace})
    client = await connect(own)
    await ensure_search_attributes(client, SEARCH_ATTRIBUTES)
    async with asyncio.timeout(PATIENCE):
        await until(lambda: _known(client), every=_POLL)
    world = World(client, directory, server)
    installation = Installation(own, client, world, hire)
    await installation.staff()
    try:
        await world.declare()
        await world.objects.apply(world.vm("first", strategy="Halted"))
        await world.until_status("Stopped", "first")
        await world.delete("first")
        yield installation
    finally:
        await installation.close()
