// What a what-if answered: what would be bought and how that differs, what the loop would do, the scenarios, and the chain.
import { axis, chart, colour } from "./chart.js";
import { grouped, percent, rupees, short, words } from "./format.js";

const id = (name) => document.getElementById(name);

function make(tag, content = "", more = {}) {
  const made = Object.assign(document.createElement(tag), more);
  made.append(...(Array.isArray(content) ? content : [content]));
  return made;
}

export function show(told, reached) {
  id("answer").hidden = false;
  id("would").replaceChildren(...would(told, reached));
  id("loop").replaceChildren(...loop(told));
  showScenarios(told.scenarios);
  showChain(told.chain);
}

// --- what would be bought -----------------------------------------------------------------------------------------------

const set = (decision) => (decision.action === "add" ? decision.chosen : null);

// `reached` is the entry that was asked about; one that comes after an exit is not told, since nobody knows the book of then.
function would(told, reached) {
  const need = told.if_needed, chosen = set(need), after = chosen?.utilization_after_pct ?? null;
  const level = told.projected_pct === null ? "unknown" : Number(told.projected_pct) > 100 ? "breach" : Number(told.projected_pct) > Number(told.policy.trigger_pct) ? "over" : "calm";
  const parts = [
    make("h3", "What would be bought"),
    make("p", [make("span", percent(told.projected_pct), { className: "large" }), chosen ? make("span", [" projected → ", make("b", percent(after)), " once hedged"]) : make("span", " projected")], { className: `headline ${level}` }),
  ];
  if (told.projection.length) {
    parts.push(make("p", `With ${told.projection.map((each) => each.portfolio).join(", ")} in the book; ${percent(told.utilization_pct)} is used now.`, { className: "quiet" }));
  } else {
    parts.push(make("p", "No entry is looked at: this is the present book.", { className: "quiet" }));
  }
  if (reached && !told.projection.some((each) => each.portfolio === reached)) {
    parts.push(make("p", `${reached} comes after an exit: what it needs is decided once that is done. The day ahead above says what is known now.`, { className: "notice" }));
  }
  if (told.unknown) parts.push(make("p", told.unknown, { className: "notice" }));
  if (chosen) parts.push(legs(chosen), costs(chosen));
  else if (need.action === "unwind" && need.chosen) parts.push(make("p", need.text), legs(need.chosen));
  else parts.push(...nothing(need));
  if (need.floor_pct !== null) parts.push(make("p", ["Hedging cannot go below ", make("b", percent(need.floor_pct)), need.binding ? `, bound by ${words(need.binding)}` : "", "."]));
  parts.push(difference(told));
  return parts;
}

function legs(chosen) {
  const row = (side, leg) => make("tr", [
    make("th", `${side} ${leg.symbol}`, { scope: "row" }), make("td", grouped(leg.quantity), { className: "n" }),
    make("td", rupees(leg.price, 2), { className: "n" }), make("td", rupees(leg.quantity === null || leg.price === null ? null : leg.quantity * leg.price), { className: "n" }),
  ]);
  const head = make("tr", ["Contract", "Quantity", "Price", "Premium"].map((name, at) => make("th", name, { scope: "col", className: at ? "n" : "" })));
  const table = make("table", [make("thead", head), make("tbody", [...chosen.buys.map((leg) => row("BUY", leg)), ...chosen.sells.map((leg) => row("SELL", leg))])]);
  const place = make("div", table, { className: "scroll", tabIndex: 0 });
  place.setAttribute("role", "region");
  place.setAttribute("aria-label", "Contracts of the hedge");
  return place;
}

function costs(chosen) {
  const figures = [
    ["Cost", rupees(chosen.cost)], ["of it charges", rupees(chosen.charges, 2)], ["Utilization after", percent(chosen.utilization_after_pct)],
    ["Aim", words(chosen.aim)], ["Given up", chosen.relaxation === "none" ? "nothing" : words(chosen.relaxation)],
    ["The cheapest", chosen.proven === null ? "unknown" : chosen.proven ? "proven" : "not proven"],
  ];
  return make("dl", figures.map(([name, value]) => make("div", [make("dt", name), make("dd", value)])), { className: "figures" });
}

