// Package check holds tests of the manifests in deploy/kubernetes, of the charts in
// deploy/helm and of the files in deploy/compose: they are decoded strictly into the
// types of Kubernetes, the Prometheus operator and Compose themselves, and the
// settings that each container would get are read by the product's own configuration.
// Helm's own packages lint and render the charts.
//
// It has its own module, so that the product does not depend on Kubernetes.
package check
