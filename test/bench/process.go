//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"hmaproxy/internal/procstatus"
)

// A process is a child process with all its descendants.
type process struct {
	cmd   *exec.Cmd
	began time.Time
	done  chan struct{} // closed when the process has ended
	log   string        // file with the output of the process
	used  time.Duration // CPU time of the whole tree, set by stop
}

// start runs a program and adds it to the list of processes whose CPU time is
// counted.
func (b *bench) start(ctx context.Context, dir string, env []string, argv ...string) (*process, error) {
	p, err := start(ctx, dir, env, argv...)
	if err == nil {
		b.started = append(b.started, p)
	}
	return p, err
}

// start runs a program in its own process group until ctx ends. Its output goes to
// the file "output" in dir.
func start(ctx context.Context, dir string, env []string, argv ...string) (*process, error) {
	p := &process{done: make(chan struct{}), log: filepath.Join(dir, "output")}
	out, err := os.Create(p.log)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	p.cmd = exec.CommandContext(ctx, argv[0], argv[1:]...)
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = dir, out, out
	// Pdeathsig ends the child if this process is killed.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	p.cmd.Cancel = func() error { return syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL) }
	p.began = time.Now()
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = p.cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// stop kills the whole group. It reads the CPU time first, because the time of
// a worker that dies together with its master is not attributed to any process.
func (p *process) stop() {
	p.used = p.cpu()
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	<-p.done
}

// said returns the last part of the process's output.
func (p *process) said() string {
	text, _ := os.ReadFile(p.log)
	return strings.TrimSpace(string(text[max(0, len(text)-600):]))
}

// tree returns the ids of the process and its descendants.
func (p *process) tree() []int {
	children := make(map[int][]int)
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		pid, _ := strconv.Atoi(filepath.Base(dir))
		if parent, ok := parentOf(dir); ok {
			children[parent] = append(children[parent], pid)
		}
	}
	all := []int{p.cmd.Process.Pid}
	for i := 0; i < len(all); i++ {
		all = append(all, children[all[i]]...)
	}
	return all
}

// parentOf returns the id of a process's parent. dir is the folder of the process in
// /proc. In the file stat, the id is the second field after the name in parentheses;
// see proc(5).
func parentOf(dir string) (pid int, ok bool) {
	text, err := os.ReadFile(dir + "/stat")
	if err != nil {
		return 0, false
	}
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	if len(fields) < 2 {
		return 0, false
	}
	pid, err = strconv.Atoi(fields[1])
	return pid, err == nil
}

// cpu returns the CPU time of all threads of the tree. It reads schedstat, which
// counts nanoseconds, because utime and stime have a resolution of 10 ms.
func (p *process) cpu() time.Duration {
	var sum time.Duration
	for _, pid := range p.tree() {
		files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
		for _, file := range files {
			text, _ := os.ReadFile(file)
			if fields := strings.Fields(string(text)); len(fields) > 0 {
				n, _ := strconv.ParseInt(fields[0], 10, 64)
				sum += time.Duration(n)
			}
		}
	}
	return sum
}

// memory sums a field of /proc/PID/status, such as VmRSS, over the tree, in KiB.
func (p *process) memory(field string) float64 {
	var sum float64
	for _, pid := range p.tree() {
		n, _ := procstatus.Memory(pid, field) // a process that has just ended has none
		sum += float64(n) / 1024
	}
	return sum
}

// forgetPeak resets VmHWM to the current resident size.
func (p *process) forgetPeak() error {
	for _, pid := range p.tree() {
		if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0); err != nil {
			return err
		}
	}
	return nil
}
