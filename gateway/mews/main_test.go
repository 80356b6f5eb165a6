package mews_test

import (
	"flag"
	"os"
	"testing"

	"go.uber.org/goleak"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// proxyAddress is where the environment of these tests has its HTTPS proxy. The
// standard library reads the environment once, so it is set before all tests; ws
// addresses and loopback hosts do not use it.
const proxyAddress = "proxy.test:3128"

func TestMain(m *testing.M) {
	for _, name := range []string{"HTTP_PROXY", "http_proxy", "https_proxy", "NO_PROXY", "no_proxy", "REQUEST_METHOD"} {
		os.Unsetenv(name)
	}
	os.Setenv("HTTPS_PROXY", "http://porter:knock@"+proxyAddress)
	goleak.VerifyTestMain(m)
}
