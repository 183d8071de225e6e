"""Which Accept headers can be served."""

import pytest

from starlink.api.errors import StatusError
from starlink.apiserver.kinds.builtin import builtin_resources
from starlink.apiserver.requests.reading.accepting import check_accept
from starlink.apiserver.requests.route import route
from starlink.apiserver.resources.resource import Registry
from starlink.http.message import Request

REGISTRY = Registry(builtin_resources())


LIST, OBJECT = "/api/v1/configmaps", "/api/v1/namespaces/x/configmaps/a"
PARTIAL = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"
PARTIAL_LIST = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"


def check(accept: str, path: str = LIST) -> None:
    request = Request("GET", path, {}, {"accept": accept})
    check_accept(request, route(REGISTRY, request))


@pytest.mark.parametrize(
    "accept",
    [
        "",
        "*/*",
        "application/json",
        "text/html,application/xhtml+xml,*/*;q=0.8",
        "application/vnd.kubernetes.protobuf,application/json",
        "application/json;as=Table;v=v1;g=meta.k8s.io,application/json",
        "application/json; as=PartialObjectMetadataList; v=v1; g=meta.k8s.io",
    ],
)
def test_served(accept: str) -> None:
    check(accept)


@pytest.mark.parametrize(
    ("accept", "words"),
    [
        ("text/html", "406: Not Acceptable\n\nAvailable representations: application/json"),
        ("application/xml", "406: Not Acceptable\n\nAvailable representations: application/json"),
        ("application/json;as=Picture", "only the following media types are accepted: application/json"),
    ],
)
def test_not_served(accept: str, words: str) -> None:
    with pytest.raises(StatusError) as refused:
        check(accept)
    assert (refused.value.code, refused.value.reason) == (406, "NotAcceptable")
    assert refused.value.message.startswith(words)


def test_a_list_and_an_object_have_forms_of_their_own() -> None:
    check(PARTIAL_LIST, LIST)
    check(PARTIAL, OBJECT)
    for accept, path in ((PARTIAL, LIST), (PARTIAL_LIST, OBJECT)):
        with pytest.raises(StatusError) as refused:
            check(accept, path)
        assert refused.value.code == 406
