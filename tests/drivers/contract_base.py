"""What every part of the driver contract stands on: the fixtures and the door behind the driver's back."""

import uuid
from collections.abc import Callable, Iterator
from typing import Any, ClassVar, Protocol

import pytest

from domain.guest import GuestPlan, Observation, default_mac
from domain.model import Value
from domain.problem import Problem
from drivers.base import Driver
from tests.drivers.waiting import eventually

MakePlan = Callable[..., GuestPlan]
"""Makes a plan with a UID of its own; keywords replace fields of it."""


class Seed(Value):
    """What a guest finds on its seed: the user data byte for byte, and the host name its metadata gives."""

    user_data: str
    hostname: str


class Backdoor(Protocol):
    """What a contract test does on the hypervisor without the driver: by `virsh` and files, say. The guest is off
    unless said otherwise.
    """

    def scribble(self, uid: str) -> None:
        """Change the content of the root disk, as a guest that writes would."""

    def content(self, uid: str) -> str:
        """Return a digest of the root disk; empty when there is none."""

    def disk_size(self, uid: str) -> int:
        """Return the bytes a guest sees of the root disk, which it may be running on."""

    def lose_disk(self, uid: str) -> None:
        """Delete the root disk."""

    def undefine(self, uid: str) -> None:
        """Make the hypervisor forget the domain; its disk and seed stay."""

    def kill(self, uid: str) -> None:
        """Kill the hypervisor's process of a running guest."""

    def seed(self, uid: str) -> Seed:
        """Read the guest's seed."""


class ContractBase:
    """A concrete suite derives from `DriverContract` and supplies four fixtures:

    driver:   a prepared driver; any scope. No other test uses the same hypervisor meanwhile.
    fellow:   a second prepared driver for the same hypervisor, as another worker has one.
    image:    key of an image that is in `driver.images`; a guest made from it boots where `boots` is true.
    backdoor: see `Backdoor`.
    """

    boots: ClassVar[bool] = True
    """Whether guests really boot here: an agent and an address show up and ACPI is obeyed."""
    patience: ClassVar[float] = 90.0
    """Seconds within which everything has happened, a boot included."""
    deaf: ClassVar[float] = 0.5
    """Seconds after power-on during which no guest listens to a shutdown request yet."""
    console_mark: ClassVar[bytes] = b"Linux version"
    """What the console shows exactly once per boot."""
    sizes: ClassVar[dict[str, Any]] = {"cpus": 1, "memory": 2**27, "max_cpus": 2, "max_memory": 2**28, "disk": 2**30}
    """The size of guests; the disk is no smaller than the image, and there is room to grow."""

    @pytest.fixture
    def make_plan(self, driver: Driver, image: str) -> Iterator[MakePlan]:
        """Make plans; remove their guests afterwards and see that nothing is left of them."""
        made: list[str] = []

        def make(**changes: Any) -> GuestPlan:
            uid = str(uuid.uuid4())
            made.append(uid)
            fields = {
                "uid": uid,
                "name": f"contract-{uid[:8]}",
                "owner": "contract/guest",
                "hostname": "guest",
                "image": image,
                "mac": default_mac(uid),
                **self.sizes,
                **changes,
            }
            return GuestPlan.model_validate(fields)

        yield make
        for uid in made:
            driver.ensure_removed(uid)
        assert driver.leftovers() == []

    @pytest.fixture
    def plan(self, make_plan: MakePlan) -> GuestPlan:
        """A plan nobody has built yet."""
        return make_plan()

    @pytest.fixture
    def running(self, driver: Driver, plan: GuestPlan) -> Observation:
        """The guest of `plan`, just powered on."""
        return driver.ensure_running(plan, fresh=True, start=1)

    @pytest.fixture
    def booted(self, driver: Driver, running: Observation) -> Observation:
        """The guest of `plan` with its operating system up."""
        if not self.boots:
            pytest.skip("guests do not boot here")
        return self.until(driver, running.uid, _up)

    @pytest.fixture
    def settled(self, driver: Driver, running: Observation) -> Observation:
        """The guest of `plan`, running and past everything that comes by itself after a power-on."""
        if not self.boots:
            return running
        return self.until(driver, running.uid, _up)

    def until(self, driver: Driver, uid: str, holds: Callable[[Observation], bool]) -> Observation:
        """Observe a guest until something holds of it."""

        def look() -> Observation | None:
            seen = driver.observe(uid)
            return seen if holds(seen) else None

        found = eventually(look, within=self.patience, what=f"guest {uid} as awaited")
        assert found is not None
        return found


def _up(seen: Observation) -> bool:
    return seen.guest.agent and bool(seen.guest.addresses)


def quiet() -> None:
    """A beat that never asks to stop."""


def refused(call: Callable[[], object]) -> Problem:
    """Return the problem a call raises."""
    with pytest.raises(Problem) as caught:
        call()
    return caught.value
