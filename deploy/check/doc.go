// Package check holds tests of the manifests in deploy/kubernetes and of the files
// in deploy/compose: they are decoded strictly into the types of Kubernetes and
// Compose themselves, and the settings that each container would get are read by
// the product's own configuration.
//
// It is a module of its own, so that the product does not depend on Kubernetes.
package check
