// Charts of the analytics tab: money and peaks by day, index or DTE, from the analytics endpoint; the tables hold the same figures.
import { ask } from "./api.js";
import { axis, chart, colour, faint } from "./chart.js";
import { percent, rupees, short } from "./format.js";

const days = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", timeZone: "UTC" });
const answers = new Map(); // by address: every mode of the page shares an answer

function read(address) {
  if (!answers.has(address)) answers.set(address, ask(address).catch((error) => { answers.delete(address); throw error; }));
  return answers.get(address);
}

const name = (key, by) => (by === "day" ? days.format(new Date(`${key}T00:00:00Z`)) : by === "dte" ? `${key}DTE` : key);
const figure = (value) => (value === null ? null : Number(value));

// Groups stand side by side at 0, 1, 2 …; an axis names those that it has room for.
function options(width, state, series, value) {
  const names = state.rows.map((row) => name(row.key, state.by));
  return {
    width, height: series.length > 1 ? (width < 600 ? 260 : 300) : 170,
    scales: { x: { time: false, range: [-0.6, Math.max(names.length, 1) - 0.4] }, y: { range: (_plot, least, most) => [Math.min(0, least ?? 0) * 1.08, Math.max(0, most ?? 0) * 1.08 || 1] } },
    cursor: { drag: { x: false, y: false }, points: { show: false } },
    series: [{ label: "of", value: (_plot, at) => names[at] ?? "–" }, ...series],
    axes: [
      axis({ space: 56, incrs: [1, 2, 5, 10, 20, 50, 100, 200], values: (_plot, ticks) => ticks.map((at) => names[at] ?? "") }),
      axis({ size: 78, values: (_plot, ticks) => ticks.map(value) }),
    ],
  };
}

function bars(label, tint, shift, of, value) {
  return {
    label, stroke: colour(tint), fill: faint(tint, 0.75), width: 1, points: { show: false },
    paths: window.uPlot.paths.bars({ size: [0.8 / of, 40], align: 0, disp: of === 1 ? undefined : { x0: { unit: 1, values: (plot) => plot.data[0].map((at) => at - 0.4 + (0.8 * shift) / of) }, size: { unit: 1, values: (plot) => plot.data[0].map(() => 0.8 / of) } } }),
    value: (_plot, read) => (read === null || read === undefined ? "–" : value(read)),
  };
}

const MONEY = [["paid", "cost", "--over"], ["recovered", "recovery", "--calm"], ["charges", "charges", "--watch"], ["net", "net", "--link"]];

function draw(place, state) {
  const money = place.dataset.figure === "money";
  const series = () => (money
    ? MONEY.map(([label, , tint], at) => bars(label, tint, at, MONEY.length, (read) => rupees(read)))
    : [bars("peak utilization", "--link", 0, 1, percent)]);
  const columns = money ? MONEY.map(([, key]) => key) : ["peak_utilization_pct"];
  return chart(place, {
    options: (width) => options(width, state, series(), money ? short : (read) => `${read} %`),
    data: () => [state.rows.map((_row, at) => at), ...columns.map((key) => state.rows.map((row) => figure(row[key])))],
  });
}

async function start(mode) {
  const places = [...document.querySelectorAll(`[data-chart="${mode}"]`)];
  const address = places[0].dataset.address;
  const state = { by: "day", rows: [] };
  let drawn = [];
  async function show(by) {
    try {
      const told = await read(`${address}&by=${by}`);
      state.by = by;
      state.rows = told.rows.filter((row) => row.mode === mode);
      if (drawn.length) drawn.forEach((each) => each.draw());
      else drawn = places.map((place) => draw(place, state));
    } catch {
      if (!drawn.length) places[0].textContent = "The chart could not be drawn; the tables below hold the same figures.";
    }
  }
  for (const choice of document.querySelectorAll(`input[name="by-${mode}"]`)) {
    choice.addEventListener("change", () => show(choice.value));
  }
  await show(document.querySelector(`input[name="by-${mode}"]:checked`)?.value || "day");
}

for (const mode of new Set([...document.querySelectorAll("[data-chart]")].map((each) => each.dataset.chart))) start(mode);

// A day of one's own choosing makes the period one's own; only then the two dates count.
const form = document.getElementById("period");
for (const field of form.querySelectorAll("input[type=date]")) {
  field.addEventListener("input", () => { form.elements.span.value = "custom"; });
}
