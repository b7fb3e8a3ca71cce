"""The simulator: a hypervisor whose guests are rows of an SQLite file and live by the clock.

It is a hypervisor, not a mock. Guests outlive the workers that started them, are seen by every process that opens the
same folder, boot and shut down in their own time, and come to grief when an operator says so (`control`). Calls fail on
demand before or after they take effect (`faults`).

    driver.py    the driver protocol            control.py  what an operator or a test does to the host
    steps.py     every step a call consists of  faults.py   rules that make calls and steps fail, and their record
    building.py  disk, seed, domain             journal.py  what changed and when it falls due
    fitting.py   a running guest's shape        console.py  what a guest prints, as a function of time
    guests.py    domains and their clock        store.py    connections and transactions
    volumes.py   root disks, seeds, partials    schema.py   the tables
"""

from drivers.simulator.driver import SimulatorDriver

__all__ = ["SimulatorDriver"]
