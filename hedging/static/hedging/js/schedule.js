// The schedule tab: skip an entry or change it; the day is drawn anew from the server's answer.
import { pressed, say, send } from "./api.js";
import { keeping } from "./dom.js";
import { askNow, swap } from "./live.js";

const place = document.getElementById("schedule");
const day = () => document.getElementById("schedule-day").dataset.day;
const EVERY_MS = 4000;
let tag = "";

async function draw() {
  const answer = await fetch(`${place.dataset.address}?format=html&date=${day()}`, { headers: tag ? { "If-None-Match": tag } : {}, cache: "no-store", credentials: "same-origin" });
  if (answer.status !== 200) return;
  tag = answer.headers.get("ETag") || "";
  const text = await answer.text();
  keeping(place, () => swap(text));
}

async function done(words) {
  say(words);
  tag = "";
  await draw();
  await askNow();
}

place.addEventListener("click", (event) => {
  const button = event.target.closest("[data-act]");
  if (!button) return;
  const skipped = button.dataset.act === "skip", { portfolio } = button.dataset;
  pressed(button, async () => {
    await send(place.dataset.skip, { portfolio, skipped, date: day() });
    await done(skipped ? `${portfolio} is left out on ${day()}: nothing is hedged for it.` : `${portfolio} is due on ${day()} again.`);
  });
});

place.addEventListener("submit", (event) => {
  const of = event.target.closest("form.change");
  if (!of) return;
  event.preventDefault();
  pressed(event.submitter, async () => {
    const fields = of.elements, { portfolio } = of.dataset;
    const found = await send(place.dataset.entry, { portfolio, entry_time: fields.entry_time.value, exit_time: fields.exit_time.value || null, active: fields.active.checked });
    of.closest("details").open = false;
    await done(found.changed ? `${portfolio} is changed from now on.` : `${portfolio} was so already: nothing was changed.`);
  });
});

// Stages move on with the clock; what somebody is writing stays.
setInterval(() => document.hidden || place.querySelector("details[open]") || draw().catch(() => {}), EVERY_MS);
