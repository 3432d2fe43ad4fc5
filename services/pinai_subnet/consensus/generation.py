"""Which life of a network a data directory belongs to. A restored network is another cluster than the one it was.

A network that never was restored is the subnet itself. A restore writes `SUBNET/RESTORE`, and every message between
validators names the cluster, so a member of the former life can neither join nor split the restored network.
"""

import re
from pathlib import Path

from pinai_subnet.consensus.durable import replace_file
from pinai_subnet.ports.errors import Damaged, Refused

FILE_NAME = "cluster"

_RESTORE = re.compile(r"[0-9a-z-]{1,40}")


def cluster_of(directory: Path, subnet_id: str, restore_id: str) -> str:
    """Return the cluster id that a validator's data directory belongs to.

    A directory that says nothing belongs to the life that `restore_id` names, of the network's own file: a member that
    is new or lost its data joins the network as it is now.

    Raises `Damaged` SN-R081 for an unreadable file and `Refused` SN-R004 for another subnet's.
    """
    path = directory / FILE_NAME
    try:
        text = path.read_text("ascii").strip()
    except FileNotFoundError:
        return restored_cluster(subnet_id, restore_id) if restore_id else subnet_id
    except (OSError, UnicodeDecodeError) as error:
        raise Damaged("SN-R081", f"{path}: {error}") from error
    subnet, slash, restore = text.partition("/")
    if subnet != subnet_id:
        raise Refused("SN-R004", f"{path} names subnet {subnet[:80]!r}, this is {subnet_id}")
    if not slash or not _RESTORE.fullmatch(restore):
        raise Damaged("SN-R081", f"{path} holds no cluster id")
    return text


def restored_cluster(subnet_id: str, restore_id: str) -> str:
    """Return the id of a restored cluster; raise `Refused` SN-R082 for a malformed restore id."""
    if not _RESTORE.fullmatch(restore_id):
        raise Refused("SN-R082", f"{restore_id[:60]!r} is no restore id: 1 to 40 of a-z, 0-9 and -")
    return f"{subnet_id}/{restore_id}"


def write_cluster(directory: Path, cluster: str) -> None:
    """Make a data directory part of a cluster, durably."""
    replace_file(directory / FILE_NAME, [cluster.encode("ascii") + b"\n"], fsync=True)
