package e2e_test

import (
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"bellhop/gateway/config"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
)

// deployed returns a file of deploy.
func deployed(t testing.TB, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../../deploy", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// parsed returns a configuration.
func parsed(t testing.TB, text string) *config.Config {
	t.Helper()
	c, err := config.Parse("bellhop.yaml", []byte(text), func(name string) (string, bool) { return name + strings.Repeat("-", 32), true })
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// longestEnd is how long a process may take to end by the defaults: its drain,
// and what bounds each step after it.
func longestEnd(c *config.Config) time.Duration {
	return c.Drain.Delay + c.Drain.Spread + c.Drain.Linger + 15*time.Second
}

const smallest = "sources: [{name: hotel, mews: {client_token: c, access_token: a}}]\n" + issuer

func TestService(t *testing.T) {
	t.Parallel()
	text := deployed(t, "bellhop.service")
	value := func(key string) string {
		match := regexp.MustCompile(`(?m)^` + key + `=(.*)$`).FindStringSubmatch(text)
		if match == nil {
			t.Fatalf("no %s", key)
		}
		return match[1]
	}
	defaults := parsed(t, smallest)
	if stop, err := time.ParseDuration(value("TimeoutStopSec")); err != nil || stop < longestEnd(defaults) {
		t.Errorf("TimeoutStopSec %v %v is less than a drain, %v", stop, err, longestEnd(defaults))
	}
	if files, err := strconv.Atoi(value("LimitNOFILE")); err != nil || files < 2*defaults.Limits.Streams {
		t.Errorf("LimitNOFILE %d %v for %d streams", files, err, defaults.Limits.Streams)
	}

	start := strings.Fields(value("ExecStart"))
	dir := t.TempDir()
	unit := filepath.Join(dir, "bellhop.service")
	if err := os.WriteFile(unit, []byte(strings.ReplaceAll(text, start[0], binary)), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, stderr := run(t, dir, nil, append(start[1:], "--help")...); code != 0 {
		t.Errorf("%v: %s", start, stderr)
	}
	verify := exec.Command(needTool(t, "systemd-analyze"), "verify", unit)
	if out, err := verify.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
}

// TestDockerfile runs what the file runs, and the result in a folder that holds
// nothing else. It is not parallel: a build takes both cores.
func TestDockerfile(t *testing.T) {
	text, err := os.ReadFile("../../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	if err := os.Chmod(root, 0o755); err != nil {
		t.Fatal(err)
	}
	var done []string
	for line := range strings.Lines(string(text)) {
		instruction, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch done = append(done, instruction); instruction {
		case "RUN":
			command := strings.NewReplacer(" /bellhop", " "+root+"/bellhop", " /data", " "+root+"/data").Replace(rest)
			build := exec.Command("sh", "-c", command)
			build.Dir = "../.."
			if out, err := build.CombinedOutput(); err != nil {
				t.Fatalf("%s: %v\n%s", rest, err, out)
			}
		case "EXPOSE":
			if _, port, _ := net.SplitHostPort(parsed(t, smallest).Listen); port != rest {
				t.Errorf("EXPOSE %s, and the default port is %s", rest, port)
			}
		case "ENTRYPOINT":
			if rest != `["/bellhop"]` {
				t.Errorf("ENTRYPOINT %s", rest)
			}
		case "FROM", "WORKDIR", "COPY", "VOLUME", "", "#":
		default:
			t.Errorf("this test does not know what to do with %s", instruction)
		}
	}
	if !slices.Contains(done, "RUN") || !slices.Contains(done, "ENTRYPOINT") {
		t.Errorf("instructions %v", done)
	}

	image := exec.Command(filepath.Join(root, "bellhop"), "version")
	image.Env = []string{}
	if os.Geteuid() == 0 {
		image.Path, image.Dir = "/bellhop", "/"
		image.SysProcAttr = &syscall.SysProcAttr{Chroot: root, Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	if out, err := image.CombinedOutput(); err != nil || !strings.HasPrefix(string(out), "bellhop ") {
		t.Errorf("bellhop version, alone: %v\n%s", err, out)
	}
}

// A manifest is a Kubernetes object, as text.
type manifest string

// at returns what stands at a path of a manifest.
func at[T any](t testing.TB, m manifest, path string) (v T) {
	t.Helper()
	p, err := yaml.PathString(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Read(strings.NewReader(string(m)), &v); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return v
}

func TestKubernetes(t *testing.T) {
	t.Parallel()
	objects := make(map[string]manifest)
	for text := range strings.SplitSeq(deployed(t, "kubernetes.yaml"), "\n---\n") {
		objects[at[string](t, manifest(text), "$.kind")] = manifest(text)
	}
	deployment, service := objects["Deployment"], objects["Service"]
	const pod, container = "$.spec.template.spec", "$.spec.template.spec.containers[0]"
	file := at[map[string]string](t, objects["ConfigMap"], "$.data")["bellhop.yaml"]
	c := parsed(t, file)

	same := func(what string, got, want any) {
		t.Helper()
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	same("replicas, of which a folder bears one", at[int](t, deployment, "$.spec.replicas"), 1)
	same("strategy", at[string](t, deployment, "$.spec.strategy.type"), "Recreate")
	same("pods of the deployment", at[map[string]string](t, deployment, "$.spec.template.metadata.labels"),
		at[map[string]string](t, deployment, "$.spec.selector.matchLabels"))
	same("pods of the service", at[map[string]string](t, service, "$.spec.selector"),
		at[map[string]string](t, deployment, "$.spec.selector.matchLabels"))
	same("port of the service", at[string](t, service, "$.spec.ports[0].targetPort"), at[string](t, deployment, container+".ports[0].name"))
	same("port", "0.0.0.0:"+at[string](t, deployment, container+".ports[0].containerPort"), c.Listen)
	same("port of the metrics", "0.0.0.0:"+at[string](t, deployment, container+".ports[1].containerPort"), c.MetricsListen)
	same("port that is scraped", "0.0.0.0:"+at[map[string]string](t, deployment, "$.spec.template.metadata.annotations")["prometheus.io/port"], c.MetricsListen)
	same("claim", at[string](t, deployment, pod+".volumes[1].persistentVolumeClaim.claimName"), at[string](t, objects["PersistentVolumeClaim"], "$.metadata.name"))
	same("configuration", at[string](t, deployment, pod+".volumes[0].configMap.name"), at[string](t, objects["ConfigMap"], "$.metadata.name"))
	same("folder of the log", filepath.Dir(c.Data), at[string](t, deployment, container+".volumeMounts[1].mountPath"))
	args := at[[]string](t, deployment, container+".args")
	same("folder of the configuration", filepath.Dir(args[len(args)-1]), at[string](t, deployment, container+".volumeMounts[0].mountPath"))
	if grace := at[int](t, deployment, pod+".terminationGracePeriodSeconds"); time.Duration(grace)*time.Second < longestEnd(c) {
		t.Errorf("%d s of grace are less than a drain, %v", grace, longestEnd(c))
	}

	// The process that the pod would run, with its ports and folders elsewhere
	// and no way out to the upstream.
	secrets := []string{"HTTPS_PROXY=http://127.0.0.1:1"}
	for _, name := range regexp.MustCompile(`--from-literal=(\w+)`).FindAllStringSubmatch(deployed(t, "kubernetes.yaml"), -1) {
		secrets = append(secrets, name[1]+"="+strings.Repeat("s", 40))
	}
	metrics := freeAddress(t)
	g := newGateway(t)
	g.configure(strings.NewReplacer(c.Listen, g.address, c.MetricsListen, metrics, c.Data, g.data).Replace(file))
	g.env = secrets
	g.launch()
	g.awaitReady()
	for _, probe := range []string{"readinessProbe", "livenessProbe"} {
		same("port of the "+probe, at[string](t, deployment, container+"."+probe+".httpGet.port"), "http")
		path := at[string](t, deployment, container+"."+probe+".httpGet.path")
		if status, body := g.get(g.url + path); status != http.StatusOK {
			t.Errorf("%s %s: %d %s", probe, path, status, body)
		}
	}
	if status, _ := g.get("http://" + metrics + "/metrics"); status != http.StatusOK {
		t.Errorf("/metrics: %d", status)
	}
}
