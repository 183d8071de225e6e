"""A fleet of one: when its only agent falls silent, its server is no longer Ready."""

import os
import signal

from tests.conftest import Starlink, eventually


def test_the_only_agent_falls_silent_and_is_heard_again(starlink: Starlink) -> None:
    eventually(lambda: starlink.condition("server", "s1", "Ready") == "True", "the server is ready")
    agent = starlink.state["children"]["agent"]
    os.kill(agent, signal.SIGSTOP)
    try:
        eventually(lambda: starlink.condition("server", "s1", "Ready") == "Unknown", "its silence is told")
    finally:
        os.kill(agent, signal.SIGCONT)
    eventually(lambda: starlink.condition("server", "s1", "Ready") == "True", "it is heard again")
