package config

import (
	"crypto/tls"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// listeners holds the addresses against each other.
func (v *validator) listeners(c *Config) {
	if c.TLS != nil && v.ok("tls.cert", "tls.key") {
		if _, err := tls.X509KeyPair([]byte(c.TLS.Cert.Contents), []byte(c.TLS.Key.Contents)); err != nil {
			v.add("tls", "want a cert and the key that belongs to it")
		}
	}
	if v.ok("admin", "admin_token") && c.Admin != "" && c.AdminToken == "" {
		if host, _, _ := net.SplitHostPort(c.Admin); !loopback(host) {
			v.add("admin", "want a loopback address, or an admin_token")
		}
	}
	taken := map[string]string{}
	for _, l := range []struct{ key, address string }{
		{"listen", c.Listen}, {"admin", c.Admin}, {"metrics_listen", c.MetricsListen},
	} {
		if other, clash := taken[l.address]; clash && v.ok(l.key) {
			v.add(l.key, "want another address than that of %s", other)
		}
		if l.address != "" && !strings.HasSuffix(l.address, ":0") {
			taken[l.address] = l.key
		}
	}
}

// log holds the two kinds of log against each other.
func (v *validator) log(c *Config) {
	if !v.ok("data", "cluster") {
		return
	}
	switch {
	case c.Cluster == nil && c.Data == "":
		v.add("data", "want a folder, or cluster")
	case c.Cluster != nil && c.Data != "":
		v.add("data", "want either this or cluster")
	}
	if c.Cluster != nil && v.ok("cluster.url", "cluster.insecure") && !c.Cluster.Insecure {
		if slices.ContainsFunc(splitURLs(c.Cluster.URL), inClear) {
			v.add("cluster.url", "want tls:// for each host that is not loopback, or insecure: true beside it")
		}
	}
}

// cleartext refuses an address that would send a token in clear text.
func (v *validator) cleartext(address, at, key, scheme string, insecure bool) {
	if !insecure && v.ok(at+"."+key, at+".insecure") && inClear(address) {
		v.add(at+"."+key, "want %s:// for a host that is not loopback, or insecure: true beside it", scheme)
	}
}

// inClear reports whether address is one without TLS that leaves the machine.
func inClear(address string) bool {
	u, err := url.Parse(address)
	if err != nil || loopback(u.Hostname()) {
		return false
	}
	return u.Scheme == "ws" || u.Scheme == "http" || u.Scheme == "nats"
}

// loopback reports whether host is this machine without asking a resolver.
func loopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && addr.Unmap().IsLoopback()
}
