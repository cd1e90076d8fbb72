"""The leader's loops: observe, take a snapshot, plan, assume, write."""
