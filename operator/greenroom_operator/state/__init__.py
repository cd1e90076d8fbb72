"""What the leader remembers between the turns of its loops. Nothing here waits or sends."""
