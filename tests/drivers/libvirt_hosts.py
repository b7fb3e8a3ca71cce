"""libvirt hosts for tests: private session daemons, the guest they boot, and the door behind the driver's back.

Each host is a libvirtd of its own: own folders, own host UUID, own socket, run as an unprivileged user. It needs no
privilege and shares nothing with the machine's own libvirt. Everything it started ends with it, by process id.
"""

import fcntl
import hashlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import libvirt
import pytest

from domain.guest import Forward, GuestPlan, default_mac
from domain.hypervisor import LibvirtSpec, UserNetwork
from drivers.libvirt import LibvirtDriver
from drivers.libvirt.events import ensure_event_loop
from tests.drivers.waiting import eventually

ROOT = Path(__file__).parents[2]
TINY = ROOT / ".cache/guests/tiny.qcow2"
IMAGE = "c0ffee" * 5 + "00"
"""The key under which a host caches its image."""
_DAEMON_SECONDS = 30.0


class SessionHost:
    """A libvirtd that runs as `nobody`, or as whoever runs the tests when that is not root."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="vmflow-", dir="/tmp"))  # short: sockets' paths have 107 bytes
        self.folder.chmod(0o755)
        self._config = self.folder / "etc/libvirt"
        self._daemon: subprocess.Popen[bytes] | None = None
        for name in ("run", "cache", "home", "etc/libvirt", "vmflow", "vmflow/images", "vmflow/volumes"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        (self.folder / "run").chmod(0o700)
        (self._config / "libvirtd.conf").write_text(f'host_uuid = "{uuid.uuid4()}"\n')
        (self._config / "qemu.conf").write_text('stdio_handler = "file"\n')  # no virtlogd beside this daemon
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            for path in (self.folder, *self.folder.rglob("*")):
                os.chown(path, nobody.pw_uid, nobody.pw_gid)

    @property
    def spec(self) -> LibvirtSpec:
        """How the driver reaches it."""
        socket = self.folder / "run/libvirt/libvirt-sock"
        return LibvirtSpec(
            uri=f"qemu+unix:///session?socket={socket}",
            directory=str(self.folder / "vmflow"),
            network=UserNetwork(),
        )

    def start(self) -> None:
        """Run the daemon, and wait until it answers."""
        ensure_event_loop()
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder / "home"),
            "XDG_RUNTIME_DIR": str(self.folder / "run"),
            "XDG_CONFIG_HOME": str(self.folder / "etc"),
            "XDG_CACHE_HOME": str(self.folder / "cache"),
        }
        command = ["/usr/sbin/libvirtd", "-p", str(self.folder / "run/libvirtd.pid")]
        if os.geteuid() == 0:
            command = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", *command]
        with (self.folder / "libvirtd.log").open("ab") as log:
            self._daemon = subprocess.Popen(
                [sys.executable, "-m", "runtime.reaper", *command],
                env=environment,
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        eventually(self._answers, within=_DAEMON_SECONDS, what=f"libvirtd answers; see {self.folder}/libvirtd.log")

    def kill(self) -> None:
        """Kill the daemon as the kernel would; guests go on."""
        assert self._daemon is not None
        os.kill(int((self.folder / "run/libvirtd.pid").read_text()), signal.SIGKILL)
        self._daemon.wait(_DAEMON_SECONDS)

    def end(self) -> None:
        """End the daemon and every guest it left, and remove its folder."""
        if self._daemon is not None and self._daemon.poll() is None:
            self._daemon.terminate()
            self._daemon.wait(_DAEMON_SECONDS)
        for pid in processes(str(self.folder)):
            os.kill(pid, signal.SIGKILL)
        eventually(lambda: not processes(str(self.folder)), within=_DAEMON_SECONDS, what="the host's processes end")
        shutil.rmtree(self.folder)

    def cache(self, image: Path, key: str = IMAGE) -> str:
        """Put an image into the host's cache; return its key."""
        target = Path(self.spec.directory) / "images" / f"{key}.qcow2"
        shutil.copyfile(image, target)
        target.chmod(0o644)
        return key

    def _answers(self) -> bool:
        try:
            libvirt.open(self.spec.uri).close()
        except libvirt.libvirtError:
            return False
        return True


