"""What processes and the machine use, from /proc."""

import os
from dataclasses import dataclass
from pathlib import Path


def cpu_seconds(pid: int) -> float:
    """Of one core, since the process started."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return _seconds(int(fields[11]) + int(fields[12]))


def resident(pid: int) -> float:
    """Resident memory in MB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def proportional(pid: int) -> float:
    """The proportional set size in MB: what it has for itself, and its share of what it has with others."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


@dataclass(frozen=True, slots=True)
class Cpus:
    """Seconds of all CPUs since the machine started: idle, and in all."""

    idle: float
    total: float

    @classmethod
    def now(cls) -> "Cpus":
        # user, nice, system, idle, iowait, irq, softirq, steal: proc(5)
        ticks = [int(field) for field in Path("/proc/stat").read_text().partition("\n")[0].split()[1:9]]
        return cls(_seconds(ticks[3] + ticks[4]), _seconds(sum(ticks)))

    def idle_since(self, before: "Cpus") -> float:
        """The share that nobody used."""
        return (self.idle - before.idle) / (self.total - before.total)


def _seconds(ticks: int) -> float:
    return ticks / os.sysconf("SC_CLK_TCK")
