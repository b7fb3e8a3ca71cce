"""The lives that are led: acts, and the acts that make a life. One operation more is one row more in each table."""

from collections.abc import Awaitable, Callable
from contextlib import closing, suppress
from dataclasses import dataclass

from domain.guest import Power
from domain.problem import Problem
from drivers.simulator.control import Control
from manifests.contract import ReplaceRequest, Update
from manifests.registry import kind_called
from runtime.objects import Document
from runtime.wait import until
from tests.crash.stage import Role, Stage
from tests.disks import empty_qcow2
from tests.image_server import Resource
from tests.world import World

GONE = Power.ABSENT
"""The power of a guest that is no more."""


@dataclass(frozen=True)
class Expected:
    """How a VM must stand at rest, by what was done to it so far.

    power_ons, reboots: in its whole life; perhaps: power-ons beyond those, which may have come before a delete.
    """

    status: str = ""
    power: Power = Power.ABSENT
    power_ons: int = 0
    perhaps: int = 0
    reboots: int = 0
    cpus: int = 1


@dataclass
class Player:
    """Leads one life: does to a VM what a person or a guest does to it."""

    world: World
    stage: Stage
    name: str
    uid: str = ""
    requests: int = 0

    async def create(self, strategy: str = "Always", image: str = "/disk.qcow2") -> None:
        """Declare the VM."""
        handle = self.world.handle(self.name)
        self.stage.workflow = handle.id
        await self.world.objects.apply(self._manifest(strategy, image))
        self.uid = (await handle.describe()).run_id

    async def ask(self, update: Update, **request: bool) -> None:
        """Ask for an operation; a client that asks again does so under the same id."""
        self.requests += 1
        await self.world.ask(update, self.name, request=f"request {self.requests}", **request)

    async def resize(self, cores: str, memory: str) -> None:
        """Declare the VM with other resources."""
        manifest = self._manifest("Always", "/disk.qcow2")
        manifest["spec"]["resources"] |= {"cpu": {"cores": cores, "maxCores": "2"}, "memory": memory}
        self.requests += 1
        await self.world.objects.replace(manifest, ReplaceRequest(manifest=manifest, request=f"edit {self.requests}"))

    async def delete(self) -> None:
        """Ask the VM to go."""
        await self.world.objects.delete(*self.world.key(self.name))

    def guest(self, do: Callable[[Control, str], None]) -> None:
        """Let something happen inside the guest, or to its process."""
        with closing(self.world.control()) as control:
            do(control, self.uid)

    def _manifest(self, strategy: str, image: str) -> Document:
        manifest = self.world.vm(self.name, strategy=strategy, image=image)
        manifest["spec"]["resources"] = {"cpu": {"cores": "1", "maxCores": "2"}, "memory": "256Mi", "maxMemory": "1Gi"}
        return manifest


Do = Callable[[Player], Awaitable[None]]


@dataclass(frozen=True)
class Act:
    """One thing that is done, and how the VM must stand then; numbers are how many more than before."""

    do: Do
    status: str
    power: Power
    power_ons: int = 0
    reboots: int = 0
    cpus: int = 0
    perhaps: int = 0

    def expected(self, before: Expected) -> Expected:
        """Return how the VM must stand after this act."""
        return Expected(
            status=self.status,
            power=self.power,
            power_ons=before.power_ons + self.power_ons,
            perhaps=before.perhaps + self.perhaps,
            reboots=before.reboots + self.reboots,
            cpus=self.cpus or before.cpus,
        )


def _create(strategy: str) -> Do:
    return lambda player: player.create(strategy)


async def _create_importing(player: Player) -> None:
    """Declare a VM whose image nobody has."""
    player.world.server.serve(_image(player), empty_qcow2())
    await player.create(image=_image(player))


async def _import_until(player: Player, share: float) -> Resource:
    """Declare a VM, and return when so much of its image is there; its server gives no more then."""
    server, image = player.world.server, _image(player)
    server.serve(image, empty_qcow2(), stall_after=int(share * len(empty_qcow2())))
    resource = server.resource(image)
    await player.create(image=image)

    async def stalled() -> bool:
        return any(each.path == image and each.served == resource.stall_after for each in server.exchanges)

    await until(stalled, every=0.05)
    return resource


async def _delete_in_import(player: Player) -> None:
    await _import_until(player, 0.5)
    await player.delete()


def _kill_in_import(share: float) -> Do:
    """Kill the worker that imports; the next one finds what it left."""

    async def kill(player: Player) -> None:
        resource = await _import_until(player, share)
        player.stage.crash(Role.NEAR)
        resource.stall_after = None

    return kill


def _image(player: Player) -> str:
    return f"/{player.name}.qcow2"


def _ask(update: Update, **request: bool) -> Do:
    return lambda player: player.ask(update, **request)


def _happen(do: Callable[[Control, str], None]) -> Do:
    async def happen(player: Player) -> None:
        player.guest(do)

    return happen


