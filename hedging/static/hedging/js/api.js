// Speak to the API: JSON both ways, the login's cookie with its token, refusals as errors with their code and figures.

export class Refused extends Error {
  constructor(status, body, wait) {
    super(body?.message || `The server answered ${status}.`);
    this.status = status;
    this.code = body?.code || "";
    this.facts = body?.facts || {};
    this.body = body;
    this.wait = Number(wait) || 0; // seconds, where the server says when to ask again
  }
}

const token = () => document.querySelector('meta[name="csrf-token"]')?.content;

export async function ask(address, { method = "GET", body, headers = {}, signal } = {}) {
  const sent = { Accept: "application/json", ...headers };
  if (body !== undefined) sent["Content-Type"] = "application/json";
  if (method !== "GET" && token()) sent["X-CSRFToken"] = token();
  const answer = await fetch(address, {
    method, headers: sent, signal, cache: "no-store", credentials: "same-origin", redirect: "error",
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  if (answer.status === 304) return null;
  const read = answer.headers.get("Content-Type")?.includes("json") ? await answer.json() : await answer.text();
  if (!answer.ok) throw new Refused(answer.status, typeof read === "string" ? null : read, answer.headers.get("Retry-After"));
  return read;
}

export const send = (address, body, headers) => ask(address, { method: "POST", body, headers });

// The same account as the page's, where the address names one.
export function withAccount(address) {
  const account = document.body.dataset.account;
  if (!account) return address;
  return `${address}${address.includes("?") ? "&" : "?"}account=${encodeURIComponent(account)}`;
}

export const accountBody = () => (document.body.dataset.account ? { account: document.body.dataset.account } : {});

// Say one sentence to the person, also to one who listens; it goes when the next one comes.
export function say(text, { wrong = false } = {}) {
  const line = document.getElementById("said");
  line.textContent = text;
  line.classList.toggle("wrong", wrong);
  line.hidden = !text;
}

// Run one call of a button: it cannot be pressed twice, shows that something is under way, and tells what was refused.
export async function pressed(button, call) {
  if (button.getAttribute("aria-busy") === "true") return undefined;
  button.setAttribute("aria-busy", "true");
  try {
    return await call();
  } catch (error) {
    say(error instanceof Refused ? error.message : "The server could not be reached: nothing is known to have been done.", { wrong: true });
    return undefined;
  } finally {
    button.removeAttribute("aria-busy");
  }
}
