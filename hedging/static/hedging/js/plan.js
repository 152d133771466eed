// The plan tab: the day ahead as a chart and a table that stay true, and the what-if below them.
import { withAccount } from "./api.js";
import { axis, chart, colour, faint } from "./chart.js";
import { grouped, minute, percent, rupees } from "./format.js";
import { swap } from "./live.js";
import { start } from "./what_if.js";

const form = document.getElementById("what-if");
const EVERY_MS = 5000;
let tag = "", readAt = performance.now(), drawn = null, bought = null;

const rows = () => [...document.querySelectorAll("#ahead tr[data-at]")];
const figure = (text) => (text === "" ? null : Number(text));

// --- the chart: steps from moment to moment, read from the table's own rows ---------------------------------------------

function columns() {
  const x = [], held = [], bare = [], floor = [];
  let before = null;
  for (const { dataset } of rows()) {
    const at = Number(dataset.at) / 1000;
    const after = [figure(dataset.held), figure(dataset.bare), figure(dataset.floor)];
    if (before && at > x[x.length - 1] + 1) push(at - 1, before);
    push(x.length && at <= x[x.length - 1] ? x[x.length - 1] + 0.5 : at, after);
    before = after;
  }
  if (before) push(x[x.length - 1] + Math.max(300, (x[x.length - 1] - x[0]) * 0.04), before);
  function push(at, [one, two, three]) {
    x.push(at); held.push(one); bare.push(two); floor.push(three);
  }
  return [x, held, bare, floor];
}

function options(width) {
  const line = (label, name, more = {}) => ({
    label, stroke: colour(name), width: 2, points: { show: false },
    value: (_plot, value) => (value === null || value === undefined ? "–" : percent(value)), ...more,
  });
  return {
    width, height: width < 600 ? 260 : 300,
    tzDate: (at) => new Date(at * 1000 + (330 + new Date().getTimezoneOffset()) * 60000), // IST, whatever the device's zone
    scales: { y: { range: (_plot, _least, most) => [0, Math.max(110, (most || 0) * 1.12)] } },
    cursor: { drag: { x: true, y: false } },
    series: [
      { label: "IST", value: (_plot, at) => (at ? minute(at * 1000) : "–") },
      line("hedges as held", "--link", { width: 2.5 }),
      line("no hedges", "--over", { dash: [5, 4] }),
      line("floor", "--calm", { dash: [2, 3] }),
    ],
    bands: [{ series: [2, 3], fill: faint("--watch", 0.13) }],
    axes: [axis({ space: 60, values: (_plot, ticks) => ticks.map((at) => minute(at * 1000)) }), axis({ size: 52, values: (_plot, ticks) => ticks.map((value) => `${value} %`) })],
    hooks: { draw: [thresholds, marks] },
  };
}

function thresholds(plot) {
  const { ctx, bbox } = plot, trigger = document.getElementById("ahead").dataset.trigger;
  ctx.save();
  ctx.font = `${11 * devicePixelRatio}px system-ui, sans-serif`;
  ctx.textAlign = "right";
  for (const [value, name, words] of [[trigger, "--over", "trigger"], [100, "--breach", "budget"]]) {
    if (value === "") continue;
    const y = plot.valToPos(Number(value), "y", true);
    ctx.strokeStyle = ctx.fillStyle = colour(name);
    ctx.lineWidth = devicePixelRatio;
    ctx.setLineDash([6 * devicePixelRatio, 4 * devicePixelRatio]);
    ctx.beginPath();
    ctx.moveTo(bbox.left, y);
    ctx.lineTo(bbox.left + bbox.width, y);
    ctx.stroke();
    ctx.fillText(`${Number(value)} ${words}`, bbox.left + bbox.width - 4, words === "budget" ? y - 4 : y + 12 * devicePixelRatio);
  }
  ctx.restore();
}

function marks(plot) {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.textAlign = "center";
  ctx.font = `${13 * devicePixelRatio}px system-ui, sans-serif`;
  for (const row of rows()) {
    const { kind, at } = row.dataset;
    if (kind === "now") continue;
    const x = plot.valToPos(Number(at) / 1000, "x", true);
    if (x < bbox.left || x > bbox.left + bbox.width) continue;
    const [sign, name] = kind === "exit" ? ["△", "--quiet"] : row.classList.contains("lost") ? ["✕", "--breach"] : row.classList.contains("crosses") ? ["⚠", "--over"] : ["▼", "--ink"];
    ctx.fillStyle = colour(name);
    ctx.fillText(sign, x, bbox.top + 13 * devicePixelRatio);
  }
  ctx.restore();
}

function draw() {
  const some = rows().length > 1;
  document.getElementById("ahead-chart-card").hidden = !some;
  if (!some) return;
  if (drawn) drawn.refill();
  else drawn = chart(document.getElementById("ahead-chart"), { options, data: columns });
}

// --- what would be bought, in the table ---------------------------------------------------------------------------------

const tradeWords = (chosen) => [
  ...chosen.buys.map((leg) => `${leg.symbol} × ${grouped(leg.quantity)} at ${rupees(leg.price, 2)}`),
  ...chosen.sells.map((leg) => `sell ${leg.symbol} × ${grouped(leg.quantity)} at ${rupees(leg.price, 2)}`),
].join(", ");

const drawnCells = new WeakMap(); // what the server drew in a cell, for when it is another entry's turn

function tellBought() {
  for (const row of rows()) {
    const cell = row.querySelector(".would");
    if (drawnCells.has(cell)) cell.replaceChildren(...drawnCells.get(cell));
    if (!bought || row.dataset.kind !== "entry" || row.dataset.portfolio !== bought.last) continue;
    if (!drawnCells.has(cell)) drawnCells.set(cell, [...cell.childNodes]);
    cell.textContent = bought.words;
  }
}

// The answer by the present policy, whatever is imagined beside it: it stands at the last entry that it is for.
function answered(told) {
  const by = told.at_present || told.if_needed, last = told.projection.at(-1)?.portfolio;
  bought = null;
  if (last && by.chosen && by.action === "add") {
    const together = told.projection.length > 1 ? `, for ${told.projection.length} entries together` : "";
    bought = { last, words: `at the prices of ${minute(told.now)}: ${tradeWords(by.chosen)}, for ${rupees(by.chosen.cost)}${together}` };
  }
  tellBought();
}

// --- keeping it true ----------------------------------------------------------------------------------------------------

async function read() {
  if (performance.now() - readAt < EVERY_MS) return;
  readAt = performance.now();
  try {
    const answer = await fetch(withAccount(`${form.dataset.plan}?format=html`), { headers: tag ? { "If-None-Match": tag } : {}, cache: "no-store", credentials: "same-origin" });
    if (answer.status !== 200) return;
    tag = answer.headers.get("ETag") || "";
    swap(await answer.text());
  } catch { /* the banner says when nobody answers; what is shown stays, and its age counts on */ }
}

const whatIf = form && start(form, { rows, answered });
if (form) draw();
document.addEventListener("live", (event) => {
  if (event.detail.includes("ahead")) {
    draw();
    tellBought();
    whatIf?.entries();
  } else if (form) read();
});
