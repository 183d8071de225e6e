"""`python -m bench SUBJECT…`, or `all`."""

import importlib
import sys

SUBJECTS = ("apiserver", "crds", "growth", "kube", "main_job", "scheduler", "scheduler_e2e", "starts", "store")


def main() -> None:
    asked = sys.argv[1:] or ["all"]
    for subject in SUBJECTS if asked == ["all"] else asked:
        if subject not in SUBJECTS:
            raise SystemExit(f"there is no benchmark {subject!r}; there are: {', '.join(SUBJECTS)}")
        print(f"{subject}:")
        importlib.import_module(f"bench.{subject}").main()


main()
