package token

import (
	"encoding/base64"
	"reflect"
	"testing"
	"time"
)

func TestReadClaims(t *testing.T) {
	tests := []struct {
		name, payload string
		want          Claims
		full          bool
	}{
		{"v1 app-only", `{"aud":"https://mail.contoso.com","tid":"T","appid":"A","appidacr":"2","roles":["x","full_access_as_app"],"exp":1767225600}`,
			Claims{"https://mail.contoso.com", "T", "A", "2", []string{"x", "full_access_as_app"}, time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Local()}, true},
		{"v2 names", `{"azp":"A","azpacr":"2"}`, Claims{AppID: "A", AuthKind: "2"}, false},
		{"no roles", `{"aud":"r"}`, Claims{Audience: "r"}, false},
		{"role in another case", `{"roles":["Full_Access_As_App"]}`, Claims{Roles: []string{"Full_Access_As_App"}}, false},
		{"unexpected types", `{"aud":["r"],"tid":"T","roles":"full_access_as_app","exp":"soon"}`, Claims{TenantID: "T"}, false},
		{"mixed roles", `{"roles":["a",1]}`, Claims{}, false},
		{"absurd exp", `{"exp":1e300}`, Claims{}, false},
		{"no object", `[]`, Claims{}, false},
		{"no JSON", `{`, Claims{}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := readClaims("e30." + base64.RawURLEncoding.EncodeToString([]byte(tt.payload)) + ".sig")
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
			if got.FullAccess() != tt.full {
				t.Errorf("FullAccess() = %v", got.FullAccess())
			}
		})
	}
	for _, opaque := range []string{"", "opaque", "a.b", "a.!.c", "a.b.c.d"} {
		if got := readClaims(opaque); !reflect.DeepEqual(got, Claims{}) {
			t.Errorf("%q: %+v", opaque, got)
		}
	}
}
