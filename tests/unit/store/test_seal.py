"""Sealed bodies and the file of their keys."""

import base64
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from starlink.store.base import Key, StoreRefused
from starlink.store.keyfile import KeyFile, SealKey
from starlink.store.seal import MARK, AesGcmSeal, AsStored, Plain, is_sealed, key_id

FILE = Path("/where/encryption.key")
OLD, NEW = SealKey(b"o" * 32), SealKey(b"n" * 32)
SECRET, TASK = Key("/secrets", "ns", "a"), Key("starlink.dev/tasks", "ns", "a")


def seal(*keys: SealKey) -> AesGcmSeal:
    return AesGcmSeal(KeyFile(FILE, keys or (NEW,)))


@given(st.sampled_from((SECRET, TASK)), st.binary() | st.binary().map(lambda body: MARK + body))
def test_what_is_sealed_is_unsealed(key: Key, body: bytes) -> None:
    stored = seal().seal(key, body)
    assert seal().unseal(key, stored) == body
    assert is_sealed(stored) == (key == SECRET or body.startswith(MARK))
    assert seal().seal(SECRET, body) != seal().seal(SECRET, body)


def test_the_text_is_not_in_it_and_what_was_not_sealed_is_read() -> None:
    stored = seal().seal(SECRET, b'{"data":"hunter2"}')
    assert b"hunter2" not in stored and key_id(stored) == NEW.id
    assert seal().unseal(SECRET, b'{"data":"hunter2"}') == b'{"data":"hunter2"}'
    assert seal().seal(TASK, b"{}") == b"{}"


@given(st.data())
def test_no_changed_byte_and_no_other_object_passes(data: st.DataObject) -> None:
    stored = seal().seal(SECRET, b"body")
    at = data.draw(st.integers(len(MARK), len(stored) - 1))
    changed = stored[:at] + bytes([stored[at] ^ data.draw(st.integers(1, 255))]) + stored[at + 1 :]
    with pytest.raises(StoreRefused, match="secrets ns/a"):
        seal().unseal(SECRET, changed)
    with pytest.raises(StoreRefused):
        seal().unseal(SECRET, stored[: data.draw(st.integers(len(MARK), len(stored) - 1))])
    for other in (SECRET._replace(name="b"), SECRET._replace(namespace="nsa", name=""), TASK):
        with pytest.raises(StoreRefused, match="another object's"):
            seal().unseal(other, stored)


def test_keys_are_rotated() -> None:
    before, during, after = seal(OLD), seal(NEW, OLD), seal(NEW)
    old = before.seal(SECRET, b"body")
    assert (before.stale(SECRET, old), during.stale(SECRET, old)) == (False, True)
    new = during.seal(SECRET, during.unseal(SECRET, old))
    assert key_id(new) == NEW.id and not during.stale(SECRET, new)
    assert after.unseal(SECRET, new) == b"body"
    with pytest.raises(
        StoreRefused, match=f"the key {OLD.id}, which is not in {FILE} .it holds {NEW.id}.; add the line"
    ):
        after.unseal(SECRET, old)


def test_stale_is_what_would_be_stored_otherwise() -> None:
    assert seal().stale(SECRET, b"plain") and not seal().stale(TASK, b"plain")
    everything = AesGcmSeal(KeyFile(FILE, (NEW,)), resources=(SECRET.resource, TASK.resource))
    assert seal().stale(TASK, everything.seal(TASK, b"body")) and everything.stale(TASK, b"plain")


def test_a_newer_format_is_refused() -> None:
    with pytest.raises(StoreRefused, match="format 2, this StarLink knows 1"):
        seal().unseal(SECRET, MARK + b"\x02" + b"x" * 60)


def test_without_keys_nothing_sealed_is_read() -> None:
    stored = seal().seal(SECRET, b"body")
    assert Plain().seal(SECRET, b"body") == b"body" == Plain().unseal(SECRET, b"body")
    with pytest.raises(StoreRefused, match=f"the key {NEW.id}; give the file"):
        Plain().unseal(SECRET, stored)
    assert AsStored().unseal(SECRET, stored) == stored
    assert not Plain().stale(SECRET, b"body")


def test_the_key_file_is_made_once(tmp_path: Path) -> None:
    path = tmp_path / "store" / "encryption.key"
    made = KeyFile.open(path)
    assert path.stat().st_mode & 0o777 == 0o600 and path.parent.stat().st_mode & 0o777 == 0o700
    assert KeyFile.open(path) == made and len(made.keys) == 1
    assert [entry.name for entry in path.parent.iterdir()] == ["encryption.key"]
    assert repr(made.keys[0].secret) not in repr(made)


def test_the_first_line_is_the_first_key() -> None:
    lines = b"# why\n\n" + b"\r\n".join(base64.b64encode(key.secret) for key in (NEW, OLD))
    assert KeyFile.parse(lines, FILE).keys == (NEW, OLD)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666])
def test_a_key_file_that_others_may_use_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "k"
    KeyFile.open(path)
    path.chmod(mode)
    with pytest.raises(StoreRefused, match=f"mode {mode:04o}, .* run: chmod 600 {path}"):
        KeyFile.open(path)


KEY = base64.b64encode(NEW.secret).decode()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "holds no encryption key"),
        ("# only this\n\n", "holds no encryption key"),
        (f"{KEY}\nnot base64!\n", "line 2 is no base64; put the line back as it was"),
        ("c2hvcnQ=\n", "line 1 holds 5 bytes, a key is 32; put the line back as it was"),
        (f"{KEY}\n{KEY}\n", f"holds the key {NEW.id} twice"),
        ("ключ", "line 1 is no base64"),
    ],
)
def test_a_bad_key_file_is_refused_and_its_keys_are_not_shown(content: str, said: str) -> None:
    with pytest.raises(StoreRefused, match=said) as caught:
        KeyFile.parse(content.encode(), FILE)
    assert str(FILE) in str(caught.value) and KEY not in str(caught.value)
