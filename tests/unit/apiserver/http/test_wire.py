"""Answers as bytes."""

import json

import pytest

from starlink.api.errors import StatusError
from starlink.http import answers
from starlink.http.message import Response
from starlink.http.status import status_response

JSON = {"content-type": "application/json"}


def test_a_whole_answer() -> None:
    date = answers.date_line(784_111_777)
    assert date == b"date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
    sent = answers.whole(Response(200, b"{}", JSON), close=True, head_only=False, date=date)
    assert sent == (
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n"
        + date + b"content-length: 2\r\n\r\n{}"
    )  # fmt: skip


def test_an_answer_to_head_says_how_long_it_would_be() -> None:
    assert (
        answers.whole(Response(200, b"{}"), close=False, head_only=True)
        == b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n"
    )


@pytest.mark.parametrize("status", [204, 304])
def test_some_answers_have_no_body(status: int) -> None:
    assert answers.whole(Response(status, b"x"), close=False, head_only=False).endswith(b"\r\n\r\n")


def test_a_header_can_not_begin_another() -> None:
    sent = answers.whole(Response(299, b"", {"warning": "a\r\nset-cookie: b"}), close=False, head_only=False)
    assert sent.startswith(b"HTTP/1.1 299 Unknown\r\nwarning: a  set-cookie: b\r\n")


def test_heads_that_differ_are_kept_apart() -> None:
    heads = {answers.head(200, {"etag": str(n)}, close=close) for n in range(1_000) for close in (True, False)}
    assert len(heads) == 2_000


def test_a_refusal_says_when_to_come_again() -> None:
    refused = status_response(StatusError(503, "ServiceUnavailable", "later", retry_after=7))
    assert refused.headers["retry-after"] == "7"
    assert json.loads(refused.body)["details"]["retryAfterSeconds"] == 7


def test_chunks() -> None:
    assert answers.chunk(b"a" * 26) == b"1a\r\n" + b"a" * 26 + b"\r\n"
