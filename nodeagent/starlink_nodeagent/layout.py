"""Where things lie on the agent's disk: in its data directory, and in the directory that each instance has there.

agent.lock  agent-id  agent.token  agent-settings.json  task-uids
artifacts/              fetched archives
instances/UID/          the agent's own, but for `work`
    record.json         what the agent remembers (record.unreadable, record.removed: see journal.py)
    work/               the task's
    logs/               what it says: current.log, and NUMBER.log, the newest of them 1.log
    staging/            what becomes `work`
    spec.json           what a driver is to do, result.json what it has found, kept.json what it keeps running
    runs/NUMBER/        one start of it, and in `exit` how it ended
"""

import re
from pathlib import Path

from starlink.files import tree

LOCK, AGENT_ID, TOKEN, SETTINGS, TASK_UIDS = "agent.lock", "agent-id", "agent.token", "agent-settings.json", "task-uids"
ARTIFACTS, INSTANCES = "artifacts", "instances"
RECORD, UNREADABLE = "record.json", "record.unreadable"
REMOVED = "record.removed"
"""What a record becomes once its instance is being removed, and the last of it that goes: by it the next agent knows
that nothing was lost."""
KEPT_RUN = "kept"
"""In the marker of what a driver keeps running, in place of a run's number: it is of no run, and ends with its
instance."""
SPEC, RESULT, KEPT = "spec.json", "result.json", "kept.json"
WORK, LOGS, STAGING, RUNS = "work", "logs", "staging", "runs"
EXIT = "exit"
CURRENT_LOG = "current.log"
MARKERS = (LOCK, AGENT_ID, SETTINGS, INSTANCES)
"""What tells that a directory is an agent's."""
_UID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def is_uid(text: str) -> bool:
    """Whether it is a UID as API servers give them (https://www.rfc-editor.org/rfc/rfc9562), and so safe as the name
    of a directory."""
    return _UID.fullmatch(text) is not None


def older_log(logs: Path, number: int) -> Path:
    """A log that is no longer written to; 1 is the newest of them."""
    return logs / f"{number}.log"


def run_directory(instance: Path, run: int) -> Path:
    """That of a run in its instance's directory."""
    return instance / RUNS / str(run)


def last_run(instance: Path) -> int:
    """The highest number of a run whose directory is there, 0 when there is none. Raises OSError."""
    try:
        names = [path.name for path in (instance / RUNS).iterdir()]
    except (FileNotFoundError, NotADirectoryError):
        return 0
    return max((int(name) for name in names if name.isascii() and name.isdigit()), default=0)


def prune_runs(instance: Path, first: int) -> None:
    """Removes the directories of runs before `first`. Blocks. Raises OSError."""
    try:
        paths = [*(instance / RUNS).iterdir()]
    except FileNotFoundError:
        return
    for path in paths:
        if path.name.isascii() and path.name.isdigit() and int(path.name) < first:
            tree.remove(path)
