"""Where symbolic links lead, before there is one. Pure: paths and targets in, the one that leaves out.

Looking at a target alone says little: `b -> a/..` stays inside until `a` is a link itself. So each link is resolved as
the kernel does it, with all others in place: a step that is a link is replaced by its target, and ".." goes up from
where the steps before it led, not from what they are called. All that is no link counts as a directory: a step that is
not there leads nowhere, and so never out.
"""

from collections.abc import Mapping

from starlink.artifacts.names import MAX_DEPTH

_MAX_HOPS = 40
"""Linux gives up a path behind so many links."""
_MAX_STEPS = 5_000_000


def refusal(links: Mapping[str, str]) -> tuple[str, str]:
    """The path of the first link that may not be made, and why; two empty strings when all may.

    `links` are targets by the paths of the links, relative to the directory that none may leave.
    """
    steps = 0
    for path in links:
        why, taken = _follow(path, links)
        steps += taken
        if why or steps > _MAX_STEPS:
            return path, why or "and with the others it takes too many steps to follow"
    return "", ""


def _follow(path: str, links: Mapping[str, str]) -> tuple[str, int]:
    """Why the link may not be made, and how many steps it took to find out."""
    place: list[str] = []
    ahead = path.split("/")[::-1]
    hops = steps = 0
    while ahead:
        steps += 1
        part = ahead.pop()
        if part == "..":
            if not place:
                return "which leaves the directory", steps
            place.pop()
        elif part not in ("", "."):
            place.append(part)
            target = links.get("/".join(place))
            if target is not None:
                place.pop()
                hops += 1
                ahead += target.split("/")[::-1]
            if hops > _MAX_HOPS or len(place) + len(ahead) > 2 * MAX_DEPTH:
                return f"which leads through more than {_MAX_HOPS} links or {MAX_DEPTH} levels", steps
    return "", steps
