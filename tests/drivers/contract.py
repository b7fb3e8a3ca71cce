"""The driver contract: one suite that every hypervisor's driver passes.

A concrete module supplies four fixtures (see `ContractBase`) and a few class attributes where the defaults do not fit:

    class TestLibvirt(DriverContract):
        sizes = {"cpus": 1, "memory": 2**27, "max_cpus": 2, "max_memory": 2**28, "disk": 2**28}

        @pytest.fixture(scope="class")
        def driver(self) -> Iterator[Driver]: ...

        @pytest.fixture(scope="class")
        def fellow(self, driver) -> Iterator[Driver]: ...

        @pytest.fixture(scope="class")
        def image(self, driver) -> str: ...

        @pytest.fixture
        def backdoor(self, driver) -> Backdoor: ...

Each test builds guests of its own through `make_plan`; when it ends they are removed and the hypervisor is searched for
leftovers. Waits are conditions within `patience` seconds. The hypervisor may hold nothing else of vmflow's meanwhile.
"""

from tests.drivers.contract_base import Backdoor, ContractBase, MakePlan, Seed
from tests.drivers.contract_channels import ChannelsContract
from tests.drivers.contract_definition import DefinitionContract
from tests.drivers.contract_guest import GuestContract
from tests.drivers.contract_hints import HintsContract
from tests.drivers.contract_live import LiveContract
from tests.drivers.contract_power import PowerContract
from tests.drivers.contract_removal import RemovalContract
from tests.drivers.contract_shape import ShapeContract
from tests.drivers.contract_start import StartContract

__all__ = ["Backdoor", "ContractBase", "DriverContract", "MakePlan", "Seed"]


class DriverContract(
    DefinitionContract,
    PowerContract,
    StartContract,
    LiveContract,
    ShapeContract,
    GuestContract,
    ChannelsContract,
    RemovalContract,
    HintsContract,
):
    """Everything a driver promises."""
