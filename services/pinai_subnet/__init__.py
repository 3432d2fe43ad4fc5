"""PinAI Subnet: an execution network. This file says nothing more; see services/ARCHITECTURE.md."""
