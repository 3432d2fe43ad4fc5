"""The places where we reach into pysyncobj, checked against the pinned version at start-up. Changes nothing in it."""

import inspect

import pysyncobj.syncobj as engine_module
from pysyncobj.version import VERSION

from pinai_subnet.ports.errors import Refused

PINNED_VERSION = "0.3.17"

OVERRIDDEN = {
    "_onTick": ("self", "timeToWait"),
    "_checkCommandsToApply": ("self",),
    "_SyncObj__applyLogEntries": ("self",),
    "_SyncObj__doApplyCommand": ("self", "command"),
    "_SyncObj__parseChangeClusterRequest": ("self", "command"),
    "_SyncObj__sendAppendEntries": ("self",),
    "_SyncObj__onMessageReceived": ("self", "node", "message"),
    "_SyncObj__tryLogCompaction": ("self",),
    "_SyncObj__loadDumpFile": ("self", "clearJournal"),
    "_SyncObj__connectedToAnyone": ("self",),
    "_SyncObj__onNodeConnected": ("self", "node"),
    "_SyncObj__onNodeDisconnected": ("self", "node"),
    "_SyncObj__onLeaderChanged": ("self",),
    "_SyncObj__generateRaftTimeout": ("self",),
    "_SyncObj__setCurrentTerm": ("self", "term", "votedForNodeId"),
    "_SyncObj__setState": ("self", "newState"),
    "transferLeadership": ("self", "node", "callback"),
    "doTick": ("self", "timeToWait"),
}
"""Methods of SyncObj that we override or call, with their parameters."""

ATTRIBUTES = (
    "_SyncObj__raftState",
    "_SyncObj__raftCurrentTerm",
    "_SyncObj__votedForNodeId",
    "_SyncObj__raftLeader",
    "_SyncObj__raftElectionDeadline",
    "_SyncObj__transferInProgress",
    "_SyncObj__raftLog",
    "_SyncObj__raftCommitIndex",
    "_SyncObj__raftLastApplied",
    "_SyncObj__raftNextIndex",
    "_SyncObj__raftMatchIndex",
    "_SyncObj__lastResponseTime",
    "_SyncObj__newAppendEntriesTime",
    "_SyncObj__serializer",
    "_SyncObj__connectedNodes",
    "_SyncObj__otherNodes",
    "_poller",
)
"""Attributes that SyncObj's constructor sets and that we read or replace."""


def check_version() -> None:
    """Raise `Refused` SN-R002 unless the installed pysyncobj is the one these parts were written for."""
    if VERSION != PINNED_VERSION:
        raise Refused(
            "SN-R002", f"pysyncobj {VERSION} is installed; this build needs {PINNED_VERSION}"
        )
    for name, parameters in OVERRIDDEN.items():
        method = getattr(engine_module.SyncObj, name, None)
        if method is None:
            raise Refused("SN-R002", f"pysyncobj {VERSION} has no SyncObj.{name}")
        found = tuple(inspect.signature(method).parameters)
        if found != parameters:
            raise Refused("SN-R002", f"SyncObj.{name} takes {found}, expected {parameters}")
    states = engine_module._RAFT_STATE  # noqa: SLF001  # the seam itself
    if (states.FOLLOWER, states.CANDIDATE, states.LEADER) != (0, 1, 2):
        raise Refused("SN-R002", "pysyncobj numbers its roles differently")


def check_instance(engine: object) -> None:
    """Raise `Refused` SN-R002 if a constructed engine lacks an attribute we rely on."""
    missing = [name for name in ATTRIBUTES if not hasattr(engine, name)]
    if missing:
        raise Refused("SN-R002", f"pysyncobj sets no {', '.join(missing)}")
