package config

import (
	"net"
	"net/netip"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// rule is what a text must be.
type rule struct {
	ok   func(string) bool
	want string
}

// rules are the names that an is tag may have.
var rules = map[string]rule{
	"":              {legible, "a text, not empty and without control characters"},
	"source":        {matches(`[a-z0-9][a-z0-9-]{0,62}`), "1 to 63 lower-case letters, digits and hyphens, the first not a hyphen"},
	"entity type":   {within(entityTypes), choice(entityTypes)},
	"member":        {matches(`[A-Za-z_][A-Za-z0-9_]*`), "the name of a member, such as State"},
	"listen":        {listenAddress, "host:port, or unix: and a path of at most 107 bytes"},
	"tcp":           {tcpAddress, "host:port, such as 127.0.0.1:8081"},
	"base path":     {basePath, "a path such as /live, of letters, digits, '-', '.', '_' and '~'"},
	"ws url":        {baseURL("wss", "ws"), "a wss:// address without user, query and fragment"},
	"http url":      {baseURL("https", "http"), "an https:// address without user, query and fragment"},
	"jwks url":      {anyURL("https", "http"), "an https:// address without user and fragment"},
	"nats urls":     {natsURLs, "tls:// addresses without user, parted by commas"},
	"origin":        {origin, "scheme://host[:port] as browsers send it, in lower case without path, slash and default port, or https://*.host"},
	"query":         {queryName, "a name of letters, digits, '-', '.' and '_' that is no parameter of /events"},
	"token":         {matches(tokenPattern + `+`), "visible ASCII without blanks, quotes, commas, semicolons and backslashes"},
	"webhook token": {matches(tokenPattern + `{32,}`), "at least 32 characters of visible ASCII without blanks, quotes, commas, semicolons and backslashes"},
	"key":           {func(s string) bool { return len(s) >= 32 }, "at least 32 bytes"},
	"public key":    {publicKey, "a public key in PEM, and not a private one"},
	"private key":   {privateKey, "a private key in PEM"},
	"certificates":  {certificates, "certificates in PEM"},
}

// tokenPattern is one cookie-octet of RFC 6265, which a header takes too.
const tokenPattern = `[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]`

// entityTypes are the event types whose entity the API can give.
var entityTypes = []string{
	"Reservation", "Resource", "DeviceCommand", "ServiceOrderUpdated", "ResourceUpdated", "MessageAdded",
	"ResourceBlockUpdated", "CustomerAdded", "CustomerUpdated", "PaymentUpdated",
}

// conform returns the rule of an is tag: a choice "a|b", or the name of one of
// rules, with "?" where the empty text is good too.
func conform(is string) rule {
	if strings.Contains(is, "|") {
		all := strings.Split(is, "|")
		return rule{within(all), choice(all)}
	}
	name, optional := strings.CutSuffix(is, "?")
	r, ok := rules[name]
	if !ok {
		panic("config: no rule " + name)
	}
	if optional {
		return rule{func(s string) bool { return s == "" || r.ok(s) }, r.want + ", or \"\" for none"}
	}
	return r
}

// choice says that all are right.
func choice(all []string) string {
	last := len(all) - 1
	if last == 0 {
		return all[0]
	}
	return strings.Join(all[:last], ", ") + " or " + all[last]
}

func within(all []string) func(string) bool {
	return func(s string) bool { return slices.Contains(all, s) }
}

func matches(pattern string) func(string) bool {
	return regexp.MustCompile(`^(?:` + pattern + `)$`).MatchString
}

func legible(s string) bool {
	return s != "" && utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}

// hostName matches a name or an IPv4 address in lower case.
var hostName = regexp.MustCompile(`^[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*$`)

func listenAddress(s string) bool {
	// A path beyond sun_path of unix(7) cannot be bound.
	if path, ok := strings.CutPrefix(s, "unix:"); ok {
		return legible(path) && len(path) <= 107
	}
	return tcpAddress(s)
}

func tcpAddress(s string) bool {
	host, port, err := net.SplitHostPort(s)
	if err != nil || !portNumber(port) {
		return false
	}
	_, err = netip.ParseAddr(host)
	return host == "" || err == nil || hostName.MatchString(strings.ToLower(host))
}

func portNumber(s string) bool {
	_, err := strconv.ParseUint(s, 10, 16)
	return err == nil
}

var pathSegments = regexp.MustCompile(`^(/[A-Za-z0-9._~-]+)*/?$`)

func basePath(s string) bool {
	return s == "/" || pathSegments.MatchString(s) && path.Clean(s) == strings.TrimSuffix(s, "/") && s != ""
}

// eventsParameters are the names that a query of /events has of its own.
var eventsParameters = []string{
	"source", "type", "id", "state", "resource", "rate", "category", "from", "to", "thread", "conversation", "channel",
	"snapshot", "since", "as", "last_event_id", "lastEventId",
}

var parameterName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9._-]{0,63}$`)

func queryName(s string) bool {
	return parameterName.MatchString(s) && !slices.Contains(eventsParameters, s)
}

// anyURL returns whether a text is an absolute address of one of schemes,
// without the parts that may hold a password or are not sent.
func anyURL(schemes ...string) func(string) bool {
	return func(s string) bool {
		u, err := url.Parse(s)
		return err == nil && slices.Contains(schemes, u.Scheme) && u.User == nil && !strings.Contains(s, "#") &&
			u.Hostname() != "" && (u.Port() == "" && !strings.HasSuffix(u.Host, ":") || portNumber(u.Port()))
	}
}

// baseURL is anyURL for addresses that routes are appended to.
func baseURL(schemes ...string) func(string) bool {
	valid := anyURL(schemes...)
	return func(s string) bool { return valid(s) && !strings.Contains(s, "?") }
}

func natsURLs(s string) bool {
	valid := baseURL("tls", "nats")
	return !slices.ContainsFunc(splitURLs(s), func(s string) bool { return !valid(s) })
}

// splitURLs returns the addresses of a list that commas part.
func splitURLs(s string) []string {
	all := strings.Split(s, ",")
	for i := range all {
		all[i] = strings.TrimSpace(all[i])
	}
	return all
}

// origin reports whether s is an origin as a browser sends it, in its own
// serialisation (RFC 6454, section 6.2), or an https one whose first label is *.
func origin(s string) bool {
	u, err := url.Parse(s)
	if err != nil || u.Scheme+"://"+u.Host != s || s != strings.ToLower(s) {
		return false
	}
	defaultPort := map[string]string{"http": "80", "https": "443"}[u.Scheme]
	if defaultPort == "" || u.Port() == defaultPort || strings.HasSuffix(u.Host, ":") || u.Port() != "" && !portNumber(u.Port()) {
		return false
	}
	if domain, wild := strings.CutPrefix(u.Host, "*."); wild {
		return u.Scheme == "https" && hostName.MatchString(domain) && strings.Contains(domain, ".")
	}
	addr, err := netip.ParseAddr(u.Hostname())
	return err == nil && addr.Zone() == "" || hostName.MatchString(u.Hostname())
}
