// Package emulator imitates the three services that an application needs to reach
// a mailbox on Exchange Server by Hybrid Modern Authentication: Entra ID, which
// issues tokens; Key Vault, which keeps the certificate; and Exchange Web
// Services. Each is an [http.Handler] with settings, in a package of its own:
// entra, keyvault and exchange. This package starts and ends them together.
//
// Start with [New], then [Emulator.Start] for TLS listeners on loopback or
// [Emulator.StartPipes] for in-memory ones that work in a testing/synctest
// bubble. [Emulator.Client] connects to both kinds of listeners. [Emulator.Env]
// has the settings that the program under test needs.
//
// Exchange implements the operations that clients of mailboxes need most. It
// responds to every other operation as Exchange does to an unknown one. Its
// service description covers the implemented operations only.
//
// The emulator is strict on purpose. Entra verifies every claim of an assertion
// and refuses an assertion that it has seen before; Exchange runs an operation as
// soon as its element ends, even if the rest of the document is malformed; it
// reads XML as leniently as .NET does where .NET is lenient; a subscription
// exists on one of two back ends only. A [Fault] makes a service fail. Every
// service records each request as a [Hop].
//
// The emulator is useless in production. It listens on loopback only, makes new
// keys and a new authority at every start, keeps everything in memory and hands
// the vault's private keys to its caller.
//
// The emulator is modelled on Microsoft's documentation and on captured traffic.
// It imports nothing of the program under test, so that it cannot repeat a
// mistake in that program's code. Its only import outside the standard library is
// memnet, an in-memory network for tests. Where the services' behaviour is not
// public, a comment says so.
//
// Time is [time.Now] everywhere. There is no package state, nothing runs before
// Start, and no goroutine outlives [Emulator.Close].
package emulator
