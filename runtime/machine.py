"""This machine's own manifests: a zone called `local` and a hypervisor in it.

They are written to `<home>/manifests` once and read from there ever after: what an operator changes in them stays. Two
homes on one machine must not share a network, a bridge, a storage pool or a subnet, so all but the default home get
names with a hash of the home's path, and every home gets a subnet nobody on the machine uses.
"""

import ipaddress
import itertools
import os
from collections.abc import Iterator
from hashlib import sha256
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import yaml

from runtime.settings import Settings, default_home

API_VERSION = "vmflow.dev/v1alpha1"
ZONE = "local"
_FIRST_SUBNET = IPv4Network("10.231.0.0/24")
_SUBNETS = IPv4Network("10.224.0.0/12")
"""Where subnets are taken from: a part of RFC 1918 that few sites and no container runtime use by default."""

Manifest = dict[str, Any]


def machine_manifests(settings: Settings) -> list[Manifest]:
    """Return the manifests of this machine, writing those that are not there yet."""
    manifests = [_kept(settings.manifests / "zone.yaml", _object("Zone", ZONE, {}), settings)]
    if settings.hypervisor != "none":
        manifests.append(_kept(settings.manifests / "hypervisor.yaml", _hypervisor(settings), settings))
    return manifests


def libvirt_uri() -> str:
    """Return the libvirt daemon of whoever runs this: the machine's for root, their own session's otherwise."""
    return "qemu:///system" if os.geteuid() == 0 else "qemu:///session"


def _object(kind: str, name: str, spec: Manifest) -> Manifest:
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": name}, "spec": spec}


def _kept(file: Path, fresh: Manifest, settings: Settings) -> Manifest:
    """Return the manifest in the file; writes the fresh one when there is none, or it is another hypervisor's."""
    if file.exists():
        kept: Manifest = yaml.safe_load(file.read_text())
        same_name = kept["metadata"]["name"] == fresh["metadata"]["name"]
        if same_name and (kept["kind"] == "Zone" or settings.hypervisor in kept["spec"]):
            return kept
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_suffix(".partial")
    partial.write_text(yaml.safe_dump(fresh, sort_keys=False))
    partial.replace(file)
    return fresh


def _hypervisor(settings: Settings) -> Manifest:
    directory = str(settings.hypervisor_directory)
    if settings.hypervisor == "simulator":
        return _object("Hypervisor", settings.hypervisor_name, {"zone": ZONE, "simulator": {"directory": directory}})
    name = _own_name(settings.home)
    libvirt = {"uri": libvirt_uri(), "directory": directory, "pool": name, "network": _network(settings.home, name)}
    return _object("Hypervisor", settings.hypervisor_name, {"zone": ZONE, "libvirt": libvirt})


def _own_name(home: Path) -> str:
    """Return `vmflow`, or for another home than the default one `vmflow-` and six digits of its path's hash."""
    return "vmflow" if home == default_home() else f"vmflow-{_hash(home)[:6]}"


def _hash(home: Path) -> str:
    return sha256(str(home).encode()).hexdigest()


def _network(home: Path, name: str) -> dict[str, str]:
    if os.geteuid() != 0:
        return {"kind": "user"}
    bridge = "vmflow0" if name == "vmflow" else name  # 13 characters; the kernel allows 15
    return {"kind": "nat", "name": name, "bridge": bridge, "subnet": str(_free_subnet(home, bridge))}


def _free_subnet(home: Path, bridge: str) -> IPv4Network:
    """Return the home's first choice of a /24, or the next one that no other interface's route overlaps."""
    taken = [network for interface, network in routes(Path("/proc/net/route").read_text()) if interface != bridge]
    choices = list(_SUBNETS.subnets(new_prefix=_FIRST_SUBNET.prefixlen))
    start = choices.index(_FIRST_SUBNET)
    if home != default_home():
        start += 1 + int(_hash(home), 16) % (len(choices) - 1)
    rotated = itertools.islice(itertools.cycle(choices), start, start + len(choices))
    return next(subnet for subnet in rotated if not any(subnet.overlaps(network) for network in taken))


def routes(table: str) -> Iterator[tuple[str, IPv4Network]]:
    """Yield interface and destination of every IPv4 route but the default one, from the text of /proc/net/route.

    Addresses stand there as the hexadecimal digits of a little-endian word (proc_pid_net(5)).
    """
    for line in table.splitlines()[1:]:
        interface, destination, _gateway, _flags, _references, _use, _metric, mask, *_ = line.split()
        network = IPv4Network((_address(destination), str(_address(mask))))
        if network.prefixlen:
            yield interface, network


def _address(word: str) -> ipaddress.IPv4Address:
    return ipaddress.IPv4Address(bytes.fromhex(word)[::-1])