function nothing(need) {
  const gate = need.why.find((each) => !each.passed);
  return [make("p", [make("b", "Nothing. "), need.text]), ...(gate ? [make("p", `${words(gate.gate)}: ${gate.detail}`, { className: "quiet" })] : [])];
}

function difference(told) {
  const now = told.at_present;
  if (!now) return make("p", "This is the present policy: change a figure to see the difference.", { className: "quiet", id: "difference" });
  const before = set(now), chosen = set(told.if_needed);
  const present = before ? `By the present policy: ${percent(now.projected_pct)} projected, hedge for ${rupees(before.cost)}, ${percent(before.utilization_after_pct)} after. ` : `By the present policy: ${percent(now.projected_pct)} projected, nothing is bought. `;
  const dearer = Number(chosen?.cost ?? 0) - Number(before?.cost ?? 0);
  const money = chosen || before ? (Math.abs(dearer) < 0.5 ? "It costs the same" : `It costs ${rupees(Math.abs(dearer))} ${dearer > 0 ? "more" : "less"}`) : "Neither buys anything";
  const [mine, theirs] = [chosen?.utilization_after_pct ?? told.projected_pct, before?.utilization_after_pct ?? now.projected_pct];
  const points = mine === null || theirs === null ? "" : `, and ends ${Math.abs(mine - theirs).toFixed(1)} points ${Number(mine) <= Number(theirs) ? "lower" : "higher"}`;
  const same = Math.abs(Number(mine) - Number(theirs)) < 0.05;
  return make("p", [make("b", "Difference: "), present, `${money}${same ? ", and ends as high" : points}.`], { className: "difference", id: "difference" });
}

function loop(told) {
  const now = told.now_decided, stopped = now.why.find((gate) => !gate.passed);
  const parts = [make("h3", "What the loop would decide now"), make("p", [make("b", now.action.toUpperCase()), ` ${now.text}`])];
  if (stopped) parts.push(make("p", ["First gate that stops it: ", make("b", words(stopped.gate)), ` (${stopped.detail}).`]));
  else if (now.action === "hold") parts.push(make("p", "No gate stops it: there is nothing to do."));
  const all = make("details", [make("summary", `All ${now.why.length} gates`), make("ol", now.why.map((gate) => make("li", [make("span", gate.passed ? "passed" : "stops here", { className: "sign" }), " ", make("b", words(gate.gate)), " ", make("span", gate.detail, { className: "quiet" })], { className: gate.passed ? "passed" : "failed" })), { className: "gates" })]);
  all.open = id("loop").querySelector("details")?.open ?? false;
  parts.push(all, make("p", now.reason, { className: "code" }));
  return parts;
}

// --- the 16 scenarios ---------------------------------------------------------------------------------------------------

let tiers = [], plot = null;

const tier = () => tiers.find((each) => each.name === id("tier").value) || tiers[0];
// From the deepest fall to the highest rise: that is how a trader reads them, not SPAN's order.
const ordered = () => [...tier().losses].sort((a, b) => a.level - b.level || a.label.localeCompare(b.label));
const brief = (label) => label.replace(", vol up", "↑").replace(", vol down", "↓").replace(", extreme", "×");

function showScenarios(found) {
  id("scenarios-card").hidden = !found || !found.tiers.length;
  if (!found || !found.tiers.length) return;
  tiers = found.tiers;
  id("scenarios-of").textContent = `${found.entries.length ? `The book with ${found.entries.join(", ")} in it` : "The present book"}: ↑ and ↓ are volatility, up and down.`;
  const kept = id("tier").value;
  id("tier").replaceChildren(...tiers.map((each) => new Option(each.name, each.name)));
  if (tiers.some((each) => each.name === kept)) id("tier").value = kept;
  id("tier-choice").hidden = tiers.length < 2;
  const risk = (name, each) => make("div", [make("dt", name), make("dd", each ? rupees(each.scan) : "nothing to buy"), make("dd", each ? `margin ${rupees(each.total)}` : "", { className: "quiet" })]);
  id("risks").replaceChildren(risk("Scan risk, no hedges", found.without), risk("as held", found.held), risk("after buying", found.after));
  drawTier();
}

