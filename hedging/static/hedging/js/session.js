// The session tab: every form is one call of the API; what it changed is drawn from the server's answer, never guessed.
import { accountBody, ask, pressed, say, send, withAccount } from "./api.js";
import { keeping } from "./dom.js";
import { rupees } from "./format.js";
import { askNow, swap } from "./live.js";

const form = (id) => document.getElementById(id);
const facts = () => document.getElementById("session-facts");
const text = (of, name) => of.elements[name].value.trim();
const BY_HAND = "by a person, on the dashboard";
const EVERY_MS = 4000;
let tag = "";

// Draw the session anew where anything of it is new.
async function draw() {
  const place = form("session");
  const answer = await fetch(withAccount(`${place.dataset.address}?format=html`), { headers: tag ? { "If-None-Match": tag } : {}, cache: "no-store", credentials: "same-origin" });
  if (answer.status !== 200) return;
  tag = answer.headers.get("ETag") || "";
  const drawn = await answer.text();
  keeping(place, () => swap(drawn));
  allow();
}

// A button that would do nothing now cannot be pressed.
function allow() {
  const { enabled, mode, open } = facts().dataset;
  const can = { "toggle-on": enabled !== "true", "toggle-off": enabled === "true", live: mode === "live", dry: mode !== "live", open: true };
  for (const button of document.querySelectorAll("[data-needs]")) button.disabled = open !== "true" || !can[button.dataset.needs];
}

function on(id, act) {
  form(id)?.addEventListener("submit", (event) => {
    event.preventDefault();
    pressed(event.submitter, async () => {
      say(await act(event.target, event.submitter.value));
      tag = "";
      await draw();
      askNow(); // the banner follows: nobody has to wait for it before the next act
    });
  });
}

// Enter in a reason is no choice of a button.
for (const id of ["toggle", "state"]) form(id)?.addEventListener("keydown", (event) => event.key === "Enter" && event.target.matches("input") && event.preventDefault());

on("toggle", async (of, value) => {
  await send(of.dataset.address, { enabled: value === "on", reason: text(of, "reason"), ...accountBody() });
  return value === "on" ? "Automation is on." : "Automation is off.";
});

on("state", async (of, value) => {
  const scope = of.elements.scope.value, whole = scope === "installation";
  const body = { reason: text(of, "reason"), scope, ...(whole ? {} : accountBody()) };
  if (value === "reduce") body.reduce = true;
  const done = await send(value === "resume" ? of.dataset.resume : of.dataset.halt, body);
  of.elements.reason.value = "";
  const now = `The installation is ${done.installation.trading_state.toUpperCase()}.${done.session ? ` In force for the session: ${done.session.trading_state.toUpperCase()}.` : ""}`;
  return done.changed ? now : `Nothing was changed. ${now}`;
});

on("reconcile", async (of) => {
  await send(of.dataset.address, accountBody());
  return "Asked for: a worker compares the books within seconds.";
});

on("baseline", async (of) => {
  const { was } = facts().dataset;
  const done = await send(of.dataset.address, { used: text(of, "used"), reason: text(of, "reason"), was: was === "" ? null : was, ...accountBody() });
  of.reset();
  form("baseline-said").textContent = "";
  return `The baseline is ${rupees(done.baseline, 2)} from now on.`;
});

form("baseline-offer")?.addEventListener("click", (event) => pressed(event.target, async () => {
  const { offer, unknown } = await ask(withAccount(form("baseline").dataset.address));
  const found = offer?.offered ?? null;
  if (found !== null && !(Number(found) < 0)) form("baseline-used").value = found;
  form("baseline-said").textContent = offer ? `Now: ${rupees(offer.used, 2)} are used, of which ${rupees(offer.book, 2)} by the session's book (${offer.note}). So the baseline would be ${rupees(found, 2)}.` : unknown;
}));

on("figures", async (of) => {
  const body = { reason: text(of, "reason"), ...accountBody() };
  for (const field of of.querySelectorAll("input:not([name=reason])")) {
    const value = field.value.trim();
    const whole = /^(baskets|lookahead_minutes|exit_buffer_minutes|cooldown_seconds)$/.test(field.name);
    body[field.name] = value === "" ? null : whole ? Number(value) : value;
  }
  await ask(of.dataset.address, { method: "PATCH", body });
  return "Saved: the next cycle decides by these figures.";
});

on("go-dry", async (of) => {
  await send(of.dataset.address, { to: "dry_run", reason: BY_HAND, ...accountBody() });
  return "DRY RUN from now on: fills on paper.";
});

on("go-live", async (of) => {
  await send(of.dataset.address, { to: "live", phrase: text(of, "phrase"), reason: text(of, "reason"), ...accountBody() });
  of.reset();
  return "LIVE from now on. Nothing is sent before the live session's own pre-flight is green or amber.";
});

on("close", async (of) => {
  await send(of.dataset.address, { reason: text(of, "reason"), keep_hedges: of.elements.keep.checked, ...accountBody() });
  of.reset();
  return "The session is closed.";
});

const create = form("create");
if (create) {
  const total = () => { form("create-total").textContent = rupees(Number(create.elements.baskets.value) * Number(create.elements.budget_per_basket.value)); };
  create.addEventListener("input", total);
  total();
  create.addEventListener("submit", (event) => {
    event.preventDefault();
    pressed(event.submitter, async () => {
      const body = { index: create.elements.index.value, baskets: Number(create.elements.baskets.value), budget_per_basket: text(create, "budget_per_basket"), ...accountBody() };
      if (create.elements.account) body.account = create.elements.account.value;
      await send(create.dataset.address, body);
      location.reload();
    });
  });
}

if (facts()) {
  allow();
  setInterval(() => document.hidden || draw().catch(() => {}), EVERY_MS); // the banner says when nobody answers
}
