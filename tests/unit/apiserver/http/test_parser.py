"""Requests out of bytes: whole, in parts, many at once, and none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.apiserver.http.parsers import of_bodies
from tests.unit.apiserver.http.parsers import parser as made_parser

from starlink.api.errors import StatusError
from starlink.http.incoming import Incoming
from starlink.http.limits import Limits
from starlink.http.parser import RequestParser
from starlink.http.target import split_target

GET = b"GET /a?b=c HTTP/1.1\r\nHost: x\r\nAccept: application/json\r\n\r\n"
POST = b"POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = b"PUT /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Trailer: y\r\n\r\n"


def parser(bodies: int = 10_000) -> RequestParser:
    return made_parser(bodies, Limits(headers=5_000, body=1_000))


def parsed(*pieces: bytes) -> list[Incoming | StatusError]:
    made = parser()
    for piece in pieces:
        made.feed(piece)
    return list(made.ready)


def refusal(sent: bytes) -> StatusError:
    (found,) = parsed(sent)
    assert isinstance(found, StatusError)
    return found


@pytest.mark.parametrize("repeats", [1, 3])
def test_a_get_is_the_same_each_time(repeats: int) -> None:
    for found in parsed(*[GET] * repeats):
        assert found == Incoming(
            "GET", "/a", {"b": "c"}, {"host": "x", "accept": "application/json"}, b"", True, True, False
        )


def test_the_same_headers_with_another_line_are_another_request() -> None:
    _, second, third, *rest = parsed(GET, GET.replace(b"/a?b=c", b"/%61/b"), GET.replace(b"GET", b"HEAD"))
    assert not rest
    assert isinstance(second, Incoming)
    assert isinstance(third, Incoming)
    assert (second.path, second.query, third.method) == ("/a/b", {}, "HEAD")
    assert refusal(GET.replace(b"HTTP/1.1", b"HTTP/9.9")).code == 400
    assert refusal(GET.replace(b"/a", b"/%zz")).message == 'malformed URL: invalid URL escape "%zz"'
    assert refusal(GET.replace(b"/a", b"/a b")).code == 400


@given(st.lists(st.sampled_from([GET, POST, CHUNKED]), min_size=1, max_size=6), st.data())
def test_how_bytes_are_cut_changes_nothing(requests: list[bytes], data: st.DataObject) -> None:
    sent = b"".join(requests)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(sent)), max_size=8)))
    pieces = [sent[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(sent)], strict=True)]
    assert parsed(*pieces) == [parsed(request)[0] for request in requests]


@given(st.binary(max_size=300))
def test_no_bytes_raise(sent: bytes) -> None:
    for begin in (b"", b"GET ", b"GET /a HTTP/1.1\r\n", GET):
        for found in parsed(begin + sent, sent):
            assert isinstance(found, Incoming) or found.code in (400, 413, 431)


@pytest.mark.parametrize(("sent", "code"), [
    (b"NONSENSE\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
    (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n", 400),
    (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\n\r\n", 413),
    (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 5_000 + b"\r\n\r\n", 431),
    (b"GET /" + b"a" * 5_001 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 431),
    (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 11_000, 431),
    (b"GET /?" + b"&".join(b"a=b" for _ in range(201)) + b" HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    (b"GET /%ff HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    (b"GET /a\x00b HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    (b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", 400),
])  # fmt: skip
def test_what_is_malformed_or_too_large_is_refused(sent: bytes, code: int) -> None:
    assert refusal(sent).code == code


def test_after_a_refusal_nothing_is_parsed() -> None:
    assert len(parsed(b"NONSENSE\r\n\r\n" + GET, GET)) == 1


def test_a_waiting_client_is_known_until_its_body_is_there() -> None:
    made = parser()
    made.feed(b"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
    assert (made.begun, made.wants_continue) == (True, True)
    made.feed(b"{}")
    assert (made.begun, made.wants_continue) == (False, False)
    (found,) = made.ready
    assert isinstance(found, Incoming)
    assert found.expects


def test_an_upgrade_is_a_wish_and_the_next_request_is_parsed() -> None:
    wish = b"GET /up HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    assert [found.path for found in parsed(wish + GET) if isinstance(found, Incoming)] == ["/up", "/a"]


def test_what_bodies_take_is_given_back() -> None:
    bodies = of_bodies(12)
    made, other = made_parser(bodies), made_parser(bodies)
    made.feed(POST)
    other.feed(POST + POST)
    assert isinstance(other.ready[-1], StatusError)
    assert other.ready[-1].code == 429
    made.release()
    assert bodies.taken == 5
    made.close()
    other.close()
    assert bodies.taken == 0


@pytest.mark.parametrize(("target", "path", "query"), [
    (b"/a/b?x=1&x=2&y=", "/a/b", {"x": "1", "y": ""}),
    (b"/a%20b%C3%A9?labelSelector=a%3Db%2Cc+d", "/a bé", {"labelSelector": "a=b,c d"}),
    (b"//host/path", "//host/path", {}),
    (b"http://host:1/p?q=r", "/p", {"q": "r"}),
    (b"/?", "/", {}),
])  # fmt: skip
def test_targets(target: bytes, path: str, query: dict[str, str]) -> None:
    assert split_target(target) == (path, query)


def test_a_head_that_came_before_means_the_same_with_another_body() -> None:
    post = b"POST /%b HTTP/1.1\r\nhost: known\r\ncontent-type: a/b\r\ncontent-length: 3\r\n\r\n%b"
    first, again = parsed(post % (b"a", b"one")), parsed(post % (b"b?c=d", b"two"))
    (one,), (two,) = first, again
    assert isinstance(one, Incoming) and isinstance(two, Incoming)
    assert (one.body, two.body) == (b"one", b"two")
    assert two == one._replace(path="/b", query={"c": "d"}, body=b"two")


def test_what_follows_a_known_head_counts_by_its_length() -> None:
    put = b"PUT /x HTTP/1.1\r\nhost: counted\r\ncontent-length: 3\r\n\r\n"
    parsed(put + b"abc")
    assert parsed(put + b"ab") == []
    assert [item.body for item in parsed(put + b"abc" + put + b"def") if isinstance(item, Incoming)] == [b"abc", b"def"]
    assert len(parsed(put + b"abcGET")) == 1  # and the begin of another
