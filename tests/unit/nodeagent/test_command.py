"""What an instance starts, and where: real files, and what is said of those that are not there."""

import platform
from pathlib import Path

import pytest
from tests.unit.artifacts.packages import elf

from starlink.api.template import Template
from starlink_nodeagent.failures.failure import Failure
from starlink_nodeagent.machine.machine import ARCHITECTURES
from starlink_nodeagent.runtimes.process import command
from starlink_nodeagent.runtimes.process.command import command_of, directory_of

ELF_MACHINES = {"amd64": 62, "arm64": 183, "riscv64": 243}


@pytest.fixture
def work(tmp_path: Path) -> Path:
    (tmp_path / "bin").mkdir()
    for name in ("start.sh", "bin/tool"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    (tmp_path / "plain").write_text("data")
    return tmp_path


def test_a_command_starts_in_its_directory(work: Path) -> None:
    assert directory_of(Template(), work) == work
    assert directory_of(Template(working_dir="bin"), work) == work / "bin"
    assert directory_of(Template(working_dir="/"), work) == Path("/")


def test_without_a_command_it_is_start_sh(work: Path) -> None:
    assert command_of(Template(args=("a",)), work, "") == ["./start.sh", "a"]


def test_a_path_is_taken_from_the_directory_and_a_name_from_path(work: Path) -> None:
    assert command_of(Template(command=("./tool", "x"), args=("y",)), work / "bin", "") == ["./tool", "x", "y"]
    assert command_of(Template(command=("tool",)), work, f"/nowhere:{work / 'bin'}") == ["tool"]


@pytest.mark.parametrize(
    ("name", "reason", "said"),
    [
        ("./absent", "CommandNotFound", "./absent is not there"),
        ("./bin", "CommandNotFound", "./bin is not there"),
        ("./plain", "CommandNotExecutable", "./plain is not executable; pack it with its x bit"),
        ("start.sh", "CommandNotFound", r"start.sh is not found in PATH \(/nowhere\)"),
    ],
)
def test_what_can_not_be_run_is_told(work: Path, name: str, reason: str, said: str) -> None:
    with pytest.raises(Failure, match=said) as caught:
        command_of(Template(command=(name,)), work, "/nowhere")
    assert caught.value.reason == reason


def put(work: Path, content: bytes) -> Template:
    (work / "app").write_bytes(content)
    (work / "app").chmod(0o755)
    return Template(command=("./app",))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"#!/opt/absent/python3 -u\nprint()\n", "./app is a script for '/opt/absent/python3', which is not there"),
        (b"#! bin/absent\n", "./app is a script for 'bin/absent'"),
        (b"#!/usr/bin/env absent3\n", r"./app is a script for 'absent3', which is not found in PATH \(/nowhere\)"),
        (b"#!/bin/sh\r\necho\r\n", "./app is a script with line ends of Windows"),
        (b"#!/usr/bin/env sh\r\n", "./app is a script with line ends of Windows"),
        (b"#!" + b"x" * 10_000, "./app is a script for 'xxx"),
    ],
)
def test_a_script_without_its_interpreter_is_told(work: Path, content: bytes, said: str) -> None:
    with pytest.raises(Failure, match=said) as caught:
        command_of(put(work, content), work, "/nowhere")
    assert caught.value.reason == "InterpreterNotFound" and len(str(caught.value)) < 400


@pytest.mark.parametrize(
    "content",
    [b"", b"#!", b"#!\n", b"echo no line\n", b"#!bin/tool x\n", b"#!/usr/bin/env tool", b"#! /usr/bin/env -S absent x\n",
     b"#!/usr/bin/env A=b\n", b"\x7fELF", b"\xff" * 300],
)  # fmt: skip
def test_what_the_system_can_judge_itself_is_left_to_it(work: Path, content: bytes) -> None:
    assert command_of(put(work, content), work, str(work / "bin")) == ["./app"]


