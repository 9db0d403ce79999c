package soap

import "testing"

// TestDeclaration tests the productions 23 to 26, 32, 80 and 81 of XML 1.0, for
// the version 1.0 and the encoding UTF-8.
func TestDeclaration(t *testing.T) {
	for text, good := range map[string]bool{
		`xml version="1.0"`:                                     true,
		`xml version='1.0'`:                                     true,
		"xml\tversion\n=\r\"1.0\" ":                             true,
		`xml  version = "1.0"  encoding = "utf-8"`:              true,
		`xml version ="1.0" encoding ="UTF-8"`:                  true,
		`xml version= "1.0" encoding= 'Utf-8' standalone= 'no'`: true,
		`xml version="1.0" standalone="yes"`:                    true,
		`xml version="1.0" encoding="utf-8" standalone="yes" `:  true,
		`xml version="1.0"x`:                                    false,
		` version="1.0"`:                                        false,
		`html version="1.0"`:                                    false,
		`xml version=""`:                                        false,
		`xml version=''`:                                        false,
		`xml version='`:                                         false,
		`xml version=""1.0"`:                                    false,
		`xml version="1.0" standalone=""`:                       false,
		`xml version="1.0" encoding="utf-8`:                     false,
		`xml version="1.0" encoding`:                            false,
		`xml version="1.0" encoding=`:                           false,
		`xml version="1.0" encoding='`:                          false,
		`xml`:                                                   false,
		`xmlversion="1.0"`:                                      false,
		`XML version="1.0"`:                                     false,
		`xml encoding="utf-8"`:                                  false,
		`xml version="1.1"`:                                     false,
		`xml version="1.0'`:                                     false,
		`xml version="1.0`:                                      false,
		`xml version=1.0`:                                       false,
		`xml version=x1.0x`:                                     false,
		`xml version="`:                                         false,
		`xml version=`:                                          false,
		`xml version`:                                           false,
		`xml version:"1.0"`:                                     false,
		`xml version="1.0"encoding="utf-8"`:                     false,
		`xml version="1.0" encoding="utf-16"`:                   false,
		`xml version="1.0" encoding=""`:                         false,
		`xml version="1.0" standalone="maybe"`:                  false,
		`xml version="1.0" standalone="yes" encoding="utf-8"`:   false,
		`xml version="1.0" encoding="utf-8" encoding="utf-8"`:   false,
		`xml version="1.0" x`:                                   false,
	} {
		if goodDeclaration([]byte(text)) != good {
			t.Errorf("<?%s?> is accepted: %v", text, !good)
		}
	}
}
