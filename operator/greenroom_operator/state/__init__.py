"""What the leader remembers between cycles. One writer: the scheduler."""
