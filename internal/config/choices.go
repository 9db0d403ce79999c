package config

import (
	"log/slog"
	"slices"
	"strings"
	"time"
)

// VaultAuth says how to sign in to Key Vault.
type VaultAuth string

// The values of HMA_KEY_VAULT_AUTH.
const (
	AuthSecret   VaultAuth = "secret"   // application id and client secret
	AuthWorkload VaultAuth = "workload" // workload identity federation
	AuthManaged  VaultAuth = "managed"  // managed identity
	AuthDefault  VaultAuth = "default"  // azidentity's default chain, which includes az login
)

// UnmarshalText accepts exactly the constants.
func (v *VaultAuth) UnmarshalText(text []byte) error {
	return choose(v, text, AuthSecret, AuthWorkload, AuthManaged, AuthDefault)
}

// AppAuth says what proves the application's identity to Entra ID.
type AppAuth string

// The ways to prove the application's identity. All but AppCertificate are
// experimental.
const (
	AppCertificate AppAuth = "certificate" // an assertion signed with a certificate
	AppWorkload    AppAuth = "workload"    // a token of the Kubernetes service account
	AppManaged     AppAuth = "managed"     // a token of a managed identity
)

// UnmarshalText accepts exactly the constants.
func (a *AppAuth) UnmarshalText(text []byte) error {
	return choose(a, text, AppCertificate, AppWorkload, AppManaged)
}

// KeyMode says where the private key signs.
type KeyMode string

// The key modes.
const (
	KeyMemory KeyMode = "memory" // the private key signs in this process
	KeyVault  KeyMode = "vault"  // the private key signs inside Key Vault
)

// UnmarshalText accepts exactly the constants.
func (k *KeyMode) UnmarshalText(text []byte) error { return choose(k, text, KeyMemory, KeyVault) }

// ListMode says how a request that the allow-list refuses is treated.
type ListMode string

// The allow-list modes.
const (
	Enforce ListMode = "enforce"
	Audit   ListMode = "audit"
)

// UnmarshalText accepts exactly the constants.
func (m *ListMode) UnmarshalText(text []byte) error { return choose(m, text, Enforce, Audit) }

// ListScope says which mailboxes of a request must be on the allow-list.
type ListScope string

// The allow-list scopes.
const (
	Impersonated ListScope = "impersonated"
	Targets      ListScope = "targets"
)

// UnmarshalText accepts exactly the constants.
func (s *ListScope) UnmarshalText(text []byte) error { return choose(s, text, Impersonated, Targets) }

// ListAddresses says which addresses of a mailbox an entry of the allow-list
// allows.
type ListAddresses string

// The addresses that an entry allows.
const (
	AnyAddress     ListAddresses = "any"     // the primary address and aliases
	PrimaryAddress ListAddresses = "primary" // the primary address alone
)

// UnmarshalText accepts exactly the constants.
func (a *ListAddresses) UnmarshalText(text []byte) error {
	return choose(a, text, AnyAddress, PrimaryAddress)
}

// ListIDs says how an id whose mailbox cannot be read is treated.
type ListIDs string

// The ways to treat an id whose mailbox cannot be read.
const (
	KnownIDs  ListIDs = "known"  // forward the request and count the id
	StrictIDs ListIDs = "strict" // refuse the request
)

// UnmarshalText accepts exactly the constants.
func (i *ListIDs) UnmarshalText(text []byte) error { return choose(i, text, KnownIDs, StrictIDs) }

// LogFormat is the format of log lines.
type LogFormat string

// The log formats.
const (
	LogAuto LogFormat = "auto" // LogText on a terminal, LogJSON otherwise
	LogText LogFormat = "text"
	LogJSON LogFormat = "json"
)

// UnmarshalText accepts exactly the constants.
func (f *LogFormat) UnmarshalText(text []byte) error {
	return choose(f, text, LogAuto, LogText, LogJSON)
}

// A LogLevel is one of slog's four named levels. It is a [slog.Leveler].
type LogLevel slog.Level

// Level returns the level for log/slog.
func (l LogLevel) Level() slog.Level { return slog.Level(l) }

// UnmarshalText accepts debug, info, warn and error.
func (l *LogLevel) UnmarshalText(text []byte) error {
	var name string
	if err := choose(&name, text, "debug", "info", "warn", "error"); err != nil {
		return err
	}
	return (*slog.Level)(l).UnmarshalText([]byte(name))
}

// choose sets value to text if text is one of choices, in exactly this letter
// case. If not, choose returns an error.
func choose[T ~string](value *T, text []byte, choices ...T) error {
	if !slices.Contains(choices, T(text)) {
		names := make([]string, len(choices))
		for i, choice := range choices {
			names[i] = string(choice)
		}
		last := len(names) - 1
		return flaw("is not a known choice; expected " + strings.Join(names[:last], ", ") + " or " + names[last])
	}
	*value = T(text)
	return nil
}

// parseBool accepts true and false. It is the parser for bool fields of Config.
func parseBool(s string) (any, error) {
	if s != "true" && s != "false" {
		return nil, flaw("is not a known choice; expected true or false")
	}
	return s == "true", nil
}

// parseDuration accepts the durations of time.ParseDuration.
func parseDuration(s string) (any, error) {
	d, err := time.ParseDuration(s)
	if err != nil {
		return nil, flaw("is not a duration; expected a number with a unit, such as 30s, 10m or 1h30m")
	}
	return d, nil
}

// ExpectContinue says whether requests with long bodies are sent with "Expect:
// 100-continue".
type ExpectContinue string

// The values of HMA_EXPECT_CONTINUE.
const (
	ExpectAuto  ExpectContinue = "auto"
	ExpectNever ExpectContinue = "never"
)

// UnmarshalText accepts exactly the constants.
func (e *ExpectContinue) UnmarshalText(text []byte) error {
	return choose(e, text, ExpectAuto, ExpectNever)
}
