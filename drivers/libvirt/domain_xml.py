"""The libvirt domain of a guest, built element by element.

Source: https://libvirt.org/formatdomain.html. Texts from a manifest are only ever element texts, never markup. Every
disk says its format and where its chain of backing files ends, so nothing a guest writes is ever taken for a header.
"""

from lxml import etree

from domain.guest import Forward, GuestPlan
from drivers.libvirt.elements import E, Elements
from drivers.libvirt.layout import Layout
from drivers.libvirt.metadata import asked, guest_element
from drivers.libvirt.networks import Link, NatLink, UserLink

QEMU_URI = "http://libvirt.org/schemas/domain/qemu/1.0"
_QEMU = Elements(QEMU_URI, "qemu")

AGENT_CHANNEL = "org.qemu.guest_agent.0"
"""The name QEMU's guest agent listens to."""
ROOT_PORTS = 14
"""PCIe slots. A guest is built with six in use; a running one can be given more devices only where a slot waits."""
CPU_MODES = {"host-passthrough", "host-model", "maximum"}
"""What `cpu.model` may say instead of a model's name."""


def domain_xml(
    plan: GuestPlan,
    layout: Layout,
    *,
    accelerator: str,
    link: Link,
    forwards: tuple[Forward, ...],
) -> etree._Element:
    """Return the domain of a plan, not yet sealed. accelerator: `kvm` or `tcg`.

    The guest is given its maximum of memory with a balloon that takes the difference back, and CPUs that are not there
    yet: both can follow a plan while it runs.
    """
    domain = E.domain(
        E.name(plan.name),
        E.uuid(plan.uid),
        E.metadata(guest_element(asked(str(layout.directory), plan, forwards))),
        E.memory(str(plan.max_memory), unit="b"),
        E.currentMemory(str(plan.memory), unit="b"),
        E.vcpu(str(plan.max_cpus), placement="static", current=str(plan.cpus)),
        E.os(E.type("hvm", arch="x86_64", machine="q35"), E.boot(dev="hd")),
        E.features(E.acpi(), E.apic()),
        _cpu(plan.cpu_model, accelerator),
        E.clock(
            E.timer(name="rtc", tickpolicy="catchup"),
            E.timer(name="pit", tickpolicy="delay"),
            E.timer(name="hpet", present="no"),
            offset="utc",
        ),
        E.on_poweroff("destroy"),
        E.on_reboot("restart"),
        # A panicked guest is kept: once its process is gone libvirt tells a panic and a killed QEMU by the same reason.
        E.on_crash("preserve"),
        _devices(plan, layout),
        type="kvm" if accelerator == "kvm" else "qemu",
    )
    _attach(domain, plan, link, forwards)
    return domain


def _cpu(model: str, accelerator: str) -> etree._Element:
    """Return the CPU. Emulation cannot pass the host's CPU through; `maximum` is all that it can do.

    Five-level page tables (la57) are left out: emulated guests take twice as long to boot with them.
    """
    if accelerator != "kvm" and (not model or model in CPU_MODES):
        return E.cpu(E.feature(policy="disable", name="la57"), mode="maximum")
    if not model or model in CPU_MODES:
        return E.cpu(mode=model or "host-passthrough")
    check = "partial" if accelerator == "kvm" else "none"  # emulation lacks features that most models name
    return E.cpu(E.model(model, fallback="forbid"), mode="custom", match="exact", check=check)


def _devices(plan: GuestPlan, layout: Layout) -> etree._Element:
    return E.devices(
        _root_disk(layout, plan),
        _seed_drive(layout, plan),
        E.controller(type="scsi", index="0", model="virtio-scsi"),
        E.controller(type="usb", index="0", model="none"),
        E.controller(type="pci", index="0", model="pcie-root"),
        *(E.controller(type="pci", index=str(port), model="pcie-root-port") for port in range(1, ROOT_PORTS + 1)),
        E.serial(
            E.log(file=str(layout.console(plan.uid)), append="off"),
            E.target(type="isa-serial", port="0"),
            type="pty",
        ),
        E.channel(E.target(type="virtio", name=AGENT_CHANNEL), type="unix"),
        E.graphics(E.listen(type="socket"), type="vnc"),
        E.video(E.model(type="vga", vram="16384", heads="1")),
        E.rng(E.backend("/dev/urandom", model="random"), model="virtio"),
        E.memballoon(model="virtio", freePageReporting="on"),
        E.panic(model="isa"),
    )


def _root_disk(layout: Layout, plan: GuestPlan) -> etree._Element:
    image = str(layout.image(plan.image))
    return E.disk(
        E.driver(name="qemu", type="qcow2", discard="unmap"),
        E.source(file=str(layout.disk(plan.uid))),
        E.backingStore(E.format(type="qcow2"), E.source(file=image), E.backingStore(), type="file"),
        E.target(dev="vda", bus="virtio"),
        type="file",
        device="disk",
    )


def _seed_drive(layout: Layout, plan: GuestPlan) -> etree._Element:
    """Return the seed's drive. It hangs on virtio-scsi because small guest kernels have no driver for q35's AHCI."""
    return E.disk(
        E.driver(name="qemu", type="raw"),
        E.source(file=str(layout.seed(plan.uid))),
        E.backingStore(),
        E.target(dev="sda", bus="scsi"),
        E.readonly(),
        type="file",
        device="cdrom",
    )


def _attach(domain: etree._Element, plan: GuestPlan, link: Link, forwards: tuple[Forward, ...]) -> None:
    """Connect the first interface."""
    match link:
        case NatLink(network=network):
            interface = E.interface(
                E.mac(address=plan.mac),
                E.source(network=network),
                E.model(type="virtio"),
                type="network",
            )
            devices = domain.find("devices")
            if devices is not None:
                devices.append(interface)
        case UserLink():
            arguments = link.arguments(plan, forwards, bus=f"pci.{ROOT_PORTS}")
            domain.append(_QEMU.commandline(*(_QEMU.arg(value=text) for text in arguments)))
