//go:build !windows

package certsource

func newStoreReader(string, string) (storeReader, error) { return nil, ErrNoStore }
