package config_test

import (
	"fmt"
	"os"

	"hmaproxy/internal/config"
)

func ExampleLoad() {
	fromFile, err := config.ParseEnvFile([]byte("# hmaproxy.env\nHMA_TENANT_ID=contoso.com\nHMA_APP_ID=hma-app\n"), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	environ := []string{ // a program passes os.Environ()
		"HMA_EWS_URL=https://mail.contoso.com",
		"HMA_CERT_FILE=/etc/hmaproxy/hma.pem",
	}
	_, err = config.Load(append(fromFile, environ...), func(string) ([]byte, error) { return nil, os.ErrNotExist })
	fmt.Println(err)
	// Output:
	// HMA_APP_ID: is not a GUID; expected an application (client) id, 8-4-4-4-12 hexadecimal digits
	// HMA_CERT_FILE: names a file that does not exist
}
