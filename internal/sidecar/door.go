package sidecar

import (
	"context"
	"sync"

	"hmaproxy/proxy/policy"
)

// A door is who may use the clients' listeners, and what they are shown there.
type door struct {
	clients   *clients // nil: anybody who reaches a listener
	keyPair   *keyPair // nil: plain HTTP
	strangers strangers
}

func (a *app) addDoor() (err error) {
	if a.door.clients, err = newClients(a.o.Config, a.policies, a.log); err != nil {
		return err
	}
	a.door.keyPair, err = newKeyPair(a.o.Config, a.log)
	return err
}

// client returns proxy.Config's Client.
func (d *door) client() func(user, password string) (*policy.Policy, bool) {
	if d.clients == nil {
		return nil
	}
	return d.clients.authenticate
}

// files are those that are read again.
func (d *door) files() []*reloader {
	var all []*reloader
	if d.clients != nil {
		all = append(all, d.clients.files)
	}
	if d.keyPair != nil {
		all = append(all, d.keyPair.files)
	}
	return all
}

// watch takes changed files up until ctx ends.
func (d *door) watch(ctx context.Context, background *sync.WaitGroup) {
	for _, f := range d.files() {
		background.Go(func() { f.watch(ctx) })
	}
}

// remarks are alarms that leave the product ready, a line for each.
func (d *door) remarks() string {
	text := ""
	for _, f := range d.files() {
		if why := f.alarm.Load(); why != nil {
			text += "alarm: " + f.variable + " was not taken up, what was read before is in force: " + *why + "\n"
		}
	}
	return text
}
