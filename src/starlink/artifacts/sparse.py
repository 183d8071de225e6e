"""Sparse members of a tar: where the stored bytes go, with zeros in between.

https://www.gnu.org/software/tar/manual/html_node/Sparse-Formats.html: the format of GNU tar's own archives, and version
1.0 of the one for pax archives, which libarchive writes too.
"""

from collections.abc import Callable

from starlink.artifacts.limits import Meter

Region = tuple[int, int]
"""Offset and count of bytes."""
_BLOCK, _ZEROS, _LINE_BYTES = 512, bytes(64 * 1024), 20
_FIRST, _EXTENDED, _SIZE = 386, 482, 483  # in a header block: 4 regions, whether more follow, the size of the whole
_MORE, _MORE_EXTENDED = 21, 504  # the same in a block of further regions


class Sparse:
    """The whole content of a sparse member, metered: much more than the tape holds may come of it.

    `read` gives the next stored bytes. Raises ValueError for regions that lie wrong.
    """

    def __init__(self, read: Callable[[int], bytes], regions: list[Region], size: int, meter: Meter) -> None:
        self._read, self._meter = read, meter
        self._size, self._at = size, 0
        end = 0
        for offset, count in regions:
            if offset < end or count < 0 or offset + count > size:
                raise ValueError("a sparse member has a map that is none")
            end = offset + count
        self._ahead = [region for region in reversed(regions) if region[1]]

    def read(self, count: int) -> bytes:
        offset, length = self._ahead[-1] if self._ahead else (self._size, 0)
        if self._at < offset:
            data = _ZEROS[: min(count, offset - self._at)]
            self._meter.add(len(data))
        elif not self._ahead:
            return b""
        else:
            data = self._stored(min(count, offset + length - self._at))
        self._at += len(data)
        if self._ahead and self._at == offset + length:
            self._ahead.pop()
        return data

    def _stored(self, count: int) -> bytes:
        if not (data := self._read(count)):
            raise EOFError("a sparse member ends too early")
        return data


def by_gnu(block: bytes, head: Callable[[int], bytes]) -> tuple[list[Region], int]:
    """The regions and the size that a GNU header block and those behind it name; `head` reads the latter."""
    size, regions = _number(block[_SIZE : _SIZE + 12]), _regions(block[_FIRST:], 4)
    extended = block[_EXTENDED]
    while extended:
        more = head(_BLOCK)
        regions += _regions(more, _MORE)
        extended = more[_MORE_EXTENDED]
    return regions, size


def _regions(data: bytes, count: int) -> list[Region]:
    fields = [(data[at : at + 12], data[at + 12 : at + 24]) for at in range(0, 24 * count, 24)]
    return [(_number(offset), _number(length)) for offset, length in fields if offset.strip(b"\0 ")]


def _number(field: bytes) -> int:
    """Octal digits, or with the first bit set a big-endian number."""
    if field[0] & 0x80:
        return int.from_bytes(bytes([field[0] & 0x7F]) + field[1:], "big")
    return int(field.partition(b"\0")[0].strip() or b"0", 8)


def by_pax(head: Callable[[int], bytes]) -> tuple[int, list[Region]]:
    """The bytes that the map at the start of the stored content takes, and the regions: decimal numbers, a line each,
    first how many regions there are."""
    lines = _Lines(head)
    count = lines.number()
    regions = [(lines.number(), lines.number()) for _ in range(count)]
    return lines.taken, regions


class _Lines:
    def __init__(self, head: Callable[[int], bytes]) -> None:
        self._head = head
        self._data, self._at = b"", 0
        self.taken = 0

    def number(self) -> int:
        while (end := self._data.find(b"\n", self._at)) < 0:
            if len(self._data) - self._at > _LINE_BYTES:
                raise ValueError("a sparse member has a map that is none")
            self._data, self._at = self._data[self._at :] + self._head(_BLOCK), 0
            self.taken += _BLOCK
        line, self._at = self._data[self._at : end], end + 1
        if not line.isdigit() or len(line) > _LINE_BYTES:
            raise ValueError("a sparse member has a map that is none")
        return int(line)
