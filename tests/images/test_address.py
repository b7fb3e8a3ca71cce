"""Which addresses may be connected to."""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from images.address import effective, may_reach


@pytest.mark.parametrize(
    "text",
    [
        "0.0.0.0",
        "10.0.0.1",
        "100.64.0.1",
        "127.0.0.1",
        "127.255.255.254",
        "169.254.169.254",
        "172.16.0.1",
        "192.168.0.1",
        "192.0.0.8",
        "198.18.0.1",
        "203.0.113.1",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::127.0.0.1",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",
        "2001:db8::1",
        "2002:7f00:1::",
        "2002:a9fe:a9fe::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fe80::1%eth0",
        "fec0::1",
        "ff02::1",
    ],
)
def test_10_addresses_that_are_not_public_are_closed(text: str) -> None:
    assert not may_reach(effective(ip_address(text)), ())


@pytest.mark.parametrize("text", ["1.1.1.1", "151.101.2.132", "2606:4700::1111", "::ffff:1.1.1.1"])
def test_public_addresses_are_open(text: str) -> None:
    assert may_reach(effective(ip_address(text)), ())


def test_10_the_operator_opens_networks_one_by_one() -> None:
    allowed = (ip_network("10.1.0.0/16"), ip_network("fd00::/8"))
    assert may_reach(ip_address("10.1.2.3"), allowed)
    assert may_reach(effective(ip_address("::ffff:10.1.2.3")), allowed)
    assert may_reach(ip_address("fd12::1"), allowed)
    assert not may_reach(ip_address("10.2.0.1"), allowed)


@given(st.ip_addresses(v=4))
def test_10_an_ipv4_address_in_ipv6_clothes_is_judged_as_itself(address: IPv4Address) -> None:
    assert may_reach(effective(IPv6Address(f"::ffff:{address}")), ()) == may_reach(address, ())
