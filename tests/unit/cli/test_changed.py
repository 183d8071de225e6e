"""What `up` says of a changed name and a changed address."""

import re
from pathlib import Path

import pytest

from starlink.cli import cutoff
from starlink.cli.datadir import DataDir
from starlink.cli.listening import Listen
from starlink.cli.renaming import NotRenamed, check_journal, of_up

OLD = Listen("10.0.0.5", 6443)


def test_the_way_out_of_a_refused_name_names_the_data_dir(tmp_path: Path) -> None:
    data = DataDir(tmp_path / "a rack")
    (data.agent / "instances" / "01234567-89ab-cdef-0123-456789abcdef").mkdir(parents=True)
    with pytest.raises(NotRenamed) as refusal:
        check_journal("s1", "s2", data.agent, of_up(data, "s2"))
    starlink = f"starlink --data-dir '{data.root}'"
    assert re.findall(r"`([^`]+)`", str(refusal.value)) == [
        f"{starlink} up --detach",
        f"kubectl --kubeconfig '{data.root}/admin.kubeconfig' annotate server s1 starlink.dev/gone=true",
        f"{starlink} get assignments -A", f"{starlink} down", f"{starlink} up --detach --name s2",
        f"{starlink} delete server s1",
    ]  # fmt: skip


def test_who_is_cut_off_is_named_with_what_it_needs() -> None:
    command = "starlink --data-dir 'a b' {}".format
    (one,) = cutoff.told(["s2"], OLD, "https://10.0.0.6:6443", command)
    assert one.startswith("s2 was joined while StarLink listened on 10.0.0.5:6443, and is cut off if its agent dials")
    assert "set `server` in the agent's kubeconfig to https://10.0.0.6:6443 and start the agent again" in one
    assert "`starlink --data-dir 'a b' server add s2 --server https://10.0.0.6:6443 -o s2.kubeconfig`" in one
    (many,) = cutoff.told(["s2", "s3", "s4", "s5"], OLD, "https://127.0.0.1:1", command, "nobody else reaches it")
    assert many.startswith("s2, s3, s4, s5 were joined") and "are cut off if their agents dial that" in many
    assert many.endswith("that is for agents of this machine alone: nobody else reaches it")
