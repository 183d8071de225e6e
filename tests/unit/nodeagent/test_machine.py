"""What the agent finds of its machine, in folders that look like one."""

import re
from pathlib import Path

import pytest

from starlink_nodeagent.machine import devices, features, machine, resources
from starlink_nodeagent.machine.machine import Machine
from starlink_nodeagent.machine.resources import BadResource
from starlink_nodeagent.server.registration import status

GI, MI = 1024**3, 1024**2


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.mark.parametrize(("architecture", "cpuinfo", "found"), [
    ("amd64", "flags\t\t: fpu aes avx2 avx512f\n\nflags\t\t: fpu aes avx2 avx512f\n", {"aes", "avx2", "avx512f"}),
    ("amd64", "flags\t\t: fpu aes avx2\nvmx flags\t: avx512f\n\nflags\t\t: fpu aes\n", {"aes"}),
    ("arm64", "Features\t: fp asimd sha2 sve2\n\nFeatures\t: fp asimd sha2 sve\n", {"asimd", "sha2"}),
    ("arm64", "flags\t\t: aes avx2\n", set()),
    ("riscv64", "isa\t\t: rv64imafdcv_zicsr_zvl128b\nhart isa\t: rv64imafdc\n", {"rvv"}),
    ("riscv64", "isa\t\t: rv64imafdc_zvl128b_svinval\n", set()),
    ("riscv64", "isa\t\t: rv64imafdcv\n\nisa\t\t: rv64imafdc\n", set()),
    ("riscv64", "isa\t\t: rv64imafdcsvinval\n", set()),
    ("riscv64", "", set()),
    ("amd64", "", set()),
])  # fmt: skip
def test_features_of_processors_are_those_that_all_have(architecture: str, cpuinfo: str, found: set[str]) -> None:
    assert features.of_cpu(cpuinfo, architecture) == found


def test_features_are_sorted_and_really_there(tmp_path: Path) -> None:
    assert features.observe(tmp_path, "amd64", 1000) == ()
    write(
        tmp_path, {"sys/fs/cgroup/cgroup.controllers": "cpu memory", "dev/kvm": "", "proc/cpuinfo": "flags : aes avx2"}
    )
    assert features.observe(tmp_path, "amd64", 0) == ("aes", "avx2", "cgroup2", "kvm", "root")
    (tmp_path / "dev/kvm").unlink()
    (tmp_path / "dev/kvm").mkdir()  # what can't be opened for writing, even by root
    (tmp_path / "dev/fuse").write_text("")
    assert features.observe(tmp_path, "amd64", 1000) == ("aes", "avx2", "cgroup2", "fuse")


def test_gpus_of_both_vendors(tmp_path: Path) -> None:
    assert devices.gpus(tmp_path) == {}
    write(tmp_path, {f"proc/driver/nvidia/gpus/0000:0{n}:00.0/information": "Model: x" for n in (1, 2)})
    write(tmp_path, {
        "sys/class/drm/renderD128/device/vendor": "0x1002\n", "sys/class/drm/renderD129/device/vendor": "0x10de\n",
        "sys/class/drm/card0/device/vendor": "0x1002\n",
    })  # fmt: skip
    assert devices.gpus(tmp_path) == {"nvidia.com/gpu": 2, "amd.com/gpu": 1}
    nodes = "sys/class/kfd/kfd/topology/nodes"
    write(tmp_path, {
        f"{nodes}/0/properties": "cpu_cores_count 16\nsimd_count 0\n",
        f"{nodes}/1/properties": "cpu_cores_count 0\nsimd_count 256\n",
        f"{nodes}/2/properties": "cpu_cores_count 0\nsimd_count 256\n",
    })  # fmt: skip
    assert devices.gpus(tmp_path) == {"nvidia.com/gpu": 2, "amd.com/gpu": 2}


def test_declared_resources() -> None:
    assert resources.declared(["example.com/dongle=2", "gpu=0"]) == {"example.com/dongle": 2, "gpu": 0}


@pytest.mark.parametrize(("words", "part"), [
    (["cpu=2"], "cpu is measured"), (["memory=2"], "measured"), (["ephemeral-storage=2"], "measured"),
    (["dongle=2"], "DOMAIN/NAME"), (["=2"], "NAME=COUNT"), (["Example.com/x=2"], "DOMAIN/NAME"), (["a/b/c=2"], "DOMAIN/NAME"),
    (["example.com/x"], "no count"), (["example.com/x=-1"], "'-1' is no count"), (["example.com/x=1.5"], "no count"),
    (["example.com/x=1000001"], "0 to 1000000"), (["example.com/x=٣"], "no count"),
    (["example.com/x=1", "example.com/x=2"], "twice"),
])  # fmt: skip
def test_a_bad_declaration_is_named(words: list[str], part: str) -> None:
    with pytest.raises(BadResource, match=re.escape(repr(words[-1]))) as caught:
        resources.declared(words)
    assert part in str(caught.value)


@pytest.mark.parametrize(("storage", "left"), [(100 * GI, 99 * GI), (5 * GI, 4608 * MI), (0, 0)])
def test_what_is_kept_for_the_system(storage: int, left: int) -> None:
    capacity = resources.capacity(2000, 4 * GI + 5, storage, {"gpu": 1})
    assert capacity == {"cpu": 2000, "memory": 4 * GI, "ephemeral-storage": storage, "gpu": 1}
    assert resources.allocatable(capacity) == {**capacity, "memory": 4 * GI - 128 * MI, "ephemeral-storage": left}


def test_the_report_has_it_all_and_takes_away_what_is_no_more(tmp_path: Path) -> None:
    write(tmp_path, {"root/proc/driver/nvidia/gpus/a/information": "", "root/sys/fs/cgroup/cgroup.controllers": ""})
    declared = {"example.com/dongle": 2, "nvidia.com/gpu": 0}
    observed = machine.observe(tmp_path, "10.0.0.1", declared, tmp_path / "root")
    found = observed.offering({"Process": (), "Container": ("podman",)})
    told = status(found, {"capacity": {"cpu": "1", "gone.example/x": "1"}})
    assert told["capacity"]["gone.example/x"] is None and "gone.example/x" not in told["allocatable"]
    assert (told["capacity"]["example.com/dongle"], told["allocatable"]["nvidia.com/gpu"]) == ("2", "0")
    assert told["runtimes"] == ["Process", "Container"] and {"cgroup2", "podman"} <= {*told["features"]}
    assert 0 < found.allocatable["ephemeral-storage"] < found.capacity["ephemeral-storage"]
    assert isinstance(found, Machine)
