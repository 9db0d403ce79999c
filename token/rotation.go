package token

import (
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"
)

// A version is one version of the certificate and what Entra made of it.
type version struct {
	*requester
	name     Leaf
	accepted bool      // Entra took it at least once
	refusal  *Error    // why it did not, the last time; nil when it did
	since    time.Time // of the first refusal in a row
	probe    deadline  // of the next probe
	misses   int       // probes in a row that told nothing
	alarm    alarm
}

func (v *version) leafName() *Leaf {
	if v == nil {
		return nil
	}
	name := v.name
	return &name
}

// rotation knows the versions of the certificate and which of them is in use.
//
// The newest becomes active only once Entra has accepted it: it may be in the
// vault before it is registered on the application. Until then it is the
// candidate. What was active before stays at hand until it expires: Entra's
// servers do not learn of a registration all at once, so a version that was just
// accepted may be refused again.
type rotation struct {
	versions []*version // newest first, then those that are remembered only
	active   *version   // brought the token in service; nil: none did yet
}

// candidate returns the newest version while another one is active, else nil.
func (r *rotation) candidate() *version {
	if r.active == nil || len(r.versions) == 0 || r.versions[0] == r.active {
		return nil
	}
	return r.versions[0]
}

// fallback returns the version that is tried after the active one and the candidate.
func (r *rotation) fallback(now time.Time) *version {
	for _, v := range r.order(now) {
		if v != r.active && v != r.candidate() && now.Before(v.leaf.NotAfter) {
			return v
		}
	}
	return nil
}

// order returns the versions in the order in which a refresh tries them: the
// active one, the newest, the rest. Those outside their dates come last rather
// than never: it may be this machine's clock that is wrong.
func (r *rotation) order(now time.Time) []*version {
	rank := func(v *version) int {
		switch {
		case v == r.active:
			return 0
		case now.Before(v.leaf.NotBefore), !now.Before(v.leaf.NotAfter):
			return 2
		default:
			return 1
		}
	}
	list := slices.Clone(r.versions)
	slices.SortStableFunc(list, func(a, b *version) int { return rank(a) - rank(b) })
	return list
}

// merge takes over a new list. It reports whether its newest certificate was not
// known before, and what is wrong with entries that it had to leave out.
func (r *rotation) merge(now time.Time, k *Keeper, certs []*tls.Certificate) (fresh bool, err error) {
	var list []*version
	var problems []error
	for i, cert := range certs {
		id, err := newIdentity(cert)
		if err != nil {
			problems = append(problems, fmt.Errorf("certificate %d of %d: %w", i+1, len(certs), err))
			continue
		}
		v := r.find(id)
		if v == nil {
			v = &version{requester: newRequester(k.cfg, k.http, id), name: nameOf(id)}
			fresh = fresh || len(list) == 0
		}
		v.identity = id // the signer may be a new one
		if !slices.Contains(list, v) {
			list = append(list, v)
		}
	}
	if len(list) > 0 {
		r.versions = append(list, r.remembered(now, list)...)
	}
	return fresh, errors.Join(problems...)
}

func (r *rotation) find(id identity) *version {
	for _, v := range r.versions {
		if v.leaf.Equal(id.leaf) {
			return v
		}
	}
	return nil
}

// remembered returns the versions that list lacks and that are worth keeping:
// those that Entra has accepted, until they expire.
func (r *rotation) remembered(now time.Time, list []*version) []*version {
	const most = 3
	var kept []*version
	for _, v := range r.versions {
		useful := v.accepted && now.Before(v.leaf.NotAfter)
		if useful && !slices.Contains(list, v) && len(kept) < most {
			kept = append(kept, v)
		}
	}
	return kept
}

// activate notes that Entra has accepted v.
func (r *rotation) activate(v *version) {
	r.active = v
	v.accepted, v.refusal, v.misses = true, nil, 0
	v.alarm.clear()
}

// The one refusal that registering the certificate cures.
const aadstsNotRegistered = 700027

// refused notes that v brought no token, plans its next probe, and says what to
// register where.
func (l *loop) refused(v *version, err *Error) {
	now := wall()
	if v.refusal == nil {
		v.since = now
	}
	v.refusal, v.misses = err, 0
	if now.Sub(v.since) < probeSoonFor {
		v.probe = after(now, probeSoon)
	} else {
		v.probe = after(now, probeLater)
	}
	if !v.alarm.rings(now, err.key()) {
		return
	}
	message := "certificate refused by Entra"
	switch {
	case err.Status == 0:
		message = "certificate cannot be used"
	case err.AADSTS == aadstsNotRegistered:
		message = "certificate refused by Entra: register it on the application (Certificates & secrets) under this thumbprint"
	}
	l.log(slog.LevelWarn, message, v, "application", l.cfg.ClientID, "tenant", l.cfg.TenantID, "error", err.Error(), "probe_again", v.probe.at)
}

// log writes a line about v.
func (l *loop) log(level slog.Level, message string, v *version, args ...any) {
	args = append([]any{"subject", v.name.Subject, "thumbprint", v.name.SHA1, "thumbprint_sha256", v.name.SHA256, "not_after", v.name.NotAfter}, args...)
	l.cfg.Log.Log(context.Background(), level, message, args...)
}

func nameOf(id identity) Leaf {
	return Leaf{
		Subject:   id.leaf.Subject.String(),
		SHA1:      fmt.Sprintf("%X", sha1.Sum(id.leaf.Raw)),
		SHA256:    fmt.Sprintf("%X", sha256.Sum256(id.leaf.Raw)),
		NotBefore: id.leaf.NotBefore,
		NotAfter:  id.leaf.NotAfter,
	}
}
