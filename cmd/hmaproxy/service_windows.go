package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/svc"
	"golang.org/x/sys/windows/svc/eventlog"
	"golang.org/x/sys/windows/svc/mgr"
)

// serviceName is the name of the service, of its account and of its event
// source.
const serviceName = "hmaproxy"

func runServiceCommand(ctx context.Context, inv *invocation) error {
	verb, err := serviceVerb(inv)
	if err != nil {
		return err
	}
	switch verb {
	case "run":
		return runService(ctx, inv)
	case "install":
		err = installService(inv.envFile)
	case "remove":
		err = withService(removeService)
	case "start":
		err = withService(startService)
	case "stop":
		err = withService(stopService)
	default:
		return usageError{fmt.Errorf("service: unknown verb %q; expected install, remove, start or stop", verb)}
	}
	if err != nil {
		return fmt.Errorf("service %s: %w", verb, err)
	}
	return nil
}

// installService registers this program as a service and as an event source.
func installService(envFile string) error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	envFile, err = filepath.Abs(envFile) // a path relative to the current folder would not work in a service
	if err != nil {
		return err
	}
	m, err := connectManager()
	if err != nil {
		return err
	}
	defer m.Disconnect()
	s, err := m.CreateService(serviceName, program, mgr.Config{
		StartType:        mgr.StartAutomatic,
		DelayedAutoStart: true, // start after other services, when the network is up
		ErrorControl:     mgr.ErrorNormal,
		ServiceStartName: `NT SERVICE\` + serviceName,
		SidType:          windows.SERVICE_SID_TYPE_UNRESTRICTED, // with its own SID, the service can be given access to a file that other services cannot read
		DisplayName:      "hmaproxy",
		Description:      "Lets Exchange Web Services clients without modern authentication reach Exchange Server.",
	}, "service", "run", "-env-file", envFile)
	if err != nil {
		return err
	}
	defer s.Close()
	err = s.SetRecoveryActions([]mgr.RecoveryAction{
		{Type: mgr.ServiceRestart, Delay: time.Second},
		{Type: mgr.ServiceRestart, Delay: 10 * time.Second},
		{Type: mgr.ServiceRestart, Delay: time.Minute}, // after the third failure and after every later failure
	}, uint32((24 * time.Hour).Seconds()))
	if err == nil {
		err = eventlog.InstallAsEventCreate(serviceName, eventlog.Info|eventlog.Warning|eventlog.Error)
	}
	if err != nil {
		return errors.Join(err, s.Delete())
	}
	return nil
}

func connectManager() (*mgr.Mgr, error) {
	m, err := mgr.Connect()
	if errors.Is(err, windows.ERROR_ACCESS_DENIED) {
		return nil, fmt.Errorf("%w (run this from a console that was opened as administrator)", err)
	}
	return m, err
}

// withService calls the function "do" with the registered service.
func withService(do func(*mgr.Service) error) error {
	m, err := connectManager()
	if err != nil {
		return err
	}
	defer m.Disconnect()
	s, err := m.OpenService(serviceName)
	if errors.Is(err, windows.ERROR_SERVICE_DOES_NOT_EXIST) {
		return fmt.Errorf("%w (run hmaproxy service install first)", err)
	}
	if err != nil {
		return err
	}
	defer s.Close()
	return do(s)
}

func removeService(s *mgr.Service) error {
	if err := stopService(s); err != nil {
		return err
	}
	return errors.Join(s.Delete(), eventlog.Remove(serviceName))
}

func startService(s *mgr.Service) error {
	if err := s.Start(); err != nil {
		return err
	}
	return await(s, svc.Running)
}

func stopService(s *mgr.Service) error {
	_, err := s.Control(svc.Stop)
	if errors.Is(err, windows.ERROR_SERVICE_NOT_ACTIVE) {
		return nil
	}
	if err != nil {
		return err
	}
	return await(s, svc.Stopped)
}

// awaitLimit is longer than the default time for requests in progress to
// finish.
const awaitLimit = time.Minute

// await waits until the service has the state that is wanted. It returns an
// error if the service stops instead, and after awaitLimit.
func await(s *mgr.Service, want svc.State) error {
	for end := time.Now().Add(awaitLimit); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		status, err := s.Query()
		switch {
		case err != nil:
			return err
		case status.State == want:
			return nil
		case status.State == svc.Stopped:
			return errors.New("it stopped; the Event Log says why, with the source hmaproxy")
		}
	}
	return fmt.Errorf("not done after %s; it may still come", awaitLimit)
}

// runService runs the command serve under the service manager.
func runService(ctx context.Context, inv *invocation) error {
	asService, err := svc.IsWindowsService()
	if err != nil {
		return fmt.Errorf("service run: %w", err)
	}
	if !asService {
		return usageError{errors.New("service run is for Windows to call; run hmaproxy service start, or hmaproxy -env-file FILE")}
	}
	log, err := eventlog.Open(serviceName)
	if err != nil {
		return fmt.Errorf("service run: event log: %w", err)
	}
	defer log.Close()
	// When any user logs off, Go delivers SIGTERM. Only the service manager may end
	// a service, so the signal goes to a channel that is not read. Without a
	// receiver the signal would end the process.
	signal.Reset(syscall.SIGTERM)
	signal.Notify(make(chan os.Signal, 1), syscall.SIGTERM)
	quiet := *inv
	quiet.err = io.Discard
	h := &serviceHandler{ctx: context.WithoutCancel(ctx), inv: &quiet, log: log}
	if err := svc.Run(serviceName, h); err != nil {
		return fmt.Errorf("service run: %w", err)
	}
	return h.err
}

// A serviceHandler receives the calls of the service manager.
type serviceHandler struct {
	ctx context.Context
	inv *invocation
	log eventLog
	err error // error of serve
}

// waitHint is the longest time until the next report, in milliseconds.
const waitHint = uint32(5 * stoppingInterval / time.Millisecond)

// Execute implements svc.Handler. After a mistake in the configuration the
// service stops. After a failure the process ends without reporting a stop, so
// that Windows restarts it.
func (h *serviceHandler) Execute(_ []string, requests <-chan svc.ChangeRequest, statuses chan<- svc.Status) (bool, uint32) {
	controls, gone := make(chan control), make(chan struct{})
	defer close(gone)
	go translate(requests, controls, gone)
	var checkpoint uint32
	report := func(now state) {
		status := statusOf(now)
		if status.State != svc.Running {
			checkpoint++
			status.CheckPoint, status.WaitHint = checkpoint, waitHint
		}
		statuses <- status
	}
	h.err = manager{controls, report}.supervise(h.ctx, func(ctx context.Context, s supervision) error {
		s.events = eventHandler(h.log)
		return serve(ctx, h.inv, s)
	})
	if h.err != nil {
		_ = h.log.Error(eventError, h.err.Error())
	}
	if exitCode(h.err) == exitFailed {
		os.Exit(exitFailed)
	}
	return h.err != nil, uint32(exitCode(h.err))
}

// translate converts the requests of Windows to controls until gone is closed.
func translate(requests <-chan svc.ChangeRequest, controls chan<- control, gone <-chan struct{}) {
	for {
		var r svc.ChangeRequest
		select {
		case r = <-requests:
		case <-gone:
			return
		}
		c := controlReport
		switch r.Cmd {
		case svc.Stop, svc.Shutdown:
			c = controlStop
		case svc.ParamChange:
			c = controlReload
		}
		select {
		case controls <- c:
		case <-gone:
			return
		}
	}
}

func statusOf(now state) svc.Status {
	switch now {
	case stateRunning:
		return svc.Status{State: svc.Running, Accepts: svc.AcceptStop | svc.AcceptShutdown | svc.AcceptParamChange}
	case stateStopping:
		return svc.Status{State: svc.StopPending}
	}
	return svc.Status{State: svc.StartPending}
}
