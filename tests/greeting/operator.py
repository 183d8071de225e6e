"""The operator, with the line in `starlink_operator/kinds/__init__.py` that a shipped kind has."""

from tests.greeting.kinds import ENTRY

from starlink_operator import kinds

kinds.KINDS = (*kinds.KINDS, ENTRY)

from starlink_operator.__main__ import main  # noqa: E402 - it takes the kinds that there are

if __name__ == "__main__":
    main()
