"""How hypervisors are told. `base` is the protocol; each folder beside it knows one hypervisor."""