def _delete_when(place: str, do: Do) -> Do:
    """Do something, and delete the VM as soon as it comes by an activity or a driver's step of that name."""

    async def interrupt(player: Player) -> None:
        gate = player.stage.gate(place)
        await do(player)
        await gate.reached.wait()
        await player.delete()
        gate.opened.set()

    return interrupt


async def _delete_image(player: Player) -> None:
    """Delete the image nobody needs any more, and wait until it is going; one that never came goes by itself."""
    world, kind = player.world, kind_called("images")
    await world.handle(player.name).result()

    async def going() -> bool:
        for image in await world.images():
            name, metadata = image["metadata"]["name"], image["metadata"]
            if image["spec"]["source"]["http"]["url"].endswith(_image(player)) and "deletionTimestamp" not in metadata:
                with suppress(Problem):  # gone since
                    await world.objects.delete(kind, name, world.name)
                return False
        return True

    await until(going, every=0.1)


def _runs(do: Do, *, power_ons: int = 0, reboots: int = 0, cpus: int = 0) -> Act:
    return Act(do, "Running", Power.RUNNING, power_ons, reboots, cpus)


def _is_off(do: Do) -> Act:
    return Act(do, "Stopped", Power.OFF)


def _is_gone(do: Do, *, perhaps: int = 0) -> Act:
    return Act(do, "", Power.ABSENT, perhaps=perhaps)


ACTS: dict[str, Act] = {
    "create": _runs(_create("Always"), power_ons=1),
    "import": _runs(_create_importing, power_ons=1),
    "import, killed at the start": _runs(_kill_in_import(0.0), power_ons=1),
    "import, killed in the middle": _runs(_kill_in_import(0.5), power_ons=1),
    "import, killed near the end": _runs(_kill_in_import(0.999), power_ons=1),
    "define": _is_off(_create("Halted")),
    "start": _runs(_ask(Update.START), power_ons=1),
    "stop": _is_off(_ask(Update.STOP)),
    "kill": _is_off(_ask(Update.STOP, force=True)),
    "restart": _runs(_ask(Update.RESTART), power_ons=1),
    "panic": _runs(_happen(Control.panic), power_ons=1),
    "pause": Act(_ask(Update.PAUSE), "Paused", Power.PAUSED),
    "unpause": _runs(_ask(Update.UNPAUSE)),
    "soft-reboot": _runs(_ask(Update.SOFT_REBOOT), reboots=1),
    "reset": _runs(_ask(Update.RESET), reboots=1),
    "resize": _runs(lambda player: player.resize("2", "512Mi"), cpus=2),
    "delete": _is_gone(Player.delete),
    "delete-image": _is_gone(_delete_image),
    "create-and-delete": _is_gone(_delete_when("ensure_defined.disk", _create("Always")), perhaps=1),
    "stop-and-delete": _is_gone(_delete_when("ensure_stopped.ask", _ask(Update.STOP))),
    "import-and-delete": _is_gone(_delete_in_import),
}


@dataclass(frozen=True)
class Life:
    """Acts in their order, and those whose steps are explored in this life; the others lead to them.

    since: the activity or call with which the exploration begins; what comes before is explored in another life.
    """

    acts: tuple[str, ...]
    explored: tuple[str, ...]
    since: str = ""


LIVES: dict[str, Life] = {
    "create, delete": Life(("create", "delete"), ("create", "delete")),
    "define, start, stop": Life(
        ("define", "start", "stop", "delete"), ("define", "start", "stop"), since="ensure_defined"
    ),
    "restart": Life(("create", "restart", "delete"), ("restart",)),
    "kill": Life(("create", "kill", "start", "delete"), ("kill", "start")),
    "panic": Life(("create", "panic", "panic", "delete"), ("panic",)),
    "pause": Life(("create", "pause", "unpause", "delete"), ("pause", "unpause")),
    "delete when paused": Life(("create", "pause", "delete"), ("delete",)),
    "reboot": Life(("create", "soft-reboot", "reset", "delete"), ("soft-reboot", "reset")),
    "resize": Life(("create", "resize", "delete"), ("resize",)),
    "delete in create": Life(("create-and-delete",), ("create-and-delete",), since="ensure_defined.disk"),
    "delete in stop": Life(("create", "stop-and-delete"), ("stop-and-delete",)),
    "import": Life(("import", "delete", "delete-image"), ("import", "delete-image"), since="ensure_image"),
    "delete in import": Life(
        ("import-and-delete", "delete-image"), ("import-and-delete", "delete-image"), since="import_image"
    ),
}

RACES = frozenset(name for name, life in LIVES.items() if any(act.endswith("-and-delete") for act in life.acts))
"""Lives in which two things happen at once: which step comes next is a matter of who was first."""

OF_PROCESSES: dict[str, Life] = {
    act: Life((act, "delete", "delete-image"), (act,)) for act in ACTS if act.startswith("import, killed")
}
"""Lives whose workers must be real processes: a thread that imports cannot be stopped, and holds its locks."""
