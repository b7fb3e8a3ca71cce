"""The universal audit: what must hold of a VM and of everything around it, after every run."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from domain.guest import Observation, Power
from tests.crash.host import Row
from tests.crash.lives import Expected


@dataclass(frozen=True)
class Scene:
    """Everything there is when a VM is at rest, or gone.

    kept:      rows of the host's state about the VM, by table; strangers: other guests anything is kept of.
    leftovers: what the driver itself says belongs to nobody; partial: what imports have left unfinished.
    disk:      what the guest wrote to its disk; empty before it ran.
    object:    the VM's published object; empty when its life is over.
    ended:     how its life ended; empty while it lasts.
    pending:   activities of the VM that are under way.
    images:    the published Images; cached: keys of the images on the host.
    running:   ids of the workflows that run.
    """

    vm: str
    expected: Expected
    seen: Observation
    kept: dict[str, list[Row]]
    strangers: list[str]
    leftovers: list[str]
    power_ons: int
    reboots: int
    disk: str
    object: dict[str, Any]
    ended: str
    pending: list[str]
    zone: dict[str, Any]
    images: list[dict[str, Any]]
    cached: list[str]
    running: list[str]

    @property
    def gone(self) -> bool:
        return self.expected.power is Power.ABSENT

    @property
    def status(self) -> dict[str, Any]:
        status: dict[str, Any] = self.object.get("status", {})
        return status

    def volumes(self, kind: str) -> list[str]:
        return [row["body"] for row in self.kept.get("volumes", []) if row["kind"] == kind]


def domains(scene: Scene) -> Iterator[str]:
    """One domain for a VM, none for one that is gone, and nobody else's."""
    found = len(scene.kept.get("guests", []))
    if found != (not scene.gone):
        yield f"there are {found}"
    if scene.strangers:
        yield f"something is kept of {scene.strangers}"


def disks(scene: Scene) -> Iterator[str]:
    """One root disk, and on it what its guest wrote."""
    found = scene.volumes("root")
    if len(found) != (not scene.gone):
        yield f"there are {len(found)}"
    if scene.disk and any(scene.disk not in body for body in found):
        yield "what the guest wrote is not on its disk"


def seeds(scene: Scene) -> Iterator[str]:
    """One seed."""
    found = scene.volumes("seed")
    if len(found) != (not scene.gone):
        yield f"there are {len(found)}"


def partial_files(scene: Scene) -> Iterator[str]:
    """Nothing is left half done, and nothing belongs to nobody."""
    if scene.leftovers:
        yield f"{scene.leftovers}"


def whatever_is_kept(scene: Scene) -> Iterator[str]:
    """Nothing of any kind is kept for a VM that is gone: NVRAM, TPM state, secrets, addresses, ports."""
    if scene.gone and scene.kept:
        yield f"{scene.kept}"


def claims(scene: Scene) -> Iterator[str]:
    """A VM holds room once, one that is gone holds none, and none waits for any."""
    held = scene.zone.get("placed"), scene.zone.get("waiting")
    if held != (int(not scene.gone), 0):
        yield f"placed and waiting are {held}"
    cpus = sum(member["cpus"] - member["freeCpus"] for member in scene.zone.get("hypervisors", {}).values())
    if cpus != (0 if scene.gone else scene.expected.cpus):
        yield f"{cpus} CPUs are claimed"


def power_ons(scene: Scene) -> Iterator[str]:
    """The guest was powered on as often as it was to be."""
    least, most = scene.expected.power_ons, scene.expected.power_ons + scene.expected.perhaps
    if not least <= scene.power_ons <= most:
        yield f"the guest was powered on {scene.power_ons} times; {least} to {most} are right"


def reboots(scene: Scene) -> Iterator[str]:
    """The guest was rebooted as often as it was to be."""
    if scene.reboots != scene.expected.reboots:
        yield f"the guest was rebooted {scene.reboots} times and not {scene.expected.reboots}"


def power(scene: Scene) -> Iterator[str]:
    """The guest is as it is wanted: none that was asked to stop runs."""
    if scene.seen.power is not scene.expected.power:
        yield f"it is {scene.seen.power} and was to be {scene.expected.power}"


def published(scene: Scene) -> Iterator[str]:
    """What people read agrees with what the hypervisor says."""
    if scene.gone:
        return
    vm = scene.status.get("vm", {})
    told = vm.get("power"), vm.get("incarnation")
    if told != (scene.seen.power, scene.seen.incarnation):
        yield f"it says {told} and the hypervisor {(scene.seen.power.value, scene.seen.incarnation)}"
    if scene.status.get("printableStatus") != scene.expected.status:
        yield f"it says {scene.status} and was to be {scene.expected.status}"


def shape(scene: Scene) -> Iterator[str]:
    """The guest has what was declared, and people read what it has."""
    if scene.seen.shape is not None:
        told = scene.status.get("resources", {}).get("cpus")
        if not told == scene.seen.shape.cpus == scene.expected.cpus:
            yield f"it says {told} CPUs, the hypervisor {scene.seen.shape.cpus}, declared are {scene.expected.cpus}"


def addresses(scene: Scene) -> Iterator[str]:
    """The addresses and ports people read are the guest's own."""
    told = scene.status.get("guest", {}).get("addresses", [])
    if told != list(scene.seen.guest.addresses):
        yield f"it says {told} and the guest {scene.seen.guest.addresses}"
    ports = [port["hostPort"] for port in scene.status.get("forwards", [])]
    if ports != [forward.host for forward in scene.seen.forwards]:
        yield f"it says {ports} and the hypervisor {scene.seen.forwards}"


def failures(scene: Scene) -> Iterator[str]:
    """Nothing is said to have failed once all is well."""
    for condition in scene.status.get("conditions", []):
        if condition["type"] == "Failure" and condition["status"] != "False":
            yield f"{condition}"


def ends(scene: Scene) -> Iterator[str]:
    """A life ends because it is over, and not otherwise."""
    if scene.ended != ("COMPLETED" if scene.gone else ""):
        yield f"it is {scene.ended or 'not over'}"


def activities(scene: Scene) -> Iterator[str]:
    """Nothing is under way."""
    if scene.pending:
        yield f"{scene.pending} under way"


def workflows(scene: Scene) -> Iterator[str]:
    """The workflows of the installation run, the VM's while it lives, and no other."""
    others = [each for each in scene.running if each.partition("/")[0] not in {"Zone", "Hypervisor", "Image"}]
    if others != ([] if scene.gone else [scene.vm]):
        yield f"running: {others}"


def images(scene: Scene) -> Iterator[str]:
    """Every image is whole and in the cache, and nothing else is there."""
    for image in scene.images:
        if image["status"]["printableStatus"] != "Ready":
            yield f"{image['metadata']['name']}: {image['status']}"
    told = sorted(
        copy["facts"]["key"] for image in scene.images for copy in image["status"]["copies"].values() if copy["facts"]
    )
    if told != scene.cached:
        yield f"published are {told}, cached are {scene.cached}"


CHECKS: tuple[Callable[[Scene], Iterator[str]], ...] = (
    domains,
    disks,
    seeds,
    partial_files,
    whatever_is_kept,
    claims,
    power_ons,
    reboots,
    power,
    published,
    shape,
    addresses,
    failures,
    ends,
    activities,
    workflows,
    images,
)


def audit(scene: Scene) -> list[str]:
    """Return what is wrong, each with the name of the check that found it."""
    when = "gone" if scene.gone else "at rest"
    return [f"{when}: {check.__name__}: {finding}" for check in CHECKS for finding in check(scene)]
