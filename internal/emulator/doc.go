// Package emulator imitates the three services that an application needs to
// reach a mailbox on Exchange Server by Hybrid Modern Authentication: Entra
// ID, which issues tokens; Key Vault, which keeps the certificate; and
// Exchange Web Services. Each is an [http.Handler] with settings, in a package of
// its own: entra, keyvault and exchange. This package starts and ends them together.
//
// Start with [New], then [Emulator.Start] for TLS listeners on loopback or
// [Emulator.StartPipes] for in-memory ones that work in a testing/synctest
// bubble. [Emulator.Client] reaches either. [Emulator.Env] has the settings
// that the program under test needs.
//
// Exchange implements the operations that clients of mailboxes need most. It
// responds to every other operation as Exchange does to an unknown one. Its
// service description covers the implemented operations only.
//
// It is strict on purpose. Entra verifies every claim of an assertion and
// refuses an assertion that it has seen before; Exchange runs an operation as soon
// as its element ends, whatever follows; it reads XML as leniently as .NET
// does where .NET is lenient; subscriptions live on one of two back ends.
// Every service can be made to fail in a [Fault]'s ways, and records each
// request as a [Hop].
//
// It is useless in production. It listens on loopback only, makes new keys
// and a new authority at every start, keeps everything in memory and hands
// the vault's private keys to its caller.
//
// It is modelled on what Microsoft documents and on captured traffic, and it
// imports nothing of the program under test, so that a mistake there cannot be
// repeated in the emulator: its only import outside the standard library is
// memnet, a network in memory. Where the services' behaviour is
// not public, a comment says so.
//
// Time is [time.Now] everywhere. There is no package state, nothing runs
// before Start, and no goroutine outlives [Emulator.Close].
package emulator
