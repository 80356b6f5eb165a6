package web_test

import (
	"net/http/httptest"
	"net/netip"
	"testing"

	"bellhop/web"
)

func TestVisitorAddress(t *testing.T) {
	believed := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8:1::/48"), netip.MustParsePrefix("127.0.0.0/8")}
	for _, tt := range []struct {
		peer      string
		forwarded []string // lines of X-Forwarded-For
		want      string
	}{
		{"203.0.113.9:1234", nil, "203.0.113.9"},
		{"203.0.113.9:1234", []string{"198.51.100.1"}, "203.0.113.9"}, // not a proxy
		{"10.0.0.1:1234", nil, "10.0.0.1"},
		{"10.0.0.1:1234", []string{"198.51.100.1"}, "198.51.100.1"},
		{"10.0.0.1:1234", []string{"6.6.6.6, 198.51.100.1"}, "198.51.100.1"}, // what stands further left is the client's word
		{"10.0.0.1:1234", []string{"6.6.6.6", "198.51.100.1"}, "198.51.100.1"},
		{"10.0.0.1:1234", []string{"6.6.6.6, 198.51.100.1, 10.0.0.2"}, "198.51.100.1"},
		{"10.0.0.1:1234", []string{"198.51.100.1 ,10.0.0.2", "10.0.0.3"}, "198.51.100.1"},
		{"10.0.0.1:1234", []string{"10.0.0.3, 10.0.0.2"}, "10.0.0.3"}, // all of them proxies
		{"10.0.0.1:1234", []string{"198.51.100.1:5555"}, "198.51.100.1"},
		{"10.0.0.1:1234", []string{"2001:db8:9::7"}, "2001:db8:9::7"},
		{"10.0.0.1:1234", []string{"[2001:db8:9::7]"}, "2001:db8:9::7"},
		{"10.0.0.1:1234", []string{"[2001:db8:9::7]:443"}, "2001:db8:9::7"},
		{"10.0.0.1:1234", []string{"::ffff:198.51.100.1"}, "198.51.100.1"},
		{"10.0.0.1:1234", []string{"198.51.100.1, ::ffff:10.0.0.2"}, "198.51.100.1"},
		{"[2001:db8:1::1]:1234", []string{"198.51.100.1, 2001:db8:1::2"}, "198.51.100.1"},
		{"[::ffff:10.0.0.1]:1234", []string{"198.51.100.1"}, "198.51.100.1"},
		{"10.0.0.1:1234", []string{""}, "10.0.0.1"},
		{"10.0.0.1:1234", []string{"unknown"}, "10.0.0.1"},
		{"10.0.0.1:1234", []string{"198.51.100.1, unknown, 10.0.0.2"}, "10.0.0.2"},
		{"10.0.0.1:1234", []string{"198.51.100.1,"}, "10.0.0.1"},
		{"10.0.0.1:1234", []string{"<script>, _hidden"}, "10.0.0.1"},
		{"[fe80::1%eth0]:1234", nil, "fe80::1"},
		{"@", nil, "127.0.0.1"}, // a Unix socket
		{"", []string{"198.51.100.1"}, "198.51.100.1"},
		{"pipe", []string{"198.51.100.1"}, "198.51.100.1"},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = tt.peer
		r.Header["X-Forwarded-For"] = tt.forwarded
		if got, _, _, _ := web.Visitor(r, believed); got.String() != tt.want {
			t.Errorf("peer %s, X-Forwarded-For %q: got %s, want %s", tt.peer, tt.forwarded, got, tt.want)
		}
	}
}

func TestVisitorOrigin(t *testing.T) {
	believed := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	for _, tt := range []struct {
		peer, host  string
		proto, name []string // lines of X-Forwarded-Proto and -Host
		want        string
	}{
		{"10.0.0.1:1", "hotel.test", nil, nil, "http://hotel.test"},
		{"10.0.0.1:1", "HOTEL.test:80", nil, nil, "http://hotel.test"},
		{"10.0.0.1:1", "hotel.test", []string{"https"}, nil, "https://hotel.test"},
		{"10.0.0.1:1", "hotel.test:443", []string{"HTTPS"}, nil, "https://hotel.test"},
		{"10.0.0.1:1", "hotel.test:80", []string{"https"}, nil, "https://hotel.test:80"},
		{"10.0.0.1:1", "inner:8080", []string{"https"}, []string{"hotel.test"}, "https://hotel.test"},
		{"10.0.0.1:1", "inner:8080", []string{"http, https"}, []string{"evil.test, hotel.test"}, "https://hotel.test"},
		{"10.0.0.1:1", "inner:8080", []string{"https", "http"}, []string{"evil.test", "hotel.test:8443"}, "http://hotel.test:8443"},
		{"10.0.0.1:1", "inner:8080", []string{"https,"}, []string{""}, "http://inner:8080"},
		{"10.0.0.1:1", "[2001:DB8::1]:443", []string{"https"}, nil, "https://[2001:db8::1]"},
		{"10.0.0.1:1", "inner", []string{"https"}, []string{"hotel.test/path"}, ""},
		{"10.0.0.1:1", "inner", []string{"https"}, []string{"user@hotel.test"}, ""},
		{"203.0.113.9:1", "hotel.test", []string{"https"}, []string{"evil.test"}, "http://hotel.test"}, // not a proxy
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr, r.Host = tt.peer, tt.host
		r.Header["X-Forwarded-Proto"], r.Header["X-Forwarded-Host"] = tt.proto, tt.name
		if _, _, _, got := web.Visitor(r, believed); got != tt.want {
			t.Errorf("%+v: got %s", tt, got)
		}
	}
	r := httptest.NewRequest("GET", "https://hotel.test/", nil)
	if _, https, _, got := web.Visitor(r, nil); !https || got != "https://hotel.test" {
		t.Errorf("over TLS: got %s", got)
	}
}

func TestLimitKey(t *testing.T) {
	for address, want := range map[string]string{
		"203.0.113.9":          "203.0.113.9/32",
		"2001:db8:1:2:3:4:5:6": "2001:db8:1:2::/64",
		"2001:db8:1:2::":       "2001:db8:1:2::/64",
		"2001:db8:1:3::":       "2001:db8:1:3::/64",
		"fe80::1%eth0":         "fe80::/64",
	} {
		if got := web.LimitKey(netip.MustParseAddr(address)).String(); got != want {
			t.Errorf("%s: got %s, want %s", address, got, want)
		}
	}
}

func TestLoopbackHosts(t *testing.T) {
	for host, want := range map[string]bool{
		"localhost": true, "LOCALHOST:8080": true, "127.0.0.1": true, "127.1.2.3:1": true, "[::1]": true, "[::1]:8080": true, "::1": true,
		"": false, ":8080": false, "localhost.evil.test": false, "evil.test:80": false, "127.0.0.1.evil.test": false, "128.0.0.1": false,
		"[::2]:80": false, "[::ffff:127.0.0.1]": false, "[::1%lo]": false, "0.0.0.0": false, "127.1": false, "localhost.": false, "user@localhost": false,
	} {
		if got := web.IsLoopbackHost(host); got != want {
			t.Errorf("%q: got %v, want %v", host, got, want)
		}
	}
}
