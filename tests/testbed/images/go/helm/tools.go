//go:build tools

// Package tools pins what the testbed builds, so that `go mod tidy` locks it.
package tools

import (
	_ "helm.sh/helm/v3/cmd/helm"
)
