"""ELF headers, and what a package of several says together."""

import platform
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.artifacts.packages import elf

from starlink.artifacts.elf import ARCHITECTURES, HEAD_BYTES, Binary, judge, parse


def binary(path: str, machine: str | int, runnable: bool = True, **fields: object) -> Binary:
    header = parse(elf(machine, **fields))  # type: ignore[arg-type]
    assert header is not None
    return Binary(path, header, runnable)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_our_machines(name: str) -> None:
    header = parse(elf(name))
    assert header is not None and (header.architecture, header.machine, header.interpreter) == (name, name, True)


@pytest.mark.parametrize(("head", "machine"), [
    (elf("i386"), "Intel 80386 (32-bit, little-endian)"),
    (elf(62, wide=False), "x86-64 (32-bit, little-endian)"),
    (elf(183, order=">"), "AArch64 (64-bit, big-endian)"),
    (elf(243, wide=False), "RISC-V (32-bit, little-endian)"),
    (elf(999), "unknown machine 999 (64-bit, little-endian)"),
])  # fmt: skip
def test_other_machines_are_named_and_are_none_of_ours(head: bytes, machine: str) -> None:
    header = parse(head)
    assert header is not None and (header.architecture, header.machine) == (None, machine)


@pytest.mark.parametrize("head", [
    b"", b"\x7fELF", b"#!/bin/sh\n" + bytes(60), elf("amd64")[:63], elf("amd64", kind=1), elf("amd64", kind=4),
    b"\x7fELF\x03" + elf("amd64")[5:], b"\x7fELF\x02\x03" + elf("amd64")[6:],
])  # fmt: skip
def test_what_is_no_program_or_library_is_none(head: bytes) -> None:
    assert parse(head) is None


def test_this_python_is_for_this_machine() -> None:
    words = {"x86_64": "amd64", "aarch64": "arm64", "riscv64": "riscv64"}
    header = parse(Path(sys.executable).resolve().read_bytes()[:HEAD_BYTES])
    assert header is not None and header.architecture == words[platform.machine()]


@given(st.binary(max_size=200), st.integers(0, 80))
def test_mangled_headers_do_no_harm(noise: bytes, start: int) -> None:
    whole = elf("amd64")
    parse(whole[:start] + noise + whole[start + len(noise) :])
    parse(b"\x7fELF\x02\x01\x01" + noise)


@pytest.mark.parametrize(("binaries", "architectures", "source"), [
    ([], ARCHITECTURES, "no ELF executables: runs anywhere its interpreter does"),
    ([binary("a", "arm64")], ("arm64",), "ELF headers of 1 executable"),
    ([binary("a", "arm64"), binary("b", "arm64")], ("arm64",), "ELF headers of 2 executables"),
    ([binary("a", "arm64"), binary("l.so.1", "amd64")], ("arm64",), "ELF headers of 1 executable"),
    ([binary("x.so", "riscv64")], ("riscv64",), "ELF headers of 1 shared library"),
    ([binary("x.so", "amd64"), binary("y", "amd64", runnable=False, interpreter=False)], ("amd64",),
     "ELF headers of 2 shared libraries"),
    ([binary("static", "arm64", runnable=False, interpreter=False, kind=2), binary("l.so", "amd64")], ("arm64",),
     "ELF headers of 1 executable"),
    ([binary("bin/amd64/a", "amd64"), binary("bin/aarch64/a", "arm64")], ("amd64", "arm64"),
     "ELF headers of 2 executables"),
    ([binary("a-linux-x86_64", "amd64"), binary("a-riscv64gc-unknown-linux-gnu", "riscv64")], ("amd64", "riscv64"),
     "ELF headers of 2 executables"),
    ([binary("bin/amd64/a", "amd64"), binary("bin/arm64/a", "arm64"), binary("helper", "amd64")], ("amd64",),
     "ELF headers of 3 executables"),
    ([binary("prebuilds/linux-x64/a.node", "amd64"), binary("prebuilds/linux-arm/a.node", "arm")], ("amd64",),
     "ELF headers of 2 executables"),
    ([binary("a", "amd64"), binary("firmware", 8)], ("amd64",),
     "ELF headers of 2 executables disagree: firmware is for MIPS (64-bit, little-endian), a is for amd64; "
     "name their folders by architecture, or split the package"),
    ([binary("bin/arm64/a", "amd64"), binary("bin/amd64/a", "arm64")], ("amd64", "arm64"),
     "ELF headers of 2 executables disagree: bin/arm64/a is for amd64, bin/amd64/a is for arm64; "
     "name their folders by architecture, or split the package"),
    ([binary("a", "i386"), binary("b", 8)], (),
     "ELF headers of 2 executables: a is for Intel 80386 (32-bit, little-endian), b is for MIPS (64-bit, little-endian); "
     "servers are amd64, arm64, riscv64"),
    ([binary("a", "i386")], (),
     "ELF headers of 1 executable: a is for Intel 80386 (32-bit, little-endian); servers are amd64, arm64, riscv64"),
])  # fmt: skip
def test_what_a_package_says(binaries: list[Binary], architectures: tuple[str, ...], source: str) -> None:
    assert judge(binaries) == (architectures, source)


@given(st.permutations([binary("a", "amd64"), binary("bin/arm64/b", "arm64"), binary("c.so", "riscv64")]))
def test_the_order_of_files_does_not_matter(binaries: list[Binary]) -> None:
    assert judge(binaries) == (("amd64",), "ELF headers of 2 executables")
