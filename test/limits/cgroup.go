//go:build linux

package main

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"hmaproxy/internal/procstatus"
)

// A group is a control group with a memory limit.
type group struct {
	dir     string
	version int
}

// newGroup makes a control group. Version 1 of control groups counts the memory
// of sockets only if that memory has its own limit.
func newGroup(name string, limit int64) (*group, error) {
	g := &group{version: 2, dir: filepath.Join("/sys/fs/cgroup", name)}
	limits := map[string]int64{"memory.max": limit, "memory.swap.max": 0}
	if _, err := os.Stat("/sys/fs/cgroup/memory/memory.limit_in_bytes"); err == nil {
		g = &group{version: 1, dir: filepath.Join("/sys/fs/cgroup/memory", name)}
		limits = map[string]int64{"memory.limit_in_bytes": limit, "memory.kmem.tcp.limit_in_bytes": limit}
	}
	if err := os.Mkdir(g.dir, 0o755); err != nil {
		return nil, err
	}
	for file, limit := range limits {
		err := os.WriteFile(filepath.Join(g.dir, file), []byte(strconv.FormatInt(limit, 10)), 0)
		if err != nil && file != "memory.swap.max" { // a kernel without swap does not have this file
			return nil, errors.Join(err, g.remove())
		}
	}
	return g, nil
}

func (g *group) procs() string { return filepath.Join(g.dir, "cgroup.procs") }
func (g *group) remove() error { return os.Remove(g.dir) }

// A usage describes a control group. total is the most memory that the group has
// used, in bytes. sockets is the part of it that sockets used. In version 2,
// sockets is the current value, because the kernel does not record a maximum.
// kills is the number of the group's processes that the kernel has killed.
type usage struct {
	total, sockets int64
	kills          int64
}

func (g *group) usage() (u usage, err error) {
	if g.version == 2 {
		u.total, err = g.number("memory.peak")
		u.sockets = g.field("memory.stat", "sock")
		u.kills = g.field("memory.events", "oom_kill")
		return u, err
	}
	if u.total, err = g.number("memory.max_usage_in_bytes"); err != nil {
		return u, err
	}
	u.sockets, err = g.number("memory.kmem.tcp.max_usage_in_bytes")
	u.total += u.sockets // version 1 counts the memory of sockets separately
	u.kills = g.field("memory.oom_control", "oom_kill")
	return u, err
}

func (g *group) number(file string) (int64, error) {
	text, err := os.ReadFile(filepath.Join(g.dir, file))
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
}

// field returns the value of name in a file of the group that has lines
// "name value". It returns 0 if there is no such line.
func (g *group) field(file, name string) int64 {
	text, _ := os.ReadFile(filepath.Join(g.dir, file))
	for line := range strings.Lines(string(text)) {
		if key, value, _ := strings.Cut(strings.TrimSpace(line), " "); key == name {
			n, _ := strconv.ParseInt(value, 10, 64)
			return n
		}
	}
	return 0
}

// resident returns the resident memory of a process now, and its maximum so
// far.
func resident(pid int) (now, most int64, err error) {
	now, nowErr := procstatus.Memory(pid, "VmRSS")
	most, mostErr := procstatus.Memory(pid, "VmHWM")
	return now, most, errors.Join(nowErr, mostErr)
}
