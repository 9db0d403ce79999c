package sidecar

import (
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"hmaproxy/internal/filewatch"
)

func TestReloadOnRequestReadsEveryFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := idle(t, nil)
		loads := 0
		for range 2 {
			a.files = append(a.files, filewatch.New(filewatch.Config{
				Log: slog.New(slog.DiscardHandler), Load: func() (bool, error) { loads++; return false, nil },
			}))
		}
		requests := make(chan struct{})
		a.o.Reload = requests
		go a.reloadOnRequest(t.Context())
		requests <- struct{}{}
		time.Sleep(time.Second)
		if loads != 2 {
			t.Errorf("%d loads of 2 files", loads)
		}
		a.draining.Store(true)
		requests <- struct{}{}
		time.Sleep(time.Second)
		if loads != 2 {
			t.Errorf("%d loads after a request during the drain", loads)
		}
	})
}
