package config

import (
	"slices"
	"strings"
	"testing"
)

// The cases of TestParseEnvFile follow Docker's documentation of --env-file and
// the tests of Docker's command line client. If this parser is stricter than
// Docker, the name of the case says so.
func TestParseEnvFile(t *testing.T) {
	const expected = "expected NAME=value with a name of letters, digits and underscores, or a comment that begins with #"
	cases := []struct {
		name, data string
		want       []string
		err        string
	}{
		{"empty file", "", nil, ""},
		{"plain", "HMA_A=1\nHMA_B=2\n", []string{"HMA_A=1", "HMA_B=2"}, ""},
		{"no line break at the end", "HMA_A=1", []string{"HMA_A=1"}, ""},
		{"windows line breaks", "HMA_A=1\r\nHMA_B=2\r\n", []string{"HMA_A=1", "HMA_B=2"}, ""},
		{"comments and empty lines", "# one\n\n   # two\n\t\nHMA_A=1\n", []string{"HMA_A=1"}, ""},
		{"no comment behind a value", "HMA_A=1 # one\n", []string{"HMA_A=1 # one"}, ""},
		{"no comment inside a value", "HMA_A=a#b\n", []string{"HMA_A=a#b"}, ""},
		{"quotes are kept", "HMA_A=\"one\"\nHMA_B='two'\n", []string{`HMA_A="one"`, `HMA_B='two'`}, ""},
		{"white space before the name", "\t  HMA_A=1\n", []string{"HMA_A=1"}, ""},
		{"white space of the value is kept", "HMA_A=  1  \n", []string{"HMA_A=  1  "}, ""},
		{"equals signs in the value", "HMA_A=b=c==\n", []string{"HMA_A=b=c=="}, ""},
		{"empty value", "HMA_A=\n", []string{"HMA_A="}, ""},
		{"no expansion", "HMA_A=$HOME ${X} \\n\n", []string{"HMA_A=$HOME ${X} \\n"}, ""},
		{"name alone comes from the environment", "HMA_A\nHMA_B=2\n", []string{"HMA_B=2"}, ""},
		{"export", "export HMA_A=1\nexport\tHMA_B=2\n", []string{"HMA_A=1", "HMA_B=2"}, ""},
		{"stricter: a name alone that the environment lacks", "HMA_B\n", nil, "environment file line 1 is a name without a value, and the environment has none for it; " + expected},
		{"stricter: names that no shell has", "a.b-c=1\n", nil, "environment file line 1 has a name with other characters than letters, digits and underscores; " + expected},
		{"byte order mark", "\xef\xbb\xbfHMA_A=1\n", []string{"HMA_A=1"}, ""},
		{"byte order mark before a comment", "\xef\xbb\xbf# one\nHMA_A=1\n", []string{"HMA_A=1"}, ""},
		{"no name", "HMA_A=1\n=hunter2\n", nil, "environment file line 2 has no name before the =; " + expected},
		{"space in the name", "HMA_A hunter2=1\n", nil, "environment file line 1 has white space in the name; " + expected},
		{"space behind the name", "HMA_A =hunter2\n", nil, "environment file line 1 has white space in the name; " + expected},
		{"white space in a name alone", "HMA_A hunter2\n", nil, "environment file line 1 has no =; " + expected},
		{"every faulty line", "=hunter2\nHMA_A=1\na b=hunter2\n", nil, "environment file line 1 has no name before the =; " + expected + "\nenvironment file line 3 has white space in the name; " + expected},
		{"invalid UTF-8", "HMA_A=hunter2\xff\n", nil, "environment file is not UTF-8; save it as UTF-8"},
		{"UTF-16, little-endian", "\xff\xfeH\x00M\x00", nil, "environment file is encoded in UTF-16; save it as UTF-8"},
		{"UTF-16, big-endian", "\xfe\xff\x00H\x00M", nil, "environment file is encoded in UTF-16; save it as UTF-8"},
		{"stricter: a name twice", "HMA_A=1\n\nHMA_A=hunter2\n", nil, "environment file line 3 sets a variable that line 1 has set already"},
		{"stricter: a zero byte", "HMA_A=1\x00\n", nil, "environment file holds zero bytes, as UTF-16 without a byte order mark does; save it as UTF-8"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			got, err := ParseEnvFile([]byte(tc.data), []string{"HMA_A=of the environment"})
			text := ""
			if err != nil {
				text = err.Error()
			}
			if !slices.Equal(got, tc.want) || text != tc.err {
				t.Errorf("ParseEnvFile = %q, %q; want %q, %q", got, text, tc.want, tc.err)
			}
		})
	}
}

// FuzzParseEnvFile checks that every entry is a part of the file that sets a
// variable, and that the entries are in the order of the file. If there is an
// error, there must be no entries.
func FuzzParseEnvFile(f *testing.F) {
	f.Add([]byte("HMA_A=1\r\n# c\nHMA_B\n HMA_C==\n"))
	f.Add([]byte("=x\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		entries, err := ParseEnvFile(data, nil)
		if err != nil {
			if entries != nil {
				t.Errorf("entries %q next to the error %v", entries, err)
			}
			return
		}
		rest := string(data)
		for _, entry := range entries {
			_, after, found := strings.Cut(rest, entry)
			if !found || !strings.Contains(entry, "=") || strings.ContainsAny(entry, "\n") || entry[0] == '#' || entry[0] == '=' {
				t.Fatalf("entry %q does not follow from %q", entry, data)
			}
			rest = after
		}
	})
}
