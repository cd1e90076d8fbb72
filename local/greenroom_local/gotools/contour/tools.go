//go:build tools

// Package tools pins the ingress controller of the end-to-end suite's node.
package tools

import _ "github.com/projectcontour/contour/cmd/contour"
