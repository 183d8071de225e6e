"""Where the CRDs and examples that ship with StarLink lie."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def asset_dir(name: str) -> Path:
    """The folder of shipped files called `name` ("crds" or "examples").

    A wheel carries it inside the package, an editable checkout at its root.
    Raises FileNotFoundError when neither is there.
    """
    for candidate in (_PACKAGE / "_assets" / name, _PACKAGE.parents[1] / name):
        if candidate.is_dir():
            return candidate
    raise FileNotFoundError(f"StarLink's {name}/ folder is missing next to {_PACKAGE}: reinstall the package")
