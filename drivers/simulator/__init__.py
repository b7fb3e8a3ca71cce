"""The simulator: a hypervisor whose guests are rows of an SQLite file and live by the clock.

It is a hypervisor, not a mock. Guests outlive the workers that started them, are seen by every process that opens the
same folder, boot and shut down in their own time, and come to grief when an operator says so (`control`). Calls fail on
demand before or after they take effect (`faults`).

    driver.py   the driver protocol, told in steps            control.py  what an operator or a test does to the host
    guests.py   the rows of domains and their clock           faults.py   rules that make calls fail, and their record
    volumes.py  root disks, seeds and partial files           journal.py  what changed and when it falls due
    console.py  what a guest prints, as a function of time    store.py    connections, transactions, schema
"""

from drivers.simulator.driver import SimulatorDriver

__all__ = ["SimulatorDriver"]
