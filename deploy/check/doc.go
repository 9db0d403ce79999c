// Package check holds tests of the manifests in deploy/kubernetes, of the
// charts in deploy/helm and of the files in deploy/compose. They are decoded
// strictly into the types of Kubernetes, the Prometheus operator and Compose,
// and the product's own configuration reads the settings of each container.
// Helm's own packages lint and render the charts.
//
// It has its own module, so that the product does not depend on Kubernetes.
package check
