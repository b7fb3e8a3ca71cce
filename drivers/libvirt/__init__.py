"""libvirt with QEMU: the driver for hypervisors that libvirtd looks after."""

from drivers.libvirt.driver import LibvirtDriver

__all__ = ["LibvirtDriver"]
