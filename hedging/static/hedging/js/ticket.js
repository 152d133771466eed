// A manual order from preview to its end: nothing is ordered before Confirm, and one preview is ordered once, however often it is asked.
import { Refused, accountBody, ask, pressed, say, send } from "./api.js";
import { make, row, table } from "./dom.js";
import { grouped, percent, rupees, time, words } from "./format.js";
import { askNow } from "./live.js";

const desk = document.getElementById("desk");
const place = document.getElementById("preview");
const ANSWER_MS = 20000, FOLLOW_MS = 1000, KEPT = "auto-hedge-unanswered";
const DOUBTFUL = new Set([401, 403, 429]); // of a question asked again: they say nothing about the first one
let shown = null; // the preview that is looked at: { deed, legs, evenSo, offer, key, ends, doubt }

// randomUUID is for secure pages; a phone that reads this one over plain HTTP has the dice alone.
function newKey() {
  if (crypto.randomUUID) return crypto.randomUUID();
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

export function preview(button, deed, legs, evenSo = false) {
  if (shown?.doubt) {
    say("First ask again what became of the order before: its outcome is unknown.", { wrong: true });
    return undefined;
  }
  return pressed(button, async () => {
    const asked = performance.now();
    const body = { even_so: evenSo, ...accountBody() };
    if (legs.length) body.legs = legs;
    const offer = await send(desk.dataset[deed], body);
    shown = { deed, legs, evenSo, offer, key: newKey(), ends: asked + offer.valid_seconds * 1000, doubt: false };
    draw();
    place.scrollIntoView({ block: "start" });
    place.focus({ preventScroll: true });
  });
}

// Where this preview would go: the account may trade in another mode than when the page was drawn.
const whereTo = (seen) => (seen.mode === "live" ? desk.dataset.goesLive : desk.dataset.goesDry);

function draw() {
  const { offer: { preview: seen, token } } = shown;
  const buys = seen.deed === "buy";
  const blocked = seen.refusals.filter((refusal) => !refusal.overridable);
  const parts = [
    make("h2", { id: "preview-title" }, buys ? "Preview: buy" : "Preview: sell"),
    make("p", { class: "quiet" }, `${whereTo(seen)}, as one action, prices of ${time(seen.now)} IST. Nothing is ordered yet.`),
  ];
  if (seen.refusals.length) parts.push(refusals(seen.refusals));
  if (shown.evenSo) parts.push(make("p", { class: "notice" }, "Even so: what could be overridden is overridden."));
  for (const warning of seen.warnings) parts.push(make("p", { class: "notice" }, warning));
  if (seen.refusals.length && !blocked.length) {
    parts.push(make("p", {}, make("label", {}, make("input", { type: "checkbox", id: "even-so", onchange: (event) => again(event.target, event.target.checked) }), " I know this, and want it even so")));
  }
  parts.push(legTable(seen), effect(seen), figures(seen), acts(seen, token));
  place.replaceChildren(...parts);
  place.hidden = false;
  tick();
}

function refusals(found) {
  return make("div", { class: "notice wrong", role: "alert" }, make("p", {}, make("b", {}, "Refused as it stands.")),
    make("ul", {}, ...found.map((refusal) => make("li", {}, `${refusal.text} `, refusal.fix && make("b", {}, `→ ${refusal.fix} `),
      Object.keys(refusal.facts).length > 0 && make("span", { class: "quiet" }, `(${Object.entries(refusal.facts).map(([name, value]) => `${words(name)} ${value}`).join(", ")}) `),
      make("span", { class: "code" }, refusal.reason)))));
}

function legTable(seen) {
  const columns = [["Option"], ["Lots", true], ["Bid", true], ["Ask", true], ["Premium", true], ["Charges", true]];
  return table(columns, seen.legs.map((leg) => [
    leg.symbol, leg.slices > 1 ? `${grouped(leg.lots)} in ${leg.slices} orders` : grouped(leg.lots), rupees(leg.bid, 2), rupees(leg.ask, 2), rupees(leg.premium, 2), rupees(leg.charges, 2),
  ]), seen.deed === "buy" ? "To buy" : "To sell");
}

function effect({ margin }) {
  return make("div", { class: "effect" },
    make("p", { class: "headline" }, make("span", { class: "large" }, `${percent(margin.before_pct)} → ${percent(margin.after_pct)}`), make("span", {}, "of the budget used")),
    gauge("before", margin.before_pct), gauge("after", margin.after_pct),
    make("p", { class: "quiet" }, `${rupees(margin.used_before)} → ${rupees(margin.used_after)}, counted by ${margin.source || "nobody"}${margin.note ? `: ${margin.note}` : ""}`));
}

function gauge(label, value) {
  if (value === null) return make("p", { class: "quiet" }, `${label}: unknown`);
  const ns = "http://www.w3.org/2000/svg", bar = document.createElementNS(ns, "svg");
  const width = Math.max(0, Math.min(100, Number(value) / 1.2));
  bar.setAttribute("class", `bar small ${Number(value) >= 95 ? "over" : ""}`);
  bar.setAttribute("role", "img");
  bar.setAttribute("aria-label", `${label} ${percent(value)}`);
  for (const [name, part] of [["ground", 100], ["fill", width]]) {
    const rect = document.createElementNS(ns, "rect");
    for (const [key, what] of [["class", name], ["x", 0], ["y", 0], ["width", `${part}%`], ["height", 6], ["rx", 2]]) rect.setAttribute(key, what);
    bar.append(rect);
  }
  return bar;
}

function figures(seen) {
  const rows = seen.deed === "buy" ? [
    row("Cost", make("b", {}, rupees(seen.cash, 2)), ` = ${rupees(seen.premium, 2)} + ${rupees(seen.charges, 2)} charges`),
    row("At worst", rupees(seen.worst_cost, 2)),
    row("Left of the cost cap", rupees(seen.cost_left, 2)),
    row("Room before longs exceed shorts", Object.entries(seen.capacity_lots).map(([right, lots]) => `${right} ${grouped(lots)} lot${lots === 1 ? "" : "s"}`).join(", ") || "none"),
  ] : [
    row("Proceeds", make("b", {}, rupees(seen.cash, 2)), ` = ${rupees(seen.premium, 2)} − ${rupees(seen.charges, 2)} charges`),
    ...seen.why.filter((gate) => gate.gate.startsWith("cover ")).map((gate) => row(words(gate.gate), gate.detail)),
  ];
  if (seen.margin.projected_after_pct !== null) rows.push(row("With the entries due", percent(seen.margin.projected_after_pct)));
  rows.push(row("Broker's free margin", rupees(seen.free_margin)), row("Index", grouped(seen.spot, 2)));
  return make("dl", { class: "figures" }, ...rows);
}

function acts(seen, token) {
  const verb = seen.deed === "buy" ? `Confirm: buy for ${rupees(seen.cash, 2)}` : `Confirm: sell for ${rupees(seen.cash, 2)}`;
  return make("div", {},
    token && make("p", {}, make("span", { id: "countdown", role: "timer" })),
    token && make("progress", { id: "time-left", max: "100", value: "100", "aria-label": "Time left to confirm" }),
    make("p", { class: "acts" },
      token && make("button", { type: "button", class: "main", id: "confirm", onclick: (event) => pressed(event.currentTarget, confirm) }, `${verb} (${whereTo(seen)})`),
      make("button", { type: "button", id: "look-again", onclick: (event) => again(event.currentTarget, shown.evenSo) }, "Look again"),
      make("button", { type: "button", id: "leave-it", onclick: leave }, "Leave it")));
}

const again = (button, evenSo) => preview(button, shown.deed, shown.legs, evenSo);

function leave() {
  shown = null;
  place.hidden = true;
  place.replaceChildren();
}

function tick() {
  const line = document.getElementById("countdown");
  if (!shown || shown.doubt || !line) return;
  const left = (shown.ends - performance.now()) / 1000, all = shown.offer.valid_seconds;
  line.textContent = left > 0 ? `Good for ${Math.ceil(left)} s` : "This preview has run out: look again.";
  document.getElementById("time-left").value = Math.max(0, (left / all) * 100);
  document.getElementById("confirm").disabled = left <= 0;
}

// One key for each preview: a second click, or the same question after a lost answer, gets the first answer again.
async function confirm() {
  const { deed, key, offer: { token } } = shown;
  const first = !shown.doubt;
  keep({ deed, key, token });
  let claimed;
  try {
    const said = await ask(desk.dataset[deed], {
      method: "POST", body: { token }, headers: { "Idempotency-Key": key }, signal: AbortSignal.timeout(ANSWER_MS),
    });
    claimed = said;
  } catch (error) {
    if (error instanceof Refused && error.code && !(DOUBTFUL.has(error.status) && !first)) {
      keep(null);
      refused(error);
    } else {
      doubt();
    }
    return;
  }
  keep(null);
  taken(claimed, deed);
}

function refused(error) {
  shown.doubt = false;
  const late = error.code === "PREVIEW_EXPIRED" ? " Look again: prices have moved on." : "";
  say(`Nothing was ordered. ${error.message}${late}`, { wrong: true });
  leave();
}

// Nobody answered: the order may have been taken. Only the same key may ask, and it never orders twice.
function doubt() {
  shown.doubt = true;
  place.replaceChildren(
    make("h2", { id: "preview-title" }, "The outcome is unknown"),
    make("p", { class: "notice wrong", role: "alert" }, "No answer came: nobody knows whether the order was taken. Ask again: if it was taken, you get its answer, and nothing is ordered twice; if it was not, it is taken now while its preview is good, and else nothing is ordered."),
    make("p", { class: "acts" }, make("button", { type: "button", class: "main", id: "ask-again", onclick: (event) => pressed(event.currentTarget, confirm) }, "Ask again with the same key")));
  place.hidden = false;
  place.focus();
  say("The server did not answer: the outcome of the order is unknown.", { wrong: true });
}

function taken(claimed, deed) {
  leave();
  say(claimed.repeated ? "It was taken before: these are its orders, and nothing was sent twice." : "Taken, and on its way. What becomes of it is told below.");
  document.getElementById("orders").hidden = false;
  document.dispatchEvent(new CustomEvent("taken", { detail: deed }));
  for (const id of claimed.transactions) follow(id);
  askNow();
}

async function follow(id) {
  const line = make("li", { id: `tx-${id}` }, `Transaction ${id}: on its way …`);
  document.getElementById(`tx-${id}`)?.remove();
  document.getElementById("followed").prepend(line);
  for (;;) {
    try {
      const found = await ask(`${desk.dataset.transactions}/${id}`);
      line.replaceChildren(...told(found));
      if (!found.live) break;
    } catch {
      line.textContent = `Transaction ${id}: cannot be read now, asking again …`;
    }
    await new Promise((done) => { setTimeout(done, FOLLOW_MS); });
  }
  document.dispatchEvent(new CustomEvent("settled"));
}

function told(found) {
  const done = `${grouped(found.filled_quantity)} of ${grouped(found.quantity)}`;
  const at = found.average_price === null ? "" : ` at ${rupees(found.average_price, 2)}`;
  const order = found.orders[found.orders.length - 1];
  return [
    make("b", {}, `${found.side} ${found.symbol}: ${found.live ? "working" : found.outcome}`), ` ${done}${at}`,
    found.live && order ? `, the order is ${words(order.status)}` : "",
    !found.live && Number(found.charges) ? `, charges ${rupees(found.charges, 2)}` : "",
    order?.message ? make("span", { class: "quiet" }, ` ${order.message}`) : "",
  ];
}

// What has no answer yet outlives a reload of the page, in this tab alone.
function keep(asked) {
  try {
    if (asked) sessionStorage.setItem(KEPT, JSON.stringify(asked));
    else sessionStorage.removeItem(KEPT);
  } catch { /* storage is switched off: it lasts as long as the page */ }
}

export function resume() {
  let asked = null;
  try {
    asked = JSON.parse(sessionStorage.getItem(KEPT));
  } catch { /* nothing that could be read */ }
  if (!asked) return;
  shown = { deed: asked.deed, legs: [], evenSo: false, offer: { token: asked.token }, key: asked.key, ends: 0, doubt: true };
  doubt();
}

setInterval(tick, 250);
