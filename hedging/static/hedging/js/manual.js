// The manual tab: the board read anew while it is seen, a ticket of legs, and exits; previews and orders are ticket.js's.
import { say, withAccount } from "./api.js";
import { keeping, make } from "./dom.js";
import { rupees } from "./format.js";
import { swap } from "./live.js";
import { preview, resume } from "./ticket.js";

const desk = document.getElementById("desk");
const EVERY_MS = 10000;
const legs = new Map(); // symbol → { lots, ask, lot }
let reading = false, readAt = -Infinity;

async function readBoard() {
  if (reading || document.hidden) return;
  reading = true;
  readAt = performance.now();
  try {
    const answer = await fetch(withAccount(`${desk.dataset.board}?format=html`), { cache: "no-store", credentials: "same-origin", signal: AbortSignal.timeout(30000) });
    const text = await answer.text();
    if (!answer.ok) throw new Error(JSON.parse(text).message);
    keeping(desk, () => swap(text));
    mark();
  } catch (error) {
    const wait = document.getElementById("board-wait"), words = `The board could not be read: ${error.message}. It is asked for again.`;
    if (wait) wait.textContent = words;
    else say(words, { wrong: true });
  } finally {
    reading = false;
  }
}

// Show on the board what is on the ticket, and price the ticket by the asks that are shown.
function mark() {
  for (const button of desk.querySelectorAll('[data-act="add"]')) {
    const leg = legs.get(button.dataset.symbol);
    button.textContent = leg ? "Added" : "Add";
    button.closest("tr").classList.toggle("chosen", Boolean(leg));
    if (leg) leg.ask = button.dataset.ask === "" ? null : Number(button.dataset.ask);
  }
  estimate();
}

function estimate() {
  const line = document.getElementById("estimate");
  if (!line) return;
  const each = [...legs.values()];
  const known = each.every((leg) => leg.ask !== null && leg.lots > 0);
  const sum = each.reduce((total, leg) => total + leg.ask * leg.lots * leg.lot, 0);
  line.textContent = !each.length ? "" : known ? `About ${rupees(sum)} at the asks shown, before charges.` : "The cost is unknown: a leg has no ask, or no lots.";
}

function drawTicket() {
  const list = document.getElementById("legs");
  list.replaceChildren(...[...legs].map(([symbol, leg]) => make("li", {},
    make("b", {}, symbol),
    make("label", {}, make("span", { class: "unseen" }, `Lots of ${symbol}`), make("input", {
      type: "number", class: "lots", id: `leg-${symbol}`, min: "1", max: "10000", step: "1", inputmode: "numeric", required: true, value: leg.lots,
      oninput: (event) => { leg.lots = Number(event.target.value); estimate(); },
    }), " lots"),
    make("button", { type: "button", class: "small", "aria-label": `Take ${symbol} off the ticket`, onclick: () => { legs.delete(symbol); drawTicket(); } }, "Remove"))));
  document.getElementById("ticket-empty").hidden = legs.size > 0;
  document.getElementById("ticket-clear").hidden = legs.size === 0;
  document.getElementById("preview-buy").disabled = legs.size === 0;
  mark();
}

function add(button) {
  const { symbol } = button.dataset;
  if (!legs.has(symbol)) {
    legs.set(symbol, { lots: Number(button.dataset.lots), lot: Number(button.dataset.lot), ask: null });
    drawTicket();
    say(`${symbol} is on the ticket. Nothing is ordered yet.`);
  }
  document.getElementById(`leg-${symbol}`).select();
  document.getElementById(`leg-${symbol}`).focus();
}

function exit(button) {
  const { symbol } = button.dataset, field = document.getElementById(`lots-${symbol}`);
  if (!field.reportValidity()) return undefined;
  return preview(button, "exit", field.value ? [{ symbol, lots: Number(field.value) }] : [{ symbol }]);
}

function start() {
  desk.addEventListener("click", (event) => {
    const button = event.target.closest("[data-act]");
    if (!button) return;
    if (button.dataset.act === "add") add(button);
    if (button.dataset.act === "read") readBoard();
    if (button.dataset.act === "exit") exit(button);
    if (button.dataset.act === "exit-all") preview(button, "exit", []);
  });
  document.getElementById("ticket")?.addEventListener("submit", (event) => {
    event.preventDefault();
    preview(document.getElementById("preview-buy"), "buy", [...legs].map(([symbol, leg]) => ({ symbol, lots: leg.lots })));
  });
  document.getElementById("ticket-clear")?.addEventListener("click", () => { legs.clear(); drawTicket(); });
  document.addEventListener("taken", (event) => { // what was taken is off the ticket
    if (event.detail !== "buy" || !document.getElementById("legs")) return;
    legs.clear();
    drawTicket();
  });
  document.addEventListener("settled", readBoard);
  setInterval(() => performance.now() - readAt >= EVERY_MS && readBoard(), 1000);
  document.addEventListener("visibilitychange", () => document.hidden || readBoard());
  readBoard();
  resume();
}

if (desk) start();
