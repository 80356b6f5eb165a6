package config

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"
)

// fileName is the configuration that is taken from the working directory.
const fileName = "bellhop.yaml"

// fromEnvironment is the configuration where there is no file.
const fromEnvironment = `{sources: [{name: hotel, mews: {environment: "${MEWS_ENVIRONMENT}",
	client_token: "${MEWS_CLIENT_TOKEN}", access_token: "${MEWS_ACCESS_TOKEN}"}}],
	auth: {issuers: [{issuer: bellhop, audience: bellhop, secret: "${BELLHOP_SECRET}"}]}}`

// Load reads the configuration file path. An empty path is the one that
// BELLHOP_CONFIG names, else bellhop.yaml in the working directory, and where
// that does not exist the one Mews source and one issuer that MEWS_CLIENT_TOKEN,
// MEWS_ACCESS_TOKEN, MEWS_ENVIRONMENT and BELLHOP_SECRET make up.
//
// The error joins one [*Fault] for each thing wrong. Load keeps no state and
// reads only files and getenv, so it serves a reload as well; it may be called
// concurrently.
func Load(path string, getenv func(string) (string, bool)) (*Config, error) {
	if path == "" {
		path, _ = getenv("BELLHOP_CONFIG")
	}
	if path == "" {
		if _, err := os.Stat(fileName); errors.Is(err, fs.ErrNotExist) {
			return loadEnvironment(getenv)
		}
		path = fileName
	}
	text, err := readFile(path)
	if err != nil {
		return nil, errors.Join(&Fault{File: path, Message: err.Error()})
	}
	return Parse(path, []byte(text), getenv)
}

func loadEnvironment(getenv func(string) (string, bool)) (*Config, error) {
	var missing []string
	for _, name := range []string{"MEWS_CLIENT_TOKEN", "MEWS_ACCESS_TOKEN", "BELLHOP_SECRET"} {
		if value, _ := getenv(name); value == "" {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		return nil, errors.Join(&Fault{File: fileName, Message: "not in the working directory, and neither --config nor " +
			"BELLHOP_CONFIG names another; to do without a file, set " + strings.Join(missing, ", ")})
	}
	withDefault := func(name string) (string, bool) {
		value, ok := getenv(name)
		if name == "MEWS_ENVIRONMENT" && value == "" {
			return "demo", true
		}
		return value, ok
	}
	return parse(&faults{file: environment}, []byte(fromEnvironment), withDefault)
}

// Parse reads a configuration from text. The name is for faults and
// [Config.Files].
func Parse(name string, text []byte, getenv func(string) (string, bool)) (*Config, error) {
	c, err := parse(&faults{file: name}, text, getenv)
	if c != nil {
		c.files = slices.Insert(c.files, 0, name)
	}
	return c, err
}

func parse(found *faults, text []byte, getenv func(string) (string, bool)) (*Config, error) {
	found.marks = make(map[string]*mark)
	d := &decoder{faults: found, getenv: getenv}
	c := &Config{file: found.file, marks: found.marks}
	setDefaults(sectionOf(c))
	if root := d.document(text); root != nil {
		d.section(root, "", sectionOf(c))
	}
	c.files = d.files
	c.settle()
	c.validate(found)
	if err := found.err(); err != nil {
		return nil, err
	}
	c.trimSlashes()
	return c, nil
}

// Files returns the paths of all files that the configuration was read from, its
// own first, for whoever watches them. It is none of the caller's to change.
func (c *Config) Files() []string { return c.files }

// settle gives the values that depend on whether another key is there.
func (c *Config) settle() {
	if c.Cluster != nil && !c.given("data") {
		c.Data = ""
	}
	for i, s := range c.Sources {
		at := item("sources", i) + ".mews"
		if s.Mews != nil && !c.given(at+".environment") && !c.given(at+".socket") && !c.given(at+".api") {
			s.Mews.Environment = "demo"
		}
	}
}

// given reports whether the file has the key path.
func (c *Config) given(path string) bool {
	_, given := c.marks[path]
	return given
}

// trimSlashes takes the slash off paths that routes are appended to.
func (c *Config) trimSlashes() {
	if c.BasePath != "/" {
		c.BasePath = strings.TrimSuffix(c.BasePath, "/")
	}
	for _, s := range c.Sources {
		if s.Mews != nil {
			s.Mews.Socket = strings.TrimSuffix(s.Mews.Socket, "/")
			s.Mews.API = strings.TrimSuffix(s.Mews.API, "/")
		}
		if s.Airy != nil {
			s.Airy.URL = strings.TrimSuffix(s.Airy.URL, "/")
		}
	}
}
