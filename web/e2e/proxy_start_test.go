package e2e_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// nobody runs the proxies where the tests run as root.
const nobody = 65534

// An edit replaces a text, which must be there, by another.
type edit struct{ old, new string }

// A proxyKind is a reverse proxy, and how its file in deploy is made to run
// here: by substitution only, so that what is tested is what users copy.
type proxyKind struct {
	program string
	file    string // in deploy
	// surround is what a system has around the file, with its path for %s.
	surround  string
	arguments []string
	// here puts in the addresses and files of this machine.
	here func(p *proxy) []edit
	// unix is how it names a Unix socket.
	unix string
	// idle is the limit of silence that the file sets; none without one.
	idle string
	// hurry shortens what a test of restarts would wait for.
	hurry []edit
	// hide keeps from Bellhop that there is TLS.
	hide edit
	// desert takes away the answer that stands in for Bellhop.
	desert edit
	// plain is what the proxy's manual begins with: where it listens, and what
	// is behind it.
	plain string
}

var proxyKinds = []proxyKind{{
	program: "nginx", file: "nginx.conf",
	surround: `pid nginx.pid; error_log stderr; events {} http { access_log off; include %s;
		client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi; }`,
	arguments: []string{"-e", "stderr", "-p", ".", "-c", "main.conf", "-g", "daemon off;"},
	here: func(p *proxy) []edit {
		edits := []edit{
			{"listen 443 ssl;", "listen " + p.address + " ssl;"},
			{"/etc/ssl/hotel.example.pem", p.path("chain.pem")},
			{"/etc/ssl/hotel.example.key", p.path("key.pem")},
			{"hotel.example", p.site()},
		}
		if p.olderNginx() {
			edits = append(edits, edit{"http2 on;", ""}, edit{p.address + " ssl;", p.address + " ssl http2;"})
		}
		return edits
	},
	unix:   "unix:%s",
	idle:   "proxy_read_timeout 60s;",
	hide:   edit{"proxy_set_header X-Forwarded-Proto $scheme;", ""},
	desert: edit{"error_page 502 503 504 = @away;", ""},
	plain:  "server { listen %s; location / { proxy_pass http://%s; } }",
}, {
	program: "haproxy", file: "haproxy.cfg",
	surround:  "%.0s", // the file is all
	arguments: []string{"-db", "-f", "file.conf"},
	here: func(p *proxy) []edit {
		return []edit{{"bind :443", "bind " + p.address}, {"/etc/ssl/hotel.example.pem", p.path("both.pem")}}
	},
	unix:   "unix@%s",
	idle:   "60s",
	hurry:  []edit{{"timeout connect 5s", "timeout connect 200ms"}}, // and with it the pause between two attempts
	hide:   edit{"http-request set-header X-Forwarded-Proto https\n", "\n"},
	desert: edit{"http-after-response set-status 200 if away stream\n", "\n"},
	plain: "defaults\n mode http\n timeout connect 5s\n timeout client 50s\n timeout server 50s\n" +
		"listen plain\n bind %s\n server bellhop %s\n",
}, {
	program: "caddy", file: "Caddyfile",
	surround:  "{\n admin off\n auto_https off\n}\nimport %s\n",
	arguments: []string{"run", "--adapter", "caddyfile", "--config", "main.conf"},
	here: func(p *proxy) []edit {
		return []edit{{"\nhotel.example {", fmt.Sprintf("\n%s, https://app.%s:%s {\n bind 127.0.0.1\n tls %s %s",
			p.origin(), p.site(), p.port(), p.path("chain.pem"), p.path("key.pem"))}}
	},
	unix:   "unix/%s",
	hide:   edit{"reverse_proxy 127.0.0.1:8080", "reverse_proxy 127.0.0.1:8080 {\n header_up -X-Forwarded-Proto\n }"},
	desert: edit{"*text/event-stream*", "nobody asks for this"},
	plain:  "http://%s {\n reverse_proxy %s\n}\n",
}}

// eachProxy runs a test for each kind, side by side.
func eachProxy(t *testing.T, test func(t *testing.T, kind proxyKind)) {
	t.Parallel()
	for _, kind := range proxyKinds {
		t.Run(kind.program, func(t *testing.T) {
			t.Parallel()
			test(t, kind)
		})
	}
}

// A proxy is a reverse proxy as a process.
type proxy struct {
	t       testing.TB
	kind    proxyKind
	program string         // its path
	address string         // where it listens
	dir     string         // its working folder and home, which holds all of its files
	roots   *x509.CertPool // of its certificate; nil without TLS
	log     *journal
}

// startProxy starts a proxy with its file of deploy, the edits made first,
// before what is at the upstream address.
func startProxy(t testing.TB, kind proxyKind, upstream string, edits ...edit) *proxy {
	t.Helper()
	p := newProxy(t, kind)
	p.certify()
	text, err := os.ReadFile(filepath.Join("../../deploy", kind.file))
	if err != nil {
		t.Fatal(err)
	}
	edits = append(append(edits, p.kind.here(p)...), edit{"127.0.0.1:8080", upstream})
	p.start(p.edited(string(text), edits))
	return p
}

