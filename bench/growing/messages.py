"""Bodies in protobuf. Pure."""

from bench.growing.case import words


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes([*found, value])


def field(number: int, value: bytes) -> bytes:
    """One field of a protobuf message."""
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def envelope(kind: str, raw: bytes) -> bytes:
    """An envelope of Kubernetes."""
    return b"k8s\0" + field(1, field(1, b"v1") + field(2, kind.encode())) + field(2, raw)


def config_map(n: int) -> bytes:
    """With n keys."""
    data = b"".join(field(2, field(1, word.encode()) + field(2, b"v")) for word in words(n))
    return envelope("ConfigMap", field(1, field(1, b"x")) + data)


def owned(n: int) -> bytes:
    """With n owners."""
    meta = b"".join(
        field(13, field(1, b"K") + field(3, b"k%d" % i) + field(4, b"u%d" % i) + field(5, b"v1")) for i in range(n)
    )
    return envelope("ConfigMap", field(1, field(1, b"x") + meta))
