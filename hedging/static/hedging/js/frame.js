// The frame of every page: live parts, the two switches that go safe, the help, and keys that only look.
import { accountBody, pressed, say, send } from "./api.js";
import { askNow, start } from "./live.js";

const WHY = "by a person, on the dashboard";

for (const button of document.querySelectorAll("[data-switch]")) {
  button.addEventListener("click", () => pressed(button, async () => {
    if (button.dataset.switch === "pause") {
      await send(button.dataset.address, { enabled: false, reason: WHY, ...accountBody() });
      say("Automation is off. It is switched on again on the Session page.");
    } else {
      await send(button.dataset.address, { reason: WHY });
      say("HALTED: no new order is sent, working orders are cancelled. Resuming is on the Session page.");
    }
    await askNow();
  }));
}

for (const opener of document.querySelectorAll("[data-open]")) {
  opener.addEventListener("click", () => document.getElementById(opener.dataset.open).showModal());
}

const root = document.documentElement;
for (const choice of document.querySelectorAll('input[name="theme"]')) {
  choice.checked = choice.value === (root.dataset.theme || "");
  choice.addEventListener("change", () => {
    if (choice.value) root.dataset.theme = choice.value;
    else delete root.dataset.theme;
    try {
      if (choice.value) localStorage.setItem("theme", choice.value);
      else localStorage.removeItem("theme");
    } catch { /* storage is switched off: the choice lasts as long as the page */ }
    document.dispatchEvent(new CustomEvent("theme"));
  });
}
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => document.dispatchEvent(new CustomEvent("theme")));

// On a phone the tabs do not all fit: the one that is shown is.
const shown = document.querySelector('.tabs [aria-current="page"]');
if (shown) shown.closest("ul").scrollLeft = shown.offsetLeft - 48;

let going = 0; // when `g` was pressed
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea, dialog")) return;
  if (event.key === "?") {
    document.getElementById("keys").showModal();
  } else if (event.key === "/") {
    const field = document.querySelector("main input:not([type=hidden]), main select, main textarea");
    if (!field) return;
    event.preventDefault();
    field.focus();
  } else if (event.key === "g") {
    going = event.timeStamp;
    return;
  } else if (going && event.timeStamp - going < 1500) {
    document.querySelector(`.tabs a[data-key="${CSS.escape(event.key)}"]`)?.click();
  }
  going = 0;
});

// A decision's card is read when it is opened.
document.addEventListener("toggle", async (event) => {
  const opened = event.target;
  if (!(opened instanceof HTMLDetailsElement) || !opened.open || !opened.dataset.card) return;
  const place = opened.querySelector(".opened");
  if (place.hasChildNodes()) return;
  place.textContent = "Reading the card …";
  try {
    const answer = await fetch(opened.dataset.card, { credentials: "same-origin" });
    if (!answer.ok) throw new Error(String(answer.status));
    place.replaceChildren(...new DOMParser().parseFromString(await answer.text(), "text/html").body.childNodes);
  } catch {
    place.textContent = "The card could not be read. Close it and open it again.";
  }
}, true);

start();
