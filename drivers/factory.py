"""Which driver serves a hypervisor: the section of its declaration that is set."""

import pkgutil
from collections.abc import Callable
from typing import cast

from domain.hypervisor import HypervisorSpec
from domain.problem import Problem
from drivers.base import Driver

DRIVERS = {
    "libvirt": "drivers.libvirt:LibvirtDriver",
    "simulator": "drivers.simulator:SimulatorDriver",
}
"""Driver section of a HypervisorSpec → class that takes it. Imported when needed: a host without the libvirt library
can run the simulator.
"""


def open_driver(spec: HypervisorSpec) -> Driver:
    """Return the driver for a hypervisor; nothing is connected yet.

    Raises Problem.terminal `InvalidHypervisor` unless exactly one driver section is set, and `DriverUnavailable` when
    the driver's library is not installed here.
    """
    sections = [name for name in DRIVERS if getattr(spec, name) is not None]
    if len(sections) != 1:
        raise Problem.terminal(
            "InvalidHypervisor",
            f"set exactly one of {', '.join(DRIVERS)}; set now: {', '.join(sections) or 'none'}",
            field=spec.name,
        )
    (section,) = sections
    try:
        make = cast("Callable[[object], Driver]", pkgutil.resolve_name(DRIVERS[section]))
    except ImportError as error:
        raise Problem.terminal(
            "DriverUnavailable",
            f"the {section} driver cannot be loaded here ({error}); install what it needs",
            field=spec.name,
        ) from error
    return make(getattr(spec, section))
