// The day's chart: utilization so far with thresholds and marks, and the rest of the day as a fan between floor and no hedges.
import { ask, withAccount } from "./api.js";
import { axis, chart, colour, faint } from "./chart.js";
import { minute, percent } from "./format.js";

const place = document.getElementById("course");
const SIGNS = { entry: ["▼", "--ink"], exit: ["△", "--quiet"], buy: ["●", "--over"], sell: ["○", "--calm"] };
const EVERY_MS = 5000;
let course = null, drawn = null, columns = null, readAt = -Infinity;

const seconds = (text) => Date.parse(text) / 1000;
const figure = (value) => (value === null ? null : Number(value));

// One time axis: readings, then the moments ahead as steps. Columns: used, with the hedges held, without, floor.
function lay({ readings, ahead }) {
  const x = [...readings.at], used = readings.used_pct.map(figure);
  const held = used.map(() => null), bare = [...held], floor = [...held];
  const last = x.length - 1;
  let before = last >= 0 ? { held: used[last], bare: used[last], floor: used[last] } : null;
  if (before) held[last] = bare[last] = floor[last] = used[last];
  for (const moment of ahead) {
    const at = moment.at === null ? null : seconds(moment.at);
    if (moment.kind === "now" || at === null || (x.length && at <= x[x.length - 1])) continue;
    const after = { held: figure(moment.with_hedges.used_after_pct), bare: figure(moment.without_hedges.used_after_pct), floor: figure(moment.floor.used_after_pct) };
    if (before) push(at - 1, before);
    push(at, after);
    before = after;
  }
  function push(at, value) {
    x.push(at); used.push(null);
    held.push(value.held); bare.push(value.bare); floor.push(value.floor);
  }
  return [x, used, held, bare, floor];
}

function options(width) {
  const line = (label, name, more = {}) => ({
    label, stroke: colour(name), width: 2, spanGaps: false, points: { show: false },
    value: (_plot, value) => (value === null || value === undefined ? "–" : percent(value)), ...more,
  });
  return {
    width, height: width < 600 ? 280 : 320,
    tzDate: (at) => new Date(at * 1000 + (330 + new Date().getTimezoneOffset()) * 60000), // IST, whatever the device's zone
    scales: { y: { range: (_plot, _least, most) => [0, Math.max(110, (most || 0) * 1.08)] } },
    cursor: { drag: { x: true, y: false } },
    series: [
      { label: "IST", value: (_plot, at) => (at ? minute(at * 1000) : "–") },
      line("used", "--link", { width: 2.5 }),
      line("ahead, hedges as held", "--ink", { dash: [5, 4] }),
      line("ahead, no hedges", "--over", { dash: [2, 3], width: 1.5 }),
      line("ahead, floor", "--calm", { dash: [2, 3], width: 1.5 }),
    ],
    bands: [{ series: [3, 4], fill: faint("--watch", 0.13) }],
    axes: [axis({ space: 60, values: (_plot, ticks) => ticks.map((at) => minute(at * 1000)) }), axis({ size: 52, values: (_plot, ticks) => ticks.map((value) => `${value} %`) })],
    hooks: { draw: [thresholds, marks] },
  };
}

function thresholds(plot) {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.font = `${11 * devicePixelRatio}px system-ui, sans-serif`;
  ctx.textAlign = "left";
  let before = { y: Infinity, end: 0 };
  for (const [value, name, tone] of [[course.exit_trigger_pct, "exit trigger", "--calm"], [course.target_pct, "target", "--watch"], [course.trigger_pct, "trigger", "--over"], [100, "budget", "--breach"]]) {
    const y = plot.valToPos(Number(value), "y", true);
    ctx.strokeStyle = ctx.fillStyle = colour(tone);
    ctx.lineWidth = devicePixelRatio;
    ctx.setLineDash([6 * devicePixelRatio, 4 * devicePixelRatio]);
    ctx.beginPath();
    ctx.moveTo(bbox.left, y);
    ctx.lineTo(bbox.left + bbox.width, y);
    ctx.stroke();
    const words = `${name} ${Number(value)}`;
    // Lines that lie close to each other have their words side by side, not on top of each other.
    const x = before.y - y < 13 * devicePixelRatio ? before.end + 10 * devicePixelRatio : bbox.left + 6;
    ctx.fillText(words, x, y - 3 * devicePixelRatio);
    before = { y, end: x + ctx.measureText(words).width };
  }
  ctx.restore();
}

function marks(plot) {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.textAlign = "center";
  ctx.font = `${12 * devicePixelRatio}px system-ui, sans-serif`;
  for (const { at, kind } of course.marks) {
    const x = plot.valToPos(seconds(at), "x", true);
    if (x < bbox.left || x > bbox.left + bbox.width) continue;
    const [sign, name] = SIGNS[kind];
    ctx.fillStyle = colour(name);
    ctx.fillText(sign, x, kind === "buy" || kind === "sell" ? bbox.top + bbox.height - 6 * devicePixelRatio : bbox.top + 12 * devicePixelRatio);
  }
  ctx.restore();
}

const KEY = "▼ entry · △ exit · ● hedge bought · ○ hedge sold · shaded: between no hedges and the floor";

async function read() {
  if (performance.now() - readAt < EVERY_MS) return;
  readAt = performance.now();
  try {
    course = await ask(withAccount(place.dataset.address));
  } catch {
    return; // the banner says when nobody answers; the chart stays as it is
  }
  columns = lay(course);
  if (drawn) drawn.refill();
  else {
    drawn = chart(place, { options, data: () => columns });
    const key = document.createElement("p");
    key.className = "legend";
    key.textContent = KEY;
    place.after(key);
  }
}

read();
document.addEventListener("live", (event) => event.detail.includes("safety") && read());
