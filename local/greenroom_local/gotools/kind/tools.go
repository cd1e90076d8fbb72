//go:build tools

// Package tools pins the kind that makes the end-to-end suite's cluster where Docker is at hand.
package tools

import _ "sigs.k8s.io/kind"
