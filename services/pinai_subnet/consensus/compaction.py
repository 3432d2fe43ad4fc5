"""How the log stays short: snapshots of the state are taken, stored, received and restored. Knows no requests."""

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import structlog
from pysyncobj.node import Node

from pinai_subnet.consensus.group import Group
from pinai_subnet.consensus.journal import FIRST_INDEX, Journal
from pinai_subnet.consensus.membership import Membership
from pinai_subnet.consensus.options import ReplicationOptions
from pinai_subnet.consensus.snapshot import Snapshot, SnapshotHeader, SnapshotStore
from pinai_subnet.consensus.transport import Transport
from pinai_subnet.ports.errors import Damaged, Refused
from pinai_subnet.ports.replication import StateMachine

_log = structlog.get_logger(__name__)


class Compaction(Membership):
    """A member whose log is cut behind snapshots of its state machine."""

    def __init__(
        self,
        *,
        me: Node,
        nodes: Sequence[Node],
        options: ReplicationOptions,
        journal: Journal,
        transport: Transport,
        store: SnapshotStore,
        first_group: Group,
        state_machine: StateMachine,
    ) -> None:
        """Nothing is read before `load`."""
        self._state_machine = state_machine
        self._snapshot_index, self._snapshot_term = FIRST_INDEX, 0
        self._applied_bytes = 0
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="raft-snapshot")
        self._writing: Future[SnapshotHeader] | None = None
        super().__init__(
            me=me,
            nodes=nodes,
            options=options,
            journal=journal,
            transport=transport,
            store=store,
            first_group=first_group,
        )

    def wake(self) -> None:
        """Hook: make the loop turn at once."""

    def installed(self) -> None:
        """Hook: state and log were replaced."""

    def end_writing(self) -> None:
        """Let the snapshot that is being written finish, and begin no other."""
        self._writer.shutdown(wait=True, cancel_futures=True)

    def load(self, snapshot: Snapshot | None) -> None:
        """Restore the newest snapshot and check that the journal continues it.

        Raises `Damaged` SN-R014 where entries between the two are missing.
        """
        journal = self._journal
        index, term = FIRST_INDEX, 0
        if snapshot is not None:
            index, term = snapshot.header.last_index, snapshot.header.last_term
        if journal.head_index > index:
            raise Damaged(
                "SN-R014",
                f"{journal.directory}: the journal begins behind entry {journal.head_index}, "
                f"the newest snapshot ends at {index}",
            )
        if snapshot is not None:
            kept = journal.install(index, term)
            self.read_groups(snapshot, kept=False)
            self._state_machine.restore(snapshot.data)
            _log.info("snapshot_restored", index=index, term=term, journal_kept=kept)
        self._begin_at(index, term)
        self.replay_groups()
        if term > self.term():
            self._SyncObj__setCurrentTerm(term, None)

    def _begin_at(self, index: int, term: int) -> None:
        self._snapshot_index, self._snapshot_term = index, term
        self._SyncObj__raftLastApplied = index
        self._set_commit(index)
        self._applied_bytes = 0

    # -- snapshots -------------------------------------------------------------------------------------------

    def newest_snapshot(self) -> tuple[int, int]:
        """Return index and term of the newest stored snapshot."""
        return self._snapshot_index, self._snapshot_term

    def _SyncObj__tryLogCompaction(self) -> None:  # noqa: N802  # pysyncobj's name
        """Start, or finish, a snapshot; the state is serialised here, the file is written by a worker."""
        if self._writing is not None:
            if self._writing.done():
                self._finish_snapshot(self._writing.result())
            return
        applied: int = self._SyncObj__raftLastApplied
        enough = applied - self._snapshot_index >= self._options.compact_after_entries
        if not enough and self._applied_bytes < self._options.compact_after_bytes:
            return
        try:
            data = self._state_machine.snapshot()
        except Exception as error:
            raise Refused(
                "SN-R030", f"the snapshot at {applied} raised {type(error).__name__}: {error}"
            ) from error
        self._applied_bytes = 0
        self._journal.roll()
        term = self._journal.term_at(applied)
        changed = self.group_at(applied)
        group = b"" if changed is None else changed.encode()
        self._writing = self._writer.submit(self._store.write, applied, term or 0, data, group)
        self._writing.add_done_callback(lambda _: self.wake())

    def _finish_snapshot(self, header: SnapshotHeader) -> None:
        self._writing = None
        if header.last_index <= self._snapshot_index:
            return
        self._snapshot_index, self._snapshot_term = header.last_index, header.last_term
        self._journal.compact_to(self.expendable(header.last_index))
        _log.info(
            "snapshot_stored",
            index=header.last_index,
            bytes=header.size,
            digest=header.digest.hex(),
            journal_head=self._journal.head_index,
        )

    def before_install(self) -> None:
        """Let a snapshot of our own that is being written finish, so that it cannot replace the newer one."""
        if self._writing is not None:
            self._finish_snapshot(self._writing.result())

    def install(self, snapshot: Snapshot) -> None:
        """Replace state and log by a snapshot from the leader."""
        index, term = snapshot.header.last_index, snapshot.header.last_term
        kept = self._journal.install(index, term)
        self.read_groups(snapshot, kept=kept)
        self._state_machine.restore(snapshot.data)
        self._begin_at(index, term)
        self.installed()
        _log.info("snapshot_installed", index=index, term=term, journal_kept=kept)
