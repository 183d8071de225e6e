"""The GPUs of the machine, by resource name. Read below a root, which is / but in tests."""

from collections.abc import Iterator
from pathlib import Path

NVIDIA, AMD = "nvidia.com/gpu", "amd.com/gpu"
_AMD_VENDOR = "0x1002"


def gpus(root: Path) -> dict[str, int]:
    """How many there are of each vendor; a vendor without one is left out.

    NVIDIA's driver has a folder a GPU. AMD's compute driver lists the processors too, with a simd_count of 0; without
    it the render nodes of AMD's PCI vendor count. https://docs.kernel.org/gpu/amdgpu/driver-misc.html
    """
    found = {NVIDIA: len(_entries(root / "proc/driver/nvidia/gpus")), AMD: _amd_compute(root) or _amd_render(root)}
    return {name: count for name, count in found.items() if count}


def _amd_compute(root: Path) -> int:
    nodes = _entries(root / "sys/class/kfd/kfd/topology/nodes")
    return sum(1 for node in nodes if _property(node / "properties", "simd_count") > 0)


def _amd_render(root: Path) -> int:
    nodes = (node for node in _entries(root / "sys/class/drm") if node.name.startswith("renderD"))
    return sum(1 for node in nodes if _read(node / "device/vendor").strip() == _AMD_VENDOR)


def _property(path: Path, name: str) -> int:
    for words in _words(path):
        if words[:1] == [name] and len(words) == 2 and words[1].isdigit():
            return int(words[1])
    return 0


def _words(path: Path) -> Iterator[list[str]]:
    for line in _read(path).splitlines():
        yield line.split()


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
