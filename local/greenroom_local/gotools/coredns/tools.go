//go:build tools

// Package tools pins the cluster DNS of the end-to-end suite's node.
package tools

import _ "github.com/coredns/coredns"
