//go:build tools

// Package tools pins the helm that lints and renders the chart.
package tools

import _ "helm.sh/helm/v3/cmd/helm"
