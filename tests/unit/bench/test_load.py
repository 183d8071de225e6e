"""What a server answers is read whole, however it says where it ends."""

import pytest
from bench.load import Http

BODY = b'{"kind":"List","items":[]}'
WITH_LENGTH = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nDate: x\r\n\r\n%b" % (len(BODY), BODY)
IN_CHUNKS = b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n%b\r\n%x\r\n%b\r\n0\r\n\r\n" % (
    BODY[:5],
    len(BODY) - 5,
    BODY[5:],
)


@pytest.mark.parametrize(("answer", "status"), [(WITH_LENGTH, "200"), (WITH_LENGTH.lower(), "200"), (IN_CHUNKS, "201")])
def test_an_answer_is_there_when_its_last_byte_is(answer: bytes, status: str) -> None:
    http = Http(lambda _: b"")
    for _ in range(2):  # the next one on the same connection too
        said = [http.answered(answer[place : place + 1]) for place in range(len(answer))]
        assert said == [""] * (len(answer) - 1) + [status]
