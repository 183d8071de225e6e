"""Which Accept headers can be served."""

import pytest

from starlink.apiserver.errors import StatusError
from starlink.apiserver.message import Request
from starlink.apiserver.reading.accepting import check_accept


@pytest.mark.parametrize(
    "accept",
    [
        "",
        "*/*",
        "application/json",
        "text/html,application/xhtml+xml,*/*;q=0.8",
        "application/vnd.kubernetes.protobuf,application/json",
        "application/json;as=Table;v=v1;g=meta.k8s.io,application/json",
        "application/json; as=PartialObjectMetadata; v=v1; g=meta.k8s.io",
    ],
)
def test_served(accept: str) -> None:
    check_accept(Request("GET", "/", {}, {"accept": accept}))


@pytest.mark.parametrize("accept", ["text/html", "application/xml", "application/json;as=Picture"])
def test_not_served(accept: str) -> None:
    with pytest.raises(StatusError) as refused:
        check_accept(Request("GET", "/", {}, {"accept": accept}))
    assert (refused.value.code, refused.value.reason) == (406, "NotAcceptable")
    assert refused.value.message.startswith("only the following media types are accepted: application/json")
