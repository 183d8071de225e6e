"""At which URL another machine reaches the API server."""

import pytest

from starlink.cli import joining
from starlink.cli.joining import Certificate, Machine, NotReached, Way

LOOPBACK = ("127.0.0.1", "::1")
ADDRESSES = (*LOOPBACK, "10.0.0.5", "172.17.0.1", "2001:db8::5")
EVERYWHERE = Certificate(("localhost", "rack1"), ADDRESSES)
HERE = Machine("rack1", "10.0.0.5", ADDRESSES)
URL = "https://127.0.0.1:6443"


def way(dialled: str, certificate: Certificate, here: Machine, wanted: str = "") -> Way:
    """As from a StarLink on the usual data directory."""
    return joining.way(dialled, certificate, here, "starlink {}".format, wanted)


def test_the_address_of_the_default_route_goes_first() -> None:
    found = way(URL, EVERYWHERE, HERE)
    assert found == Way("https://10.0.0.5:6443", ["https://172.17.0.1:6443", "https://[2001:db8::5]:6443"])


def test_without_a_default_route_it_is_one_that_others_may_reach() -> None:
    assert way(URL, EVERYWHERE, Machine("rack1", "", ADDRESSES)).url == "https://10.0.0.5:6443"


def test_a_name_that_was_given_goes_before_addresses() -> None:
    named = Certificate(("localhost", "rack1", "star.example", "*.lab.example"), ADDRESSES)
    found = way(URL, named, HERE)
    assert found.url == "https://star.example:6443" and found.others[0] == "https://10.0.0.5:6443"


def test_an_address_at_which_it_does_not_listen_is_not_given() -> None:
    """Such as one of a router that --tls-san names."""
    with pytest.raises(NotReached, match=r"starlink down, and then starlink up --detach --listen 0\.0\.0\.0:6443"):
        way(
            URL,
            Certificate(("localhost", "star.example"), (*LOOPBACK, "203.0.113.9")),
            Machine("rack1", "10.0.0.5", ()),
        )


def test_loopback_is_refused_with_the_way() -> None:
    with pytest.raises(NotReached, match=r"no other machine reaches it.*--listen 0\.0\.0\.0:6443.*--server"):
        way(URL, Certificate(("localhost",), LOOPBACK), Machine("rack1", "10.0.0.5", LOOPBACK))


def test_one_that_is_dialled_from_elsewhere_is_as_it_is() -> None:
    assert way("https://10.0.0.5:6443", EVERYWHERE, HERE) == Way("https://10.0.0.5:6443")


@pytest.mark.parametrize(
    "url", ["https://10.0.0.5:6443", "https://[2001:db8::5]:1", "https://RACK1/", URL, "https://a.lab:9"]
)
def test_a_url_that_is_wanted_is_given(url: str) -> None:
    named = Certificate(("localhost", "rack1", "*.lab"), ADDRESSES)
    assert way(URL, named, HERE, url) == Way(url.rstrip("/"))


@pytest.mark.parametrize("host", ["10.0.0.6", "star.example", "a.b.lab", "lab"])
def test_one_that_no_agent_would_trust_is_refused(host: str) -> None:
    named = Certificate(("localhost", "rack1", "*.lab"), ADDRESSES)
    with pytest.raises(NotReached, match=rf"--tls-san {host}"):
        way(URL, named, HERE, f"https://{host}:6443")


@pytest.mark.parametrize(
    "url", ["10.0.0.5:6443", "http://10.0.0.5:6443", "https://10.0.0.5:x", "https://10.0.0.5/a", "https://"]
)
def test_what_is_no_url_is_said(url: str) -> None:
    with pytest.raises(NotReached, match="write https://HOST:PORT"):
        way(URL, EVERYWHERE, HERE, url)
