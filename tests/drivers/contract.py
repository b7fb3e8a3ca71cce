"""The driver contract: one suite that every hypervisor's driver passes.

A concrete module supplies four fixtures (see `ContractBase`) and a few class attributes where the defaults do not fit:

    class TestLibvirt(DriverContract):
        sizes = {"cpus": 1, "memory": 128 * 2**20, "disk": 256 * 2**20}

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
from tests.drivers.contract_definition import DefinitionContract
from tests.drivers.contract_guest import GuestContract
from tests.drivers.contract_hints import HintsContract
from tests.drivers.contract_power import PowerContract
from tests.drivers.contract_removal import RemovalContract

__all__ = ["Backdoor", "ContractBase", "DriverContract", "MakePlan", "Seed"]


class DriverContract(DefinitionContract, PowerContract, GuestContract, RemovalContract, HintsContract):
    """Everything a driver promises."""
