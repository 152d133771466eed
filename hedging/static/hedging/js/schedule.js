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
    const fields = of.elements, { portfolio, usualEntry, usualExit } = of.dataset, what = event.submitter.value;
    const times = what === "usual" ? [usualEntry, usualExit] : [fields.entry_time.value, fields.exit_time.value];
    const reach = what === "all" ? { active: fields.active.checked } : { date: day() };
    const found = await send(place.dataset.entry, { portfolio, entry_time: times[0], exit_time: times[1] || null, ...reach });
    of.closest("details").open = false;
    const from = what === "all" ? "is changed from now on" : what === "usual" ? `has its usual times on ${day()} again` : `has these times on ${day()} alone`;
    await done(found.changed ? `${portfolio} ${from}.` : `${portfolio} was so already: nothing was changed.`);
  });
});

// Stages move on with the clock; what somebody is writing stays.
setInterval(() => document.hidden || place.querySelector("details[open]") || draw().catch(() => {}), EVERY_MS);
