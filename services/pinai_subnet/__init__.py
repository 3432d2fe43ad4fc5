"""PinAI Subnet: an execution network; see services/ARCHITECTURE.md.

gRPC's fork handlers are switched off here, before anything can import gRPC: they run in the child between fork and
exec, and a child forked while a call is on its way now and then dies there by SIGSEGV (seen with 1.85 under uvloop, one
start in ten). Our children exec at once and never use the parent's gRPC, so they need none of it.
"""

import os

os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
