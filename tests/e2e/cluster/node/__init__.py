"""A whole Kubernetes on this machine, as root, with nothing pulled: one real node beside a control plane."""
