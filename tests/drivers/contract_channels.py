"""The contract of channels: sockets to a running guest's console, screen and ports."""

import socket
from contextlib import closing, suppress
from pathlib import Path

import pytest

from domain.channel import Endpoint
from domain.guest import GuestPlan, Observation
from drivers.base import Driver
from tests.drivers.contract_base import ContractBase, MakePlan, quiet, refused
from tests.drivers.waiting import eventually

_PATIENCE = 60.0


class ChannelsContract(ContractBase):
    """Reaching into guests."""

    @pytest.mark.parametrize("endpoint", Endpoint)
    def test_a_guest_that_is_absent_or_off_cannot_be_reached(
        self, driver: Driver, plan: GuestPlan, endpoint: Endpoint
    ) -> None:
        assert refused(lambda: driver.open_channel(plan.uid, endpoint=endpoint, port=22)).reason == "GuestNotRunning"
        driver.ensure_defined(plan, fresh=True)
        problem = refused(lambda: driver.open_channel(plan.uid, endpoint=endpoint, port=22))
        assert (problem.reason, problem.field) == ("GuestNotRunning", plan.uid)

    def test_what_is_typed_shows_on_the_console(self, driver: Driver, booted: Observation) -> None:
        with closing(driver.open_channel(booted.uid, endpoint=Endpoint.CONSOLE)) as console:
            console.sendall(b"echo contract\r")
            read_until(console, b"echo contract")

    def test_a_paused_guest_has_a_console(self, driver: Driver, running: Observation) -> None:
        driver.ensure_paused(running.uid, incarnation=running.incarnation)
        with closing(driver.open_channel(running.uid, endpoint=Endpoint.CONSOLE)) as console:
            driver.ensure_resumed(running.uid, incarnation=running.incarnation)
            console.sendall(b"\r")
            read_until(console, b"\r")

    def test_the_screen_speaks_rfb(self, driver: Driver, running: Observation) -> None:
        with closing(driver.open_channel(running.uid, endpoint=Endpoint.VNC)) as screen:
            assert read_until(screen, b"\n") == b"RFB 003.008\n"

    def test_an_exposed_port_reaches_who_listens_there(self, driver: Driver, make_plan: MakePlan) -> None:
        if not self.boots:
            pytest.skip("guests do not boot here")
        plan = make_plan(tcp=(22,))
        driver.ensure_running(plan, fresh=True, start=1)
        self.until(driver, plan.uid, lambda seen: bool(seen.guest.addresses))

        def greets() -> bool:
            port = driver.open_channel(plan.uid, endpoint=Endpoint.PORT, port=22)
            with closing(port), suppress(ConnectionError):  # an address comes before whoever listens there
                port.settimeout(_PATIENCE)
                port.sendall(b"SSH-2.0-contract\r\n")
                return port.recv(7) == b"SSH-2.0"
            return False

        eventually(greets, within=self.patience, what="the SSH server greets")

    def test_a_port_nobody_exposed_is_closed(self, driver: Driver, running: Observation) -> None:
        problem = refused(lambda: driver.open_channel(running.uid, endpoint=Endpoint.PORT, port=4242))
        assert (problem.reason, problem.field) == ("PortClosed", running.uid)

    @pytest.mark.parametrize("endpoint", [Endpoint.CONSOLE, Endpoint.VNC])
    def test_a_channel_ends_with_its_incarnation(
        self, driver: Driver, plan: GuestPlan, running: Observation, endpoint: Endpoint
    ) -> None:
        with closing(driver.open_channel(plan.uid, endpoint=endpoint)) as channel:
            driver.ensure_stopped(plan.uid, incarnation=running.incarnation, grace=0, beat=quiet)
            driver.ensure_running(plan, fresh=False, start=2)
            read_to_the_end(channel)

    def test_hanging_up_leaves_nothing_open(self, driver: Driver, running: Observation) -> None:
        driver.open_channel(running.uid, endpoint=Endpoint.CONSOLE).close()
        before = open_sockets()
        for endpoint in (Endpoint.CONSOLE, Endpoint.VNC) * 5:
            with closing(driver.open_channel(running.uid, endpoint=endpoint)) as channel:
                channel.sendall(b"\r")
        eventually(lambda: open_sockets() <= before, within=_PATIENCE, what="every socket of the channels is closed")


def open_sockets() -> int:
    """Count this process's sockets, a hypervisor's connections among them."""
    found = 0
    for each in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile, as the folder's own
            found += each.readlink().name.startswith("socket:")
    return found


def read_until(channel: socket.socket, mark: bytes) -> bytes:
    """Return what comes up to a mark; fail when it does not come."""
    channel.settimeout(_PATIENCE)
    got = b""
    while mark not in got:
        data = channel.recv(4096)
        assert data, f"the channel ended after {got!r}"
        got += data
    return got


def read_to_the_end(channel: socket.socket) -> None:
    """Read until the guest hangs up; fail when it does not."""
    channel.settimeout(_PATIENCE)
    try:
        while channel.recv(4096):
            pass
    except ConnectionResetError:  # a screen is cut off, with what was still to be read
        return
