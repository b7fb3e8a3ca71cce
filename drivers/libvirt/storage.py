"""A guest's files: the storage pool, root disks as linked clones, and what is left when something was cut off.

A root disk is made under a partial name through the pool, synced, and published with link(2), which never replaces. The
pool therefore lists what it found at its last refresh, at the latest when the hypervisor was prepared; the folder is
the truth.
"""

import os
import uuid
from contextlib import suppress
from pathlib import Path

import libvirt
from lxml import etree

from domain.guest import GuestPlan
from domain.problem import Problem
from domain.quantity import format_bytes
from drivers.libvirt.elements import E
from drivers.libvirt.errors import is_code
from drivers.libvirt.layout import Layout, publishing, sync
from drivers.libvirt.lock import building
from drivers.libvirt.qcow2 import Header, read_header, virtual_size, whole
from drivers.libvirt.seed import write_seed

_NAMESPACE = uuid.UUID("6a3cf2a6-5d0e-5b6c-9a53-0d2f3a8b7c11")
"""Makes the pool's UUID from its name, so that defining it twice at once is defining it once."""


class Storage:
    """The volumes of one hypervisor."""

    def __init__(self, layout: Layout, pool: str) -> None:
        self._layout = layout
        self._name = pool

    def ensure_pool(self, connection: libvirt.virConnect) -> libvirt.virStoragePool:
        """Return the pool, defined, running and starting with its host. Raises Problem.terminal `PoolElsewhere`."""
        pool = self._find(connection) or connection.storagePoolDefineXML(self._pool_xml(), 0)
        path = etree.fromstring(pool.XMLDesc(0)).findtext("target/path")
        if path != str(self._layout.volumes):
            raise Problem.terminal(
                "PoolElsewhere",
                f"the storage pool lies at {path}, not at {self._layout.volumes}; name another pool or remove that one",
                field=self._name,
            )
        if not pool.isActive():
            _start(pool)
        if not pool.autostart():
            pool.setAutostart(1)
        return pool

    def ensure_disk(self, connection: libvirt.virConnect, plan: GuestPlan, *, fresh: bool, idle: bool) -> None:
        """Make the root disk unless it is there, and large enough if no guest runs on it; see that its image is there.

        Raises what `Driver.ensure_defined` names.
        """
        disk = self._layout.disk(plan.uid)
        exists = disk.exists()
        if not exists and not fresh:
            raise Problem.terminal(
                "RootDiskMissing",
                f"the root disk {disk.name} is gone and is not replaced by an empty one; restore it or delete the VM",
                field=plan.owner,
            )
        header = self._image_header(plan)
        if exists:
            if idle:
                self._grow_disk(connection, plan, disk)
            return
        if header.virtual_size > plan.disk:
            raise Problem.terminal(
                "DiskTooSmall",
                f"the disk has {format_bytes(plan.disk)} and its image needs {format_bytes(header.virtual_size)}; "
                "ask for a larger disk",
                field=plan.owner,
            )
        self._make_disk(self.ensure_pool(connection), plan)

    def clones(self, key: str) -> list[str]:
        """Return the UIDs of the guests whose disk, whole or partial, is a linked clone of an image."""
        image = str(self._layout.image(key))
        return sorted({uid for uid, disk in self._layout.disks() if _leans_on(disk, image)})

    def write_seed(self, plan: GuestPlan) -> None:
        """Make the seed, over one that is there."""
        with publishing(self._layout.partial(plan.uid), self._layout.seed(plan.uid)) as partial:
            write_seed(partial, plan)

    def clear_partials(self, uid: str) -> None:
        """Remove what attempts that were cut off left of a guest that is whole by now."""
        for path in self._layout.partials_of(uid):
            path.unlink(missing_ok=True)

    def remove(self, uid: str) -> None:
        """Remove every file of a guest, and make that last."""
        if not self._layout.volumes.is_dir():
            return
        with building(self._layout.volumes, uid):
            files = self._layout.files_of(uid)
            for path in files:
                path.unlink(missing_ok=True)
            if files:
                sync(self._layout.volumes)

    def _image_header(self, plan: GuestPlan) -> Header:
        try:
            header = read_header(self._layout.image(plan.image))
        except FileNotFoundError as error:
            raise Problem.wait(
                "ImageMissing",
                f"image {plan.image} is not in this hypervisor's cache; it must be imported first",
                field=plan.owner,
            ) from error
        except ValueError as error:
            raise Problem.terminal("ImageCorrupt", f"{error}; import the image again", field=plan.owner) from error
        if header.backing_file:
            raise Problem.terminal(
                "ImageCorrupt",
                f"cached image {plan.image} has a backing file; import the image again",
                field=plan.owner,
            )
        return header

    def _make_disk(self, pool: libvirt.virStoragePool, plan: GuestPlan) -> None:
        partial = self._layout.partial(plan.uid)
        volume = pool.createXML(self._volume_xml(partial, plan), 0)
        try:
            sync(partial)
            with suppress(FileExistsError):  # of a worker on another machine: the disk that is there is the disk
                os.link(partial, self._layout.disk(plan.uid))
            if not self._layout.image(plan.image).exists():  # it went meanwhile; from here on `clones` names this disk
                self._layout.disk(plan.uid).unlink()
                self._image_header(plan)
        finally:
            volume.delete(0)
        sync(self._layout.volumes)

    def _grow_disk(self, connection: libvirt.virConnect, plan: GuestPlan, disk: Path) -> None:
        """Make a root disk as large as the plan says; one that is larger stays so.

        The pool learns of it by a refresh, for the disk was published behind its back.
        """
        try:
            size = virtual_size(disk)
        except ValueError as error:
            raise Problem.terminal(
                "RootDiskCorrupt", f"{error}; restore the root disk or delete the VM", field=plan.owner
            ) from error
        if size < plan.disk:
            pool = self.ensure_pool(connection)
            pool.refresh(0)
            pool.storageVolLookupByName(disk.name).resize(whole(plan.disk), 0)

    def _find(self, connection: libvirt.virConnect) -> libvirt.virStoragePool | None:
        try:
            return connection.storagePoolLookupByName(self._name)
        except libvirt.libvirtError as error:
            if is_code(error, libvirt.VIR_ERR_NO_STORAGE_POOL):
                return None
            raise

    def _pool_xml(self) -> str:
        path = str(self._layout.volumes)
        identity = str(uuid.uuid5(_NAMESPACE, f"{self._name}\n{path}"))
        pool = E.pool(E.name(self._name), E.uuid(identity), E.target(E.path(path)), type="dir")
        return etree.tostring(pool, encoding="unicode")

    def _volume_xml(self, partial: Path, plan: GuestPlan) -> str:
        volume = E.volume(
            E.name(partial.name),
            E.capacity(str(whole(plan.disk)), unit="bytes"),
            E.target(E.format(type="qcow2"), E.permissions(E.mode("0600")), E.compat("1.1")),
            E.backingStore(E.path(str(self._layout.image(plan.image))), E.format(type="qcow2")),
            type="file",
        )
        return etree.tostring(volume, encoding="unicode")


def _leans_on(disk: Path, image: str) -> bool:
    """Tell whether a disk leans on an image; one that is just being made or removed does not, or is asked again."""
    try:
        return read_header(disk).backing_file == image
    except (FileNotFoundError, ValueError):
        return False


def _start(pool: libvirt.virStoragePool) -> None:
    try:
        pool.create(0)
    except libvirt.libvirtError:
        if not pool.isActive():  # otherwise somebody else was first
            raise
