package proxy_test

import (
	"encoding/json"
	"strings"
	"testing"

	"hmaproxy/proxy"
)

// reasonWords is the set of words that dashboards, alerts and clients use, by
// class. A word never changes or moves to another class.
var reasonWords = map[proxy.ReasonClass]string{
	proxy.ClassRefused: "protocol target method host browser headers path body credentials " +
		"mailbox-not-allowed no-mailbox operation-not-allowed envelope-refused reference-not-allowed anchor-not-allowed login-name-invalid",
	proxy.ClassChallenged: "ntlm login-required",
	proxy.ClassFailed: "proxy-busy no-token credentials-unchecked upstream-unreachable upstream-broken upstream-cut upstream-redirect upstream-protocol " +
		"upstream-401 upstream-407 upstream-429 upstream-502 upstream-504 upstream-not-ews upstream-timeout proxy-stopping",
	proxy.ClassClientLeft: "client-left",
}

func TestReasonWordsAndClasses(t *testing.T) {
	classes := map[string]proxy.ReasonClass{"": proxy.ClassServed}
	for class, words := range reasonWords {
		for _, word := range strings.Fields(words) {
			classes[word] = class
		}
	}
	all := append(proxy.Reasons(), proxy.ReasonNone)
	if len(all) != len(classes) {
		t.Errorf("%d reasons, want %d", len(all), len(classes))
	}
	for _, reason := range all {
		class, known := classes[reason.String()]
		if !known || class != reason.Class() {
			t.Errorf("%q has class %q, want %q", reason, reason.Class(), class)
		}
		if (reason.Text() == "") != (reason == proxy.ReasonNone) {
			t.Errorf("%q has the text %q", reason, reason.Text())
		}
		word, _ := json.Marshal(reason)
		var back proxy.Reason
		if err := json.Unmarshal(word, &back); err != nil || back != reason || string(word) != `"`+reason.String()+`"` {
			t.Errorf("%q is %s in JSON, and read back %q (%v)", reason, word, back, err)
		}
	}
	var reason proxy.Reason
	if err := reason.UnmarshalText([]byte("no-such-reason")); err == nil {
		t.Error("an unknown word was accepted")
	}
}