// startPlainProxy starts a proxy that knows nothing of Bellhop, without TLS.
func startPlainProxy(t testing.TB, kind proxyKind, upstream string) *proxy {
	t.Helper()
	p := newProxy(t, kind)
	p.start(fmt.Sprintf(kind.plain, p.address, upstream))
	return p
}

func newProxy(t testing.TB, kind proxyKind) *proxy {
	t.Helper()
	program := proxyProgram(t, kind.program)
	// Not t.TempDir, which nobody but its owner may enter.
	dir, err := os.MkdirTemp("", "bellhop-"+kind.program+"-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	p := &proxy{t: t, kind: kind, program: program, address: freeAddress(t), dir: dir, log: new(journal)}
	if os.Geteuid() == 0 {
		if err := os.Chown(dir, nobody, nobody); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

func (p *proxy) path(name string) string { return filepath.Join(p.dir, name) }

// site is the name that it serves, for hotel.example. Browsers find it on this
// machine.
func (p *proxy) site() string { return p.kind.program + ".localhost" }

// origin is what its pages are from. Without TLS it serves its address.
func (p *proxy) origin() string {
	if p.roots == nil {
		return "http://" + p.address
	}
	return "https://" + net.JoinHostPort(p.site(), p.port())
}

func (p *proxy) port() string {
	_, port, _ := net.SplitHostPort(p.address)
	return port
}

// olderNginx reports an nginx that has HTTP/2 as a word of listen.
func (p *proxy) olderNginx() bool {
	out, err := exec.Command(p.program, "-v").CombinedOutput()
	if err != nil {
		p.t.Fatal(err)
	}
	var major, minor, patch int
	if _, err := fmt.Sscanf(string(out), "nginx version: nginx/%d.%d.%d", &major, &minor, &patch); err != nil {
		p.t.Fatalf("%v: %s", err, out)
	}
	return major*1e6+minor*1e3+patch < 1_025_001
}

// certify makes a certificate for the site.
func (p *proxy) certify() {
	p.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		p.t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{p.site(), "app." + p.site()},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		p.t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		p.t.Fatal(err)
	}
	chain := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	keyText := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})
	p.write("chain.pem", chain)
	p.write("key.pem", keyText)
	p.write("both.pem", append(chain, keyText...))
	p.roots = x509.NewCertPool()
	p.roots.AppendCertsFromPEM(chain)
}

func (p *proxy) write(name string, text []byte) {
	p.t.Helper()
	if err := os.WriteFile(p.path(name), text, 0o644); err != nil {
		p.t.Fatal(err)
	}
}

func (p *proxy) edited(text string, edits []edit) string {
	p.t.Helper()
	for _, e := range edits {
		if !strings.Contains(text, e.old) {
			p.t.Fatalf("nothing to substitute: %q is not in\n%s", e.old, text)
		}
		text = strings.ReplaceAll(text, e.old, e.new)
	}
	return text
}

// start runs the proxy until the test's end and waits until it listens.
func (p *proxy) start(file string) {
	p.t.Helper()
	p.write("file.conf", []byte(file))
	p.write("main.conf", fmt.Appendf(nil, p.kind.surround, p.path("file.conf")))
	cmd := exec.Command(p.program, p.kind.arguments...)
	cmd.Dir = p.dir
	cmd.Env = []string{"HOME=" + p.dir, "PATH=" + os.Getenv("PATH")}
	cmd.Stdout, cmd.Stderr = p.log, p.log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // nginx has workers
	if os.Geteuid() == 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
	}
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	exited := make(chan struct{})
	go func() {
		defer close(exited)
		cmd.Wait()
	}()
	p.t.Cleanup(func() {
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		<-exited
		if p.t.Failed() {
			p.t.Logf("output of %s:\n%s", p.kind.program, legible(p.log.String()))
		}
	})
	eventually(p.t, p.kind.program+" to listen", func() bool {
		select {
		case <-exited:
			p.t.Fatalf("%s ended at once", p.kind.program)
		default:
		}
		c, err := net.Dial("tcp", p.address)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
}

// A proxyClient is how a browser comes to a proxy.
type proxyClient struct {
	http2 bool
	from  string // its address, 127.0.0.1 by default
}

// front is the gateway as it looks from before the proxy: what serves to listen
// and to ask, and nothing else, works.
func (p *proxy) front(c proxyClient) *gateway {
	var protocols http.Protocols
	protocols.SetHTTP1(!c.http2)
	protocols.SetHTTP2(c.http2)
	dialer := new(net.Dialer)
	if c.from != "" {
		dialer.LocalAddr = &net.TCPAddr{IP: net.ParseIP(c.from)}
	}
	transport := &http.Transport{
		Protocols: &protocols, DisableCompression: true,
		TLSClientConfig: &tls.Config{RootCAs: p.roots},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, network, p.address) // whatever the site's name means elsewhere
		},
	}
	p.t.Cleanup(transport.CloseIdleConnections)
	return &gateway{t: p.t, url: p.origin(), https: &http.Client{Transport: transport}}
}

// proxyProgram returns the path of a program that not everybody has in PATH.
func proxyProgram(t testing.TB, name string) string {
	t.Helper()
	for _, folder := range []string{"/usr/sbin", "/usr/local/sbin", "/sbin"} {
		if path, err := exec.LookPath(filepath.Join(folder, name)); err == nil {
			return path
		}
	}
	return needTool(t, name)
}
