package config

import "strings"

// checkDebugging refuses switches of Go and of the Azure SDK that weaken this
// program or print secrets. Other values of GODEBUG and of the SDK's variables
// are permitted, because the variables belong to Go and the SDK.
func checkDebugging(all map[string]string, problems *problemList) {
	for entry := range strings.SplitSeq(all["GODEBUG"], ",") {
		key, _, _ := strings.Cut(strings.Trim(entry, space), "=")
		switch {
		case strings.HasPrefix(key, "http2debug"):
			problems.fault("GODEBUG", "holds http2debug, which prints headers and with them access tokens; remove it")
		case key == "httplaxcontentlength":
			problems.fault("GODEBUG", "holds httplaxcontentlength, which lets requests be read in two ways; remove it")
		}
	}
	if all["AZURE_SDK_GO_LOGGING"] != "" {
		problems.fault("AZURE_SDK_GO_LOGGING", "makes the Azure SDK print its requests past this program's log; remove it, and use HMA_LOG_LEVEL=debug")
	}
}
