"""RootLayer's two faces, gRPC and HTTP: decode, call the service, encode. No rule lives here."""
