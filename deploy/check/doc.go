// Package check holds tests of the manifests in deploy/kubernetes, of the
// charts in deploy/helm and of the files in deploy/compose. The tests decode
// these files strictly into the types of Kubernetes, the Prometheus operator
// and Compose. They load the settings of each container with the product's own
// configuration package. Helm's own packages lint and render the charts.
//
// This package has its own module, so that the product does not depend on
// Kubernetes.
package check
