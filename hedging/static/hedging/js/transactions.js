// The history stays true: when the status moves, ask whether a row changed; only then is the page read and its rows swapped.
import { swap } from "./live.js";

const history = () => document.getElementById("history");
let tag = "", busy = false;

async function look() {
  const address = history().dataset.asks;
  if (!address || busy) return;
  busy = true;
  try {
    const answer = await fetch(address, { headers: tag ? { "If-None-Match": tag } : {}, cache: "no-store", credentials: "same-origin" });
    if (answer.status !== 200) return; // 304: nothing is new. Whatever else: the banner says when nobody answers
    const first = !tag;
    tag = answer.headers.get("ETag") || "";
    if (!first) await redraw();
  } catch { /* the next look tells */ } finally {
    busy = false;
  }
}

// Of the page that the server draws now, only the rows: the banner is live.js's.
async function redraw() {
  const answer = await fetch(location.href, { cache: "no-store", credentials: "same-origin" });
  if (!answer.ok) return;
  const drawn = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("history");
  const working = [...history().querySelectorAll("details[open][data-working]")].map((each) => each.dataset.key);
  swap(drawn.outerHTML);
  await Promise.all(working.map(reopen));
}

// What is open and was working is read again: its orders have moved.
async function reopen(key) {
  const details = history().querySelector(`details[data-key="${CSS.escape(key)}"]`);
  if (!details?.open) return;
  const answer = await fetch(details.dataset.card, { cache: "no-store", credentials: "same-origin" });
  if (!answer.ok) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  details.querySelector(".opened").replaceChildren(...fresh.body.childNodes);
}

look();
document.addEventListener("live", (event) => event.detail.includes("banner") && look());
