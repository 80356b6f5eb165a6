// Who this browser is to the gateway. The token is traded for an HttpOnly cookie, so no script
// ever keeps one. In your own page only signIn differs: fetch the token from your own back end.

const patience = 10_000; // ms; six open streams may hold all of a browser's connections to a host

// current returns the session {sub, expires, grants}, or null where there is none (401).
export async function current(signal) {
  const answer = await ask('session', {}, signal);
  if (answer.status === 401) return null;
  return (await good(answer)).json();
}

// signIn gets a token for the role and makes it this browser's session, in every tab.
export async function signIn(role, signal) {
  const answer = await good(await ask('demo/token', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ role }),
  }, signal));
  const { token } = await answer.json();
  await good(await ask('session', {
    method: 'POST',
    headers: { Authorization: `Bearer ${token}` },
  }, signal));
}

function ask(url, options, signal) {
  return fetch(url, { ...options, signal: AbortSignal.any([signal, AbortSignal.timeout(patience)]) });
}

async function good(answer) {
  if (answer.ok) return answer;
  const { code } = await answer.json().catch(() => ({}));
  throw new Error(`the gateway answered ${code ?? answer.status}`);
}
