package config

// sources holds the sources against each other.
func (v *validator) sources(all []Source) {
	if len(all) == 0 && v.ok("sources") {
		v.add("sources", "want at least one source")
	}
	names := make(map[string]int)
	tokens := make(map[Secret]int)
	for i, s := range all {
		at := item("sources", i)
		if first, taken := names[s.Name]; taken && v.ok(at+".name") {
			v.add(at+".name", "is the name of %s already; want another", item("sources", first))
		} else if !taken && s.Name != "" {
			names[s.Name] = i
		}
		if (s.Mews == nil) == (s.Airy == nil) && v.ok(at, at+".mews", at+".airy") {
			v.add(at, "want exactly one of mews and airy")
		}
		if s.Airy != nil {
			v.airy(s.Airy, at+".airy")
		}
		if s.Mews == nil {
			continue
		}
		v.mews(s.Mews, at+".mews")
		key := at + ".mews.access_token"
		if first, taken := tokens[s.Mews.AccessToken]; taken && v.ok(key) {
			v.add(key, "%s and %s have one access token; want one source for it", v.called(all, first), v.called(all, i))
		} else if !taken && s.Mews.AccessToken != "" && v.ok(key) {
			tokens[s.Mews.AccessToken] = i
		}
	}
}

// called returns the name of source i, or its path where the name is not one and
// so might be anything.
func (v *validator) called(all []Source, i int) string {
	if at := item("sources", i); !v.ok(at + ".name") {
		return at
	}
	return all[i].Name
}

// mews holds the keys of a Mews source against each other.
func (v *validator) mews(m *Mews, at string) {
	own := m.Socket != "" || m.API != ""
	switch {
	case !v.ok(at+".environment", at+".socket", at+".api"):
	case !own && m.Environment == "":
		v.add(at+".environment", "want demo or production, or socket and api instead")
	case own && m.Environment != "":
		v.add(at+".environment", "want either this or socket and api")
	case own && m.Socket == "":
		v.add(at+".socket", "want it beside api")
	case own && m.API == "":
		v.add(at+".api", "want it beside socket")
	}
	v.cleartext(m.Socket, at, "socket", "wss", m.Insecure)
	v.cleartext(m.API, at, "api", "https", m.Insecure)
	budget := at + ".api_budget"
	if v.ok(budget+".requests", budget+".reserve") && m.APIBudget.Reserve >= m.APIBudget.Requests {
		v.add(budget+".reserve", "want less than requests")
	}
	if m.Webhook != nil && v.ok(at+".webhook.tokens") && (len(m.Webhook.Tokens) == 0 || len(m.Webhook.Tokens) > 2) {
		v.add(at+".webhook.tokens", "want one token, or two while rotating")
	}
}

// airy holds the keys of an Airy source against each other.
func (v *validator) airy(a *Airy, at string) {
	v.cleartext(a.URL, at, "url", "wss", a.Insecure)
	if !v.ok(at, at+".token", at+".user", at+".password") {
		return
	}
	byUser := a.User != "" || a.Password != ""
	if byUser == (a.Token != "") || byUser && (a.User == "" || a.Password == "") {
		v.add(at, "want either token, or user and password")
	}
}