function drawTier() {
  id("losses").replaceChildren(...ordered().map((row) => make("tr", [
    make("th", row.label, { scope: "row" }), ...[row.level, row.without, row.held].map((value, at) => make("td", at ? rupees(value) : grouped(value), { className: "n" })),
    make("td", row.after === null ? "–" : rupees(row.after), { className: "n" }),
  ])));
  if (plot) plot.refill();
  else plot = chart(id("scenarios"), { options, data: columns });
}

const figures = (name) => ordered().map((row) => (row[name] === null ? null : Number(row[name])));
const columns = () => [ordered().map((_row, at) => at), figures("without"), figures("held"), figures("after")];

function options(width) {
  const line = (label, name, more = {}) => ({
    label, stroke: colour(name), width: 2, points: { show: true, size: 6, fill: colour(name) },
    value: (_plot, value) => (value === null || value === undefined ? "–" : rupees(value)), ...more,
  });
  const every = width < 600 ? 3 : 1;
  return {
    width, height: width < 600 ? 280 : 320,
    scales: { x: { time: false, range: [-0.4, 15.4] } },
    cursor: { drag: { x: false, y: false } },
    series: [
      { label: "Scenario", value: (_plot, at) => (at === null || at === undefined ? "–" : ordered()[at]?.label ?? "–") },
      line("no hedges", "--over", { dash: [5, 4] }),
      line("hedges as held", "--link"),
      line("after buying", "--calm", { width: 2.5 }),
    ],
    axes: [
      axis({ splits: () => ordered().map((_row, at) => at).filter((at) => at % every === 0), values: (_plot, ticks) => ticks.map((at) => brief(ordered()[at]?.label ?? "")) }),
      axis({ size: 76, values: (_plot, ticks) => ticks.map(short) }),
    ],
  };
}

id("tier")?.addEventListener("change", drawTier);

// --- the chain ----------------------------------------------------------------------------------------------------------

let scrolled = false;

function showChain(found) {
  id("chain-card").hidden = !found;
  if (!found) return;
  const { min_premium: low, max_premium: high, relaxation } = found;
  id("chain-of").textContent = `Index at ${grouped(found.spot, 2)}. Premium band ${rupees(low, 2)} to ${rupees(high, 2)}${relaxation === "none" ? "" : `; given up for the purchase: ${words(relaxation)}`}. The prices are those of the answer above.`;
  const spot = Number(found.spot), body = [];
  let passed = false;
  for (const row of found.rows) {
    if (!passed && Number(row.strike) >= spot) {
      passed = true;
      body.push(make("tr", make("td", `index ${grouped(found.spot, 2)}`, { colSpan: 7 }), { className: "spot" }));
    }
    const [bid, ask, marks] = side(row.call, found);
    body.push(make("tr", [marks, bid, ask, make("th", grouped(row.strike), { scope: "row", className: "strike" }), ...side(row.put, found)]));
  }
  id("chain").replaceChildren(...body);
  if (!scrolled) {
    scrolled = true;
    const place = id("chain-scroll"), middle = place.querySelector(".spot");
    if (middle) place.scrollTop = middle.offsetTop - place.clientHeight / 2;
  }
}

// The cells of one option: bid, ask, and in words what is there.
function side(option, { min_premium: low, max_premium: high }) {
  if (!option) return [make("td"), make("td"), make("td")].map((cell, at) => Object.assign(cell, { className: at < 2 ? "n" : "" }));
  const shaded = option.allowed && Number(option.ask) >= Number(low) && Number(option.ask) <= Number(high);
  const ask = make("td", option.ask === null ? "–" : `${shaded ? "• " : ""}${Number(option.ask).toFixed(2)}`, { className: `n${shaded ? " band" : ""}` });
  const marks = [["bought", "buy", "BUY"], ["sold", "sell", "SELL"], ["held", "held", "held"], ["short", "short", "short"], ["coming", "coming", "to be sold"], ["other", "other", "other long"]]
    .filter(([name]) => option[name])
    .map(([name, kind, said]) => make("span", `${said} ${grouped(option[name])}`, { className: `key ${kind}` }));
  const bid = make("td", option.bid === null ? "–" : Number(option.bid).toFixed(2), { className: "n" });
  return [bid, ask, make("td", marks.flatMap((each) => [each, " "]), { className: "marks" })];
}
