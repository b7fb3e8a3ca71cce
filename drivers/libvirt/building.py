"""Building a guest: root disk, seed, domain, in that order, each only where it is missing or out of date."""

from collections.abc import Iterator
from contextlib import contextmanager

import libvirt
from lxml import etree

from domain.guest import Forward, GuestPlan
from domain.problem import Problem
from drivers.libvirt import ports
from drivers.libvirt.domain_xml import CPU_MODES, domain_xml
from drivers.libvirt.errors import is_code
from drivers.libvirt.host import find_domain
from drivers.libvirt.layout import Layout
from drivers.libvirt.lock import building
from drivers.libvirt.metadata import Mark, configured, remember, seal
from drivers.libvirt.networks import Link, UserLink
from drivers.libvirt.storage import Storage


class Builder:
    """Builds guests on one hypervisor."""

    def __init__(self, layout: Layout, storage: Storage, link: Link) -> None:
        self._layout = layout
        self._storage = storage
        self._link = link

    def ensure_defined(
        self,
        connection: libvirt.virConnect,
        plan: GuestPlan,
        *,
        fresh: bool,
        accelerator: str,
    ) -> libvirt.virDomain:
        """Return the plan's domain, made or brought up to date where it is off; what runs stays as it is.

        Raises what `Driver.ensure_defined` names, Problem.terminal `DomainNameTaken` and `CpuModelUnknown`.
        """
        with self.alone(plan.uid), building(self._layout.volumes, f"name {plan.name}"):
            domain = find_domain(connection, plan.uid)
            if domain is not None and domain.isActive() and domain.isPersistent():
                return domain
            return self._build(connection, plan, domain, fresh=fresh, accelerator=accelerator)

    @contextmanager
    def alone(self, uid: str) -> Iterator[None]:
        """Keep every other builder off a guest. Raises Problem.retry `GuestBusy` when one stays on it for long."""
        self._layout.ensure_folders()
        with building(self._layout.volumes, uid):
            yield

    def _build(
        self,
        connection: libvirt.virConnect,
        plan: GuestPlan,
        domain: libvirt.virDomain | None,
        *,
        fresh: bool,
        accelerator: str,
    ) -> libvirt.virDomain:
        mark = configured(domain) if domain is not None else Mark()
        _check(connection, plan)
        definition = self._definition(connection, plan, mark, accelerator)
        digest = seal(definition)
        idle = domain is None or not domain.isActive()
        self._storage.ensure_disk(connection, plan, fresh=fresh, idle=idle)
        current = domain is not None and mark.digest == digest
        if not (current and self._layout.seed(plan.uid).exists()):
            self._storage.write_seed(plan)
        if domain is None or not (current and domain.isPersistent()):
            remember(definition, mark)
            domain = connection.defineXMLFlags(
                etree.tostring(definition, encoding="unicode"),
                libvirt.VIR_DOMAIN_DEFINE_VALIDATE,
            )
        self._storage.clear_partials(plan.uid)
        return domain

    def _definition(
        self,
        connection: libvirt.virConnect,
        plan: GuestPlan,
        mark: Mark,
        accelerator: str,
    ) -> etree._Element:
        forwards = self._forwards(connection, plan, mark)
        try:
            return domain_xml(plan, self._layout, accelerator=accelerator, link=self._link, forwards=forwards)
        except ValueError as error:  # a character that XML cannot hold, or a key that is no file name
            raise Problem.terminal(
                "NotWritable", f"a text cannot be given to libvirt: {error}", field=plan.owner
            ) from error

    def _forwards(self, connection: libvirt.virConnect, plan: GuestPlan, mark: Mark) -> tuple[Forward, ...]:
        if not isinstance(self._link, UserLink) or not (plan.tcp or plan.udp):
            return ()
        recorded = (*mark.forwards, *mark.reserved)
        return ports.choose(plan, recorded, self._link.listen, ports.taken(connection, plan.uid))


def _check(connection: libvirt.virConnect, plan: GuestPlan) -> None:
    """Refuse what libvirt would only refuse at power-on, or with words that do not help."""
    named = _named(connection, plan.name)
    if named is not None and named.UUIDString() != plan.uid:
        raise Problem.terminal(
            "DomainNameTaken",
            f"another domain, {named.UUIDString()}, is called {plan.name} here; rename or remove it",
            field=plan.owner,
        )
    model = plan.cpu_model
    if model and model not in CPU_MODES and model not in connection.getCPUModelNames("x86_64", 0):
        raise Problem.terminal(
            "CpuModelUnknown",
            f"no CPU model {model!r} is known here; leave it out, or name one that `virsh cpu-models x86_64` lists",
            field=plan.owner,
        )


def _named(connection: libvirt.virConnect, name: str) -> libvirt.virDomain | None:
    try:
        return connection.lookupByName(name)
    except libvirt.libvirtError as error:
        if is_code(error, libvirt.VIR_ERR_NO_DOMAIN):
            return None
        raise