def test_a_program_for_another_machine_is_told(work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own, *others = sorted(ELF_MACHINES, key=lambda name: name != ARCHITECTURES[platform.machine()])
    emulators = tmp_path / "binfmt_misc"
    monkeypatch.setattr(command, "_EMULATORS", emulators)
    assert command_of(put(work, elf(ELF_MACHINES[own])), work, "/nowhere") == ["./app"]
    for other in others:
        with pytest.raises(Failure, match=f"./app is a program for {other}, and this server is {own}") as caught:
            command_of(put(work, elf(ELF_MACHINES[other])), work, "/nowhere")
        assert caught.value.reason == "WrongArchitecture"
        (work / "bin" / "linked").symlink_to(work / "app")
        with pytest.raises(Failure, match="linked is a program for"):
            command_of(Template(command=("linked",)), work, str(work / "bin"))
        (work / "bin" / "linked").unlink()
    emulators.mkdir()
    foreign = put(work, elf(ELF_MACHINES[others[0]], loader="/lib/ld-absent.so"))
    magic = (work / "app").read_bytes()[:20].hex()
    disabled = f"disabled\ninterpreter /usr/bin/qemu\nflags: \noffset 0\nmagic {magic}\n"
    for name, entry in (("status", "enabled\n"), ("jar", "enabled\nextension .jar\n"), ("off", disabled),
                        ("elf", "enabled\noffset 0\nmagic 7f454c46ff\n")):  # fmt: skip
        (emulators / name).write_text(entry)
    with pytest.raises(Failure, match="is a program for"):
        command_of(foreign, work, "/nowhere")
    (emulators / "qemu").write_text(f"enabled\noffset 0\nmagic {magic[:-2]}00\nmask {'ff' * 19}00\n")
    assert command_of(foreign, work, "/nowhere") == ["./app"]


def test_what_no_processor_of_a_server_runs_is_told_and_what_it_may_run_is_tried(
    work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "_EMULATORS", tmp_path / "binfmt_misc")
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    assert command_of(put(work, elf("arm")), work, "/nowhere") == ["./app"]
    for machine in (8, "i386"):
        with pytest.raises(Failure, match=r"is a program for (MIPS|Intel 80386) \(.*give an artifact for arm64$"):
            command_of(put(work, elf(machine)), work, "/nowhere")


@pytest.mark.parametrize("at", [512, 9_000])
@pytest.mark.parametrize("kind", ["own", "32-bit"])
def test_a_program_without_its_dynamic_linker_is_told(
    work: Path, monkeypatch: pytest.MonkeyPatch, kind: str, at: int
) -> None:
    """A glibc program where there is musl, armhf on arm64; also where a tool has put the path at the end of the file."""
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    machine: str | int = ELF_MACHINES["arm64"] if kind == "own" else "arm"
    (work / "lib").mkdir()
    loader = work / "lib" / "ld.so"
    loader.write_bytes(elf(machine, interpreter=False))
    for path in (str(loader), "lib/ld.so", ""):
        loader.chmod(0o755)
        app = put(work, elf(machine, loader=path, at=at))
        (work / "bin" / "named").unlink(missing_ok=True)
        (work / "bin" / "named").symlink_to(work / "app")
        named = Template(command=("named",))
        assert command_of(app, work, "/nowhere") == ["./app"] and command_of(named, work, "bin") == ["named"]
        loader.chmod(0o644)
        for template, name in ((app, "./app"), (named, "named")) if path else ():
            with pytest.raises(Failure, match=f"^{name} is a program for the dynamic linker '{path}'") as caught:
                command_of(template, work, "bin")
            assert caught.value.reason == "InterpreterNotFound"


def test_an_interpreter_that_can_not_be_run_is_told(work: Path) -> None:
    own = ELF_MACHINES[ARCHITECTURES[platform.machine()]]
    (work / "bin" / "python").write_bytes(elf(own, loader="/lib/ld-absent.so"))
    (work / "bin" / "python").chmod(0o755)
    (work / "bin" / "through").write_text("#!bin/python -u\n")
    (work / "bin" / "through").chmod(0o755)
    for line, chain in (
        ("bin/python", r"bin/python \(the interpreter of ./app\)"),
        ("/usr/bin/env python", r"python \(the interpreter of ./app\)"),
        ("bin/through", r"bin/python \(the interpreter of bin/through \(the interpreter of ./app\)\)"),
    ):
        with pytest.raises(Failure, match=f"^{chain} is a program for the dynamic linker '/lib/ld-absent.so'"):
            command_of(put(work, f"#!{line}\n".encode()), work, str(work / "bin"))
    (work / "bin" / "round").write_text("#!bin/round\n")
    (work / "bin" / "round").chmod(0o755)
    assert command_of(Template(command=("bin/round",)), work, "") == ["bin/round"], "the system says so itself"


@pytest.mark.parametrize("working_dir", ["absent", "plain"])
def test_a_working_directory_that_is_none_is_told(work: Path, working_dir: str) -> None:
    with pytest.raises(Failure, match=f"workingDir '{working_dir}' is no directory") as caught:
        directory_of(Template(working_dir=working_dir), work)
    assert caught.value.reason == "WorkingDirNotFound"