def processes(word: str) -> list[int]:
    """Return the live processes that have a word in their command line."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                command = (entry / "cmdline").read_bytes()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if word.encode() in command:
                found.append(int(entry.name))
    return found


def blank_image(path: Path, size: int = 64 * 2**20) -> Path:
    """Make an empty image: enough for whatever does not boot."""
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", path, str(size)], check=True)
    return path


def built_tiny() -> Path:
    """Return the tiny guest, built once for as long as its recipe does not change; workers wait for each other."""
    TINY.parent.mkdir(parents=True, exist_ok=True)
    recipe = ROOT / "deploy/guests"
    sources = [recipe / "build-tiny", *sorted(path for path in (recipe / "tiny").rglob("*") if path.is_file())]
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()
    stamp = TINY.with_suffix(".sha256")
    with TINY.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not TINY.exists() or not stamp.exists() or stamp.read_text() != digest:
            subprocess.run([recipe / "build-tiny", TINY], check=True, capture_output=True)
            stamp.write_text(digest)
    return TINY


def new_plan(**changes: object) -> GuestPlan:
    """Return the plan of a small guest with a UID of its own."""
    uid = str(uuid.uuid4())
    fields = {
        "uid": uid,
        "name": f"guest-{uid[:8]}",
        "owner": "team/guest",
        "hostname": "guest",
        "cpus": 1,
        "memory": 2**27,
        "max_cpus": 1,
        "max_memory": 2**27,
        "disk": 2**28,
        "image": IMAGE,
        "mac": default_mac(uid),
    }
    return GuestPlan.model_validate({**fields, **changes})


def greeting(forward: Forward) -> bytes:
    """Return what a guest says first to whoever connects to a forwarded port; empty when it says nothing."""
    try:
        with socket.create_connection(("127.0.0.1", forward.host), timeout=2) as connection:
            return connection.recv(64)
    except OSError:
        return b""


@contextmanager
def opened(host: SessionHost, plan: GuestPlan) -> Iterator[libvirt.virDomain]:
    """Yield a guest's domain, as libvirt has it."""
    connection = libvirt.open(host.spec.uri)
    try:
        yield connection.lookupByUUIDString(plan.uid)
    finally:
        connection.close()


@pytest.fixture(scope="session")
def tiny_guest() -> Path:
    """The tiny guest's disk image."""
    return built_tiny()


@pytest.fixture(scope="session")
def session_host() -> Iterator[SessionHost]:
    """A host shared by the tests of one worker, with an image in its cache that does not boot."""
    host = SessionHost()
    try:
        host.cache(blank_image(host.folder / "blank.qcow2"))
        host.start()
        yield host
    finally:
        host.end()


@pytest.fixture(scope="session")
def bootable_host(tiny_guest: Path) -> Iterator[SessionHost]:
    """A host shared by the tests of one worker, with the tiny guest in its cache."""
    host = SessionHost()
    try:
        host.cache(tiny_guest)
        host.start()
        yield host
    finally:
        host.end()


@pytest.fixture
def mortal_host() -> Iterator[SessionHost]:
    """A host for one test that may kill it, with an image in its cache that does not boot."""
    host = SessionHost()
    try:
        host.cache(blank_image(host.folder / "blank.qcow2"))
        host.start()
        yield host
    finally:
        host.end()


@pytest.fixture
def libvirt_driver(session_host: SessionHost) -> Iterator[LibvirtDriver]:
    """A prepared driver for the shared host; the test leaves nothing there."""
    with prepared(session_host.spec) as driver:
        yield driver


@contextmanager
def prepared(spec: LibvirtSpec) -> Iterator[LibvirtDriver]:
    """Yield a prepared driver; afterwards remove every guest and see that nothing is left."""
    driver = LibvirtDriver(spec)
    driver.prepare()
    try:
        yield driver
        for seen in driver.inventory():
            driver.ensure_removed(seen.uid)
        assert driver.leftovers() == []
    finally:
        driver.close()
