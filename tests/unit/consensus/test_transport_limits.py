"""A peer that does not read: what is queued for it is bounded."""

import socket
from typing import Any

from pysyncobj.node import Node
from tests.integration.consensus.cluster import CLUSTER, FAST, signer_of

from pinai_subnet.consensus.connection import Connection
from pinai_subnet.consensus.handshake import Member
from pinai_subnet.consensus.transport import Transport
from pinai_subnet.ports.replication import Peer


def test_a_peer_that_reads_nothing_is_sent_no_more_than_its_buffer_holds() -> None:
    me, other = (
        Peer(id=f"v{n}", address=signer_of(n).address, endpoint="127.0.0.1:1") for n in (0, 1)
    )
    member = Member(me=me, cluster=CLUSTER, signer=signer_of(0), others={other.id: other})
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        transport = Transport(
            member=member, nodes=[Node(other.id)], listener=listener, options=FAST, sync=int
        )
        side: Any = None
        ours, theirs = socket.socketpair()
        connection = Connection(
            sock=ours, side=side, max_frame_bytes=FAST.max_frame_bytes, where="there"
        )
        transport._links[other.id].connection = connection
        frame = bytes(FAST.batch_bytes)
        sent = sum(transport.send_encoded(Node(other.id), frame) for _ in range(100))
        allowed = FAST.send_buffer_bytes + FAST.max_frame_bytes
        assert allowed < connection.backlog <= allowed + len(frame) + 4
        assert sent < 100
        for end in (ours, theirs):
            end.close()
        transport._links[other.id].connection = None
        transport.destroy()
