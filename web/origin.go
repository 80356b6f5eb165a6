package web

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// A visitor is who sent a request, as far as a believed proxy tells it.
type visitor struct {
	address netip.Addr // the client's
	https   bool       // how the browser saw this server
	host    string     // the same, with a port where it is not the scheme's own
}

// proxies are the networks whose X-Forwarded-For, -Proto and -Host are believed.
type proxies []netip.Prefix

func (p proxies) trusts(a netip.Addr) bool {
	return slices.ContainsFunc(p, func(n netip.Prefix) bool { return n.Contains(a) })
}

// visitor tells who sent r. X-Forwarded-For is read from right to left, past
// proxies only: what stands further left was written by whoever asked.
func (p proxies) visitor(r *http.Request) visitor {
	v := visitor{address: peer(r), https: r.TLS != nil, host: r.Host}
	if !p.trusts(v.address) {
		return v
	}
	if proto := last(r.Header, "X-Forwarded-Proto"); proto != "" {
		v.https = strings.EqualFold(proto, "https")
	}
	if host := last(r.Header, "X-Forwarded-Host"); host != "" {
		v.host = host
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, hop := range slices.Backward(hops) {
		a, ok := parseHop(strings.TrimSpace(hop))
		if !ok {
			break
		}
		v.address = a
		if !p.trusts(a) {
			break
		}
	}
	return v
}

// parseHop reads an element of X-Forwarded-For; some proxies add a port.
func parseHop(s string) (netip.Addr, bool) {
	if ap, err := netip.ParseAddrPort(s); err == nil {
		return ap.Addr().Unmap(), true
	}
	a, err := netip.ParseAddr(strings.Trim(s, "[]"))
	return a.Unmap(), err == nil
}

// peer returns the address that the connection came from. The peer of a Unix
// socket is on this machine, so it counts as loopback.
func peer(r *http.Request) netip.Addr {
	if ap, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		return ap.Addr().Unmap().WithZone("")
	}
	return netip.AddrFrom4([4]byte{127, 0, 0, 1})
}

// last returns the last element of a header that may be a list: the one that
// the nearest proxy wrote.
func last(h http.Header, name string) string {
	values := h.Values(name)
	if len(values) == 0 {
		return ""
	}
	list := values[len(values)-1]
	return strings.TrimSpace(list[strings.LastIndexByte(list, ',')+1:])
}

// limitKey is what a limit for each address counts by: an IPv6 /64 is one.
func limitKey(a netip.Addr) netip.Prefix {
	bits := a.BitLen()
	if a.Is6() {
		bits = 64
	}
	p, _ := a.Prefix(bits) // the bits are in range
	return p
}

// origin returns the origin of this server as the browser saw it.
func (v visitor) origin() string {
	if v.https {
		return normalOrigin("https://" + v.host)
	}
	return normalOrigin("http://" + v.host)
}

// normalOrigin returns an origin in lower case and without the scheme's own
// port; empty for what is none, such as "null".
func normalOrigin(s string) string {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || !strings.EqualFold(s, u.Scheme+"://"+u.Host) { // nothing but these
		return ""
	}
	scheme, host := strings.ToLower(u.Scheme), strings.ToLower(u.Host)
	switch scheme {
	case "https":
		host = strings.TrimSuffix(host, ":443")
	case "http":
		host = strings.TrimSuffix(host, ":80")
	default:
		return ""
	}
	return scheme + "://" + host
}

// isLoopbackHost reports whether a Host is this machine's own: localhost,
// 127.0.0.0/8 or [::1], with any port.
func isLoopbackHost(host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	name = strings.TrimSuffix(strings.TrimPrefix(name, "["), "]")
	if strings.EqualFold(name, "localhost") {
		return true
	}
	a, err := netip.ParseAddr(name)
	return err == nil && (a == netip.IPv6Loopback() || a.Is4() && a.IsLoopback())
}

// origins are the foreign origins whose pages may use this server: exact ones,
// and patterns like https://*.hotel.example for one label or more.
type origins struct {
	exact    map[string]bool
	patterns []originPattern
}

// An originPattern is what stands before the star and behind it.
type originPattern struct{ scheme, domain string }

func newOrigins(list []string) origins {
	o := origins{exact: make(map[string]bool)}
	for _, s := range list {
		s = normalOrigin(s)
		if scheme, domain, ok := strings.Cut(s, "*"); ok {
			o.patterns = append(o.patterns, originPattern{scheme, domain})
			continue
		}
		o.exact[s] = true
	}
	return o
}

// lists reports whether origin, as a browser sent it, is one of the configured.
func (o origins) lists(origin string) bool {
	origin = normalOrigin(origin)
	if origin == "" {
		return false
	}
	return o.exact[origin] || slices.ContainsFunc(o.patterns, func(p originPattern) bool {
		rest, okScheme := strings.CutPrefix(origin, p.scheme)
		labels, okDomain := strings.CutSuffix(rest, p.domain)
		return okScheme && okDomain && isLabels(labels)
	})
}

// isLabels reports whether s is one DNS label or more.
func isLabels(s string) bool {
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || strings.ContainsFunc(label, func(r rune) bool {
			return r != '-' && r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z')
		}) {
			return false
		}
	}
	return true
}
