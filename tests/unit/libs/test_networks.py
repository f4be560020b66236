"""Networks that API keys allow, in IPv4, IPv6, and IPv4 written as IPv6."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.networks import is_within, network_of


@pytest.mark.parametrize(
    ("text", "network"),
    [
        ("10.0.0.7", "10.0.0.7/32"),
        ("::ffff:10.0.0.0/120", "10.0.0.0/24"),
        ("::ffff:10.0.0.7", "10.0.0.7/32"),
        ("::ffff:a00:0/104", "10.0.0.0/8"),
        ("::ffff:0:0/96", "0.0.0.0/0"),
        ("::ffff:0:0/95", None),
        ("::fffe:0:0/95", "::fffe:0:0/95"),
        ("2001:db8::/32", "2001:db8::/32"),
        ("::ffff:10.0.0.7/120", None),
        ("10.0.0.7/8", None),
        ("nowhere", None),
    ],
)
def test_a_network_of_mapped_addresses_is_the_one_of_ipv4_that_it_stands_for(text: str, network: str | None) -> None:
    if network is None:
        with pytest.raises(ValueError, match=r"host bits set|not appear to be"):
            network_of(text)
    else:
        assert str(network_of(text)) == network


@given(st.ip_addresses(v=4), st.ip_addresses(v=4), st.integers(0, 32))
def test_how_an_ipv4_address_or_network_is_written_makes_no_difference(
    address: ipaddress.IPv4Address, base: ipaddress.IPv4Address, length: int
) -> None:
    network = ipaddress.ip_network((base, length), strict=False)
    mapped = f"::ffff:{network.network_address}/{96 + length}"
    for sender in (str(address), f"::ffff:{address}"):
        for allowed in (str(network), mapped):
            assert is_within(sender, [network_of(allowed)]) is (address in network)


@pytest.mark.parametrize("address", ["unix", "", "10.0.0.0/24", "fe80::1%eth0"])
def test_what_is_no_address_of_a_network_is_in_none(address: str) -> None:
    assert not is_within(address, map(network_of, ["10.0.0.0/24", "2001:db8::/32"]))
