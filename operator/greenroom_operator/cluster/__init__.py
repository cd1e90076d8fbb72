"""The operator's awaits on the network: the lease, the fence, the writes."""
