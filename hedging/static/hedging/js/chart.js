// Charts: uPlot in the page's own colours. Each chart is drawn anew when the colours change, and sized to its place.

const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// light-dark(…) is text in a custom property: a probe element turns it into the colour that is in force.
const probe = document.createElement("span");
probe.hidden = true;
document.body.append(probe);
export function colour(name) {
  probe.style.color = css(name);
  return getComputedStyle(probe).color;
}

export function faint(name, share) {
  const [r, g, b] = colour(name).match(/[\d.]+/g);
  return `rgb(${r} ${g} ${b} / ${share})`;
}

export const axis = (more = {}) => ({
  stroke: colour("--quiet"),
  grid: { stroke: faint("--line", 0.8), width: 1 },
  ticks: { stroke: faint("--line", 0.8), width: 1, size: 4 },
  font: "12px system-ui, sans-serif",
  ...more,
});

// `options(width)` returns uPlot's options, `data()` its columns. Returns what redraws or refills the chart.
export function chart(place, { options, data }) {
  let plot = null;
  const width = () => Math.max(260, place.clientWidth);
  function draw() {
    plot?.destroy();
    place.replaceChildren();
    plot = new window.uPlot(options(width()), data(), place);
  }
  draw();
  new ResizeObserver(() => plot && plot.width !== width() && plot.setSize({ width: width(), height: plot.height })).observe(place);
  document.addEventListener("theme", draw);
  return { draw, refill: () => plot.setData(data()), plot: () => plot };
}
