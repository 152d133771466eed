// The what-if's form: every change is asked a moment after it, the question before it is dropped, and the address keeps the values.
import { ask, Refused, withAccount } from "./api.js";
import { minute, time } from "./format.js";
import { marketNow } from "./live.js";
import { show } from "./what_if_answer.js";

const DEBOUNCE_MS = 400;
const LONGEST_REACH = 400;
const AGAIN_MS = { calm: 30000, fast: 10000 }; // a market that runs faster than life is old sooner

export function start(form, { rows, answered }) {
  const fields = [...form.querySelectorAll(".control[data-name]")].map((place) => ({
    place,
    name: place.dataset.name,
    number: place.querySelector("input[type=number]"),
    range: place.querySelector("input[type=range]"),
    said: place.querySelector(".present"),
  }));
  const reach = form.querySelector("#reach"), asked = form.querySelector("#asked"), asking = form.querySelector("#asking");
  let timer = 0, counting = 0, under = null, chosenReach = new URLSearchParams(location.search).get("reach");

  const changed = ({ place, number }) => number.value !== "" && Number(number.value) !== Number(place.dataset.present);

  // --- the address and the fields say the same ---------------------------------------------------------------------------

  function fromAddress() {
    const wanted = new URLSearchParams(location.search);
    for (const field of fields) {
      const value = wanted.get(field.name), present = field.place.dataset.present ?? "";
      field.number.value = value !== null && value !== "" && Number.isFinite(Number(value)) ? value : present;
      if (field.number.value !== "") field.range.value = field.number.value;
    }
  }

  function toAddress() {
    const address = new URL(location.href);
    for (const field of fields) {
      if (changed(field)) address.searchParams.set(field.name, field.number.value);
      else address.searchParams.delete(field.name);
    }
    if (chosenReach === null) address.searchParams.delete("reach");
    else address.searchParams.set("reach", chosenReach);
    history.replaceState(null, "", address);
  }

  function mark() {
    for (const field of fields) {
      const other = changed(field);
      field.place.classList.toggle("changed", other);
      if (field.place.dataset.present !== undefined) field.said.textContent = other ? `changed; present: ${field.place.dataset.present}` : "as at present";
    }
  }

  // --- how far ahead ------------------------------------------------------------------------------------------------------

  // What is offered follows the table: its coming entries. Unless a person chose, the first that crosses is looked at, or the next.
  function entries() {
    const coming = rows().filter((row) => row.dataset.kind === "entry" && Number(row.dataset.at) > marketNow());
    const loop = reach.options[0];
    reach.replaceChildren(loop, ...coming.map((row) => {
      const crosses = row.classList.contains("lost") ? ", beyond saving" : row.classList.contains("crosses") ? ", crosses" : "";
      return new Option(`${row.dataset.portfolio} at ${minute(Number(row.dataset.at))}${crosses}`, row.dataset.portfolio);
    }));
    const first = coming.find((row) => row.classList.contains("crosses")) || coming[0];
    const wanted = chosenReach === null ? first?.dataset.portfolio || "" : chosenReach;
    reach.value = [...reach.options].some((option) => option.value === wanted) ? wanted : "";
  }

  function reachMinutes() {
    const row = rows().find((each) => each.dataset.kind === "entry" && each.dataset.portfolio === reach.value);
    if (!reach.value || !row) return 0;
    return Math.min(LONGEST_REACH, Math.max(1, Math.ceil((Number(row.dataset.at) - marketNow()) / 60000)));
  }

  // --- asking -------------------------------------------------------------------------------------------------------------

  function question() {
    const wanted = new URLSearchParams();
    for (const field of fields) if (changed(field)) wanted.set(field.name, field.number.value);
    const minutes = reachMinutes();
    if (minutes) wanted.set("reach_minutes", minutes);
    return withAccount(`${form.dataset.address}?${wanted}`);
  }

  async function solve() {
    clearTimeout(timer);
    clearInterval(counting);
    const wrong = fields.find((field) => !field.number.checkValidity());
    if (wrong) {
      under?.abort();
      tell(`${wrong.place.querySelector("label").textContent.trim()}: ${wrong.number.validationMessage}`, true);
      asking.hidden = true;
      return;
    }
    under?.abort();
    const mine = under = new AbortController();
    asking.hidden = false;
    tell("Solving …");
    try {
      const told = await ask(question(), { signal: mine.signal });
      if (mine !== under) return;
      keepPresent(told);
      tell(`As of ${time(told.now)} IST. Nothing was ordered.`);
      show(told, reach.value);
      answered(told);
      later(Number(document.getElementById("banner").dataset.speed || 1) > 1 ? AGAIN_MS.fast : AGAIN_MS.calm);
    } catch (error) {
      if (mine !== under || error.name === "AbortError") return;
      if (error instanceof Refused && error.status === 429) wait(error.wait || 5);
      else if (error instanceof Refused && error.code === "POLICY_CONTRADICTS") tell(`These figures contradict each other: ${error.message}. The answer below is of the figures before.`, true);
      else if (error instanceof Refused) tell(`${error.message} The answer below is the one before.`, true);
      else {
        tell("The server could not be reached; it is asked again in 10 s.", true);
        later(10000);
      }
    } finally {
      if (mine === under) asking.hidden = true;
    }
  }

  // What was not changed is at present whatever the server says it is: somebody may have edited the session.
  function keepPresent(told) {
    for (const field of fields) {
      const value = told.policy[field.name];
      if (value === null || field.name in told.changed || changed(field)) continue;
      field.place.dataset.present = String(Number(value));
      if (document.activeElement !== field.number && document.activeElement !== field.range) field.number.value = field.range.value = String(Number(value));
    }
    mark();
  }

  function wait(seconds) {
    let left = Math.ceil(seconds);
    const count = () => {
      if (left <= 0) solve();
      else tell(`Too fast: asks again in ${left} s.`, true);
      left -= 1;
    };
    count();
    counting = setInterval(count, 1000);
  }

  function later(milliseconds) {
    clearTimeout(timer);
    timer = setTimeout(() => (document.hidden ? later(milliseconds) : solve()), milliseconds);
  }

  function tell(text, wrong = false) {
    asked.textContent = text;
    asked.classList.toggle("wrong", wrong);
  }

  function edited() {
    mark();
    toAddress();
    under?.abort();
    clearInterval(counting);
    clearTimeout(timer);
    timer = setTimeout(solve, DEBOUNCE_MS);
  }

  for (const field of fields) {
    field.range.addEventListener("input", () => { field.number.value = field.range.value; edited(); });
    field.number.addEventListener("input", () => { if (field.number.value !== "") field.range.value = field.number.value; edited(); });
  }
  reach.addEventListener("change", () => { chosenReach = reach.value; edited(); });
  form.addEventListener("submit", (event) => { event.preventDefault(); solve(); });
  form.querySelector("#again").addEventListener("click", solve);
  form.addEventListener("reset", (event) => {
    event.preventDefault();
    chosenReach = null;
    for (const field of fields) field.number.value = field.range.value = field.place.dataset.present ?? "";
    entries();
    edited();
  });

  fromAddress();
  entries();
  mark();
  solve();
  return { entries };
}
