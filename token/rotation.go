package token

import (
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"time"
)

// A version is one version of the certificate, with Entra's decisions about it. A
// federated credential is a version without a certificate.
type version struct {
	requester    *requester
	name         Leaf
	accepted     bool      // Entra has issued a token for this version
	refusal      *Error    // latest refusal of this version; nil: no refusal since Entra last issued a token for it
	refusedSince time.Time // time of the first of the consecutive refusals
	probe        deadline  // time of the next probe
	inconclusive int       // number of consecutive probes that failed although Entra did not refuse the version
	alarm        logAlarm
}

func (v *version) leafName() *Leaf {
	if v == nil || v.requester.identity.leaf == nil {
		return nil
	}
	name := v.name
	return &name
}

// notBefore returns when the certificate becomes valid.
func (v *version) notBefore() time.Time {
	if leaf := v.requester.identity.leaf; leaf != nil {
		return leaf.NotBefore
	}
	return time.Time{}
}

// expired reports whether the certificate is no longer valid at now.
func (v *version) expired(now time.Time) bool {
	leaf := v.requester.identity.leaf
	return leaf != nil && !now.Before(leaf.NotAfter)
}

// refused records a refusal and plans the next probe.
func (v *version) refused(now time.Time, err *Error) {
	if v.refusal == nil {
		v.refusedSince = now
	}
	v.refusal, v.inconclusive = err, 0
	if now.Sub(v.refusedSince) < probeSoonFor {
		v.probe = after(now, probeSoon)
	} else {
		v.probe = after(now, probeLater)
	}
}

// rotation holds the versions of the certificate and which of them is active.
//
// The newest version becomes active only after Entra has accepted it, because
// it may be in the vault before it is registered on the application. Until then
// it is the candidate. The version that was active before stays in the list
// until it expires: Entra's servers do not learn of a registration at the same
// time, so the next server may refuse a version that was accepted before.
type rotation struct {
	list   []*version // newest first, followed by versions that the source no longer returns
	active *version   // the version of the current token; nil: there has been no token
}

// candidate returns the newest version if an older version is active, else nil.
func (r *rotation) candidate() *version {
	if r.active == nil || len(r.list) == 0 || r.list[0] == r.active {
		return nil
	}
	return r.list[0]
}

// fallback returns the version that is tried after the active version and the
// candidate. It returns nil if every other version has expired.
func (r *rotation) fallback(now time.Time) *version {
	for _, v := range r.order(now) {
		if v != r.active && v != r.candidate() && !v.expired(now) {
			return v
		}
	}
	return nil
}

// order returns the versions in the order in which a refresh tries them: the
// active version, the newest, the rest. Versions other than the active one come
// last if they are not yet valid or have expired. They are not left out, because
// this machine's clock may be wrong.
func (r *rotation) order(now time.Time) []*version {
	rank := func(v *version) int {
		switch {
		case v == r.active:
			return 0
		case now.Before(v.notBefore()), v.expired(now):
			return 2
		default:
			return 1
		}
	}
	list := slices.Clone(r.list)
	slices.SortStableFunc(list, func(a, b *version) int { return rank(a) - rank(b) })
	return list
}

// merge applies a new list of certificates. If none of them can be used, the
// versions stay as they are. fresh reports whether the newest usable certificate
// was not in the previous list. skipped is an error about the certificates that
// cannot be used.
func (r *rotation) merge(now time.Time, certs []*tls.Certificate, newRequester func(identity) *requester) (fresh bool, skipped error) {
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
			v = &version{requester: newRequester(id), name: leafOf(id.leaf)}
			fresh = fresh || len(list) == 0
		}
		v.requester.identity = id // use the new signer, which may be different
		if !slices.Contains(list, v) {
			list = append(list, v)
		}
	}
	if len(list) > 0 {
		r.list = append(list, r.retained(now, list)...)
	}
	return fresh, errors.Join(problems...)
}

func (r *rotation) find(id identity) *version {
	for _, v := range r.list {
		if v.requester.identity.leaf.Equal(id.leaf) {
			return v
		}
	}
	return nil
}

// retained returns the versions to keep although list does not contain them: at
// most three versions that Entra has accepted and that have not expired.
func (r *rotation) retained(now time.Time, list []*version) []*version {
	const limit = 3
	var retained []*version
	for _, v := range r.list {
		useful := v.accepted && !v.expired(now)
		if useful && !slices.Contains(list, v) && len(retained) < limit {
			retained = append(retained, v)
		}
	}
	return retained
}

// activate records that Entra has accepted v, and makes v the active version.
func (r *rotation) activate(v *version) {
	r.active = v
	v.accepted, v.refusal, v.inconclusive = true, nil, 0
	v.alarm.clear()
}

// probeAll makes the probe of every version due immediately.
func (r *rotation) probeAll() {
	for _, v := range r.list {
		v.probe = deadline{}
	}
}
