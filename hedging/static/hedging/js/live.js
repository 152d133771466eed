// Keep an open page true: ask the status endpoint for what changed, swap those parts alone, count ages on, say when nobody answers.
import { duration, time } from "./format.js";
import { withAccount } from "./api.js";

const LONGEST_WAIT = 15000;
const GIVE_UP = 8000;
const seen = new Map();
let tag = "", timer = 0, missed = 0, heardAt = Date.now(), stopped = false;
let marketAt = 0, readAt = 0;

const banner = () => document.getElementById("banner");
const whole = document.querySelector("[data-whole]") !== null || document.getElementById("safety") !== null;

// Market time now, in ms since 1970: the simulator's clock runs `speed` times as fast as the wall's.
export function marketNow() {
  const speed = Number(banner().dataset.speed || 1);
  return marketAt + (performance.now() - readAt) * speed;
}

function readClock(told) {
  if (!told) return;
  marketAt = Number(told);
  readAt = performance.now();
}

async function beat() {
  if (stopped) return;
  const ends = AbortSignal.timeout(GIVE_UP);
  try {
    const address = withAccount(`${document.body.dataset.status}?format=html&part=${whole ? "day" : "banner"}`);
    const answer = await fetch(address, { headers: tag ? { "If-None-Match": tag } : {}, cache: "no-store", credentials: "same-origin", signal: ends });
    readClock(answer.headers.get("X-Market-Time"));
    if (answer.status === 200) {
      tag = answer.headers.get("ETag") || "";
      swap(await answer.text());
    } else if (answer.status === 404 ? banner().dataset.title !== undefined && document.getElementById("safety") : answer.status === 401 || answer.status === 403) {
      location.reload(); // the session is gone, or the login is: the server draws what there is now
      return;
    } else if (answer.status !== 304 && answer.status !== 404) {
      throw new Error(String(answer.status));
    }
    heard();
  } catch {
    miss();
  }
  again();
}

function again() {
  clearTimeout(timer);
  const pause = Number(banner().dataset.poll || 5000);
  timer = setTimeout(beat, Math.min(missed ? pause * 2 ** Math.min(missed - 1, 3) : pause, Math.max(pause, LONGEST_WAIT)));
}

function heard() {
  missed = 0;
  heardAt = Date.now();
  document.documentElement.classList.remove("lost");
  const note = banner().querySelector(".lost");
  if (note) note.hidden = true;
}

function miss() {
  missed += 1;
  if (missed < 2) return; // one lost answer is no outage
  document.documentElement.classList.add("lost");
  const note = banner().querySelector(".lost");
  note.hidden = false;
  note.querySelector("time").textContent = `${time(heardAt)} IST`;
}

export function swap(text) {
  const drawn = new DOMParser().parseFromString(text, "text/html");
  const changed = [];
  for (const part of drawn.querySelectorAll("[data-live]")) {
    const shown = document.getElementById(part.id);
    if (!shown || seen.get(part.id) === part.outerHTML) continue;
    if (shown.contains(document.activeElement) && document.activeElement.matches("input, select, textarea")) continue;
    seen.set(part.id, part.outerHTML);
    keepOpen(shown, part);
    const focused = shown.contains(document.activeElement) ? document.activeElement.closest("details")?.dataset.key : null;
    shown.replaceWith(part);
    if (focused) part.querySelector(`details[data-key="${focused}"] > summary`)?.focus({ preventScroll: true });
    changed.push(part.id);
  }
  if (changed.includes("banner")) {
    document.title = banner().dataset.title.trim();
    const icon = document.getElementById("icon");
    if (icon.getAttribute("href") !== banner().dataset.icon) icon.setAttribute("href", banner().dataset.icon);
  }
  count();
  if (changed.length) document.dispatchEvent(new CustomEvent("live", { detail: changed }));
}

// What a person opened stays open, with what was loaded into it; where they scrolled a table to stays, too.
function keepOpen(shown, part) {
  for (const old of shown.querySelectorAll("details[open][data-key]")) {
    const fresh = part.querySelector(`details[data-key="${old.dataset.key}"]`);
    if (!fresh) continue;
    fresh.open = true;
    const loaded = old.querySelector(".opened");
    if (loaded?.hasChildNodes()) fresh.querySelector(".opened").replaceChildren(...loaded.childNodes);
  }
}

function count() {
  const now = marketNow();
  if (!marketAt) return;
  const shown = document.querySelector("[data-clock]");
  if (shown) shown.textContent = time(now);
  for (const each of document.querySelectorAll("[data-since]")) {
    const seconds = Math.max(0, (now - Number(each.dataset.since)) / 1000);
    each.textContent = duration(seconds);
    const stale = each.dataset.stale && seconds > Number(each.dataset.stale);
    each.classList.toggle("stale", Boolean(stale));
    if (each.closest(".asof")) each.closest(".card")?.classList.toggle("stale", Boolean(stale));
  }
  for (const each of document.querySelectorAll("[data-until]")) {
    each.textContent = duration(Math.max(0, (Number(each.dataset.until) - now) / 1000));
  }
}

export function askNow() {
  clearTimeout(timer);
  tag = "";
  return beat();
}

export function start() {
  readClock(document.body.dataset.now);
  count();
  setInterval(count, 1000);
  again();
  document.addEventListener("visibilitychange", () => {
    stopped = document.hidden; // a page that nobody sees asks nothing
    if (!stopped) beat();
  });
}
