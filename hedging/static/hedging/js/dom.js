// Make elements: text only, never markup, so that no name of a contract or message of a broker is ever read as HTML.

export function make(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

export const row = (label, ...value) => make("div", {}, make("dt", {}, label), make("dd", {}, ...value));

// A table of figures; columns are [heading, is a number].
export function table(columns, rows, caption) {
  const head = columns.map(([words, figure]) => make("th", { scope: "col", class: figure ? "n" : null }, words));
  const body = rows.map((cells) => make("tr", {}, ...cells.map((cell, at) => make(at ? "td" : "th", at ? { class: columns[at][1] ? "n" : null } : { scope: "row" }, cell))));
  return make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
    make("table", {}, make("caption", {}, caption), make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...body)));
}

// Draw parts anew and keep what a person typed, where they scrolled to, and which control they were on.
export function keeping(place, draw) {
  const typed = new Map(), scrolled = new Map();
  for (const field of place.querySelectorAll("input[id], select[id], textarea[id]")) typed.set(field.id, field.type === "checkbox" ? field.checked : field.value);
  for (const box of place.querySelectorAll(".scroll[id]")) scrolled.set(box.id, [box.scrollLeft, box.scrollTop]);
  const focused = place.contains(document.activeElement) ? document.activeElement.id : "";
  draw();
  for (const [id, value] of typed) {
    const field = document.getElementById(id);
    if (!field) continue;
    if (field.type === "checkbox") field.checked = value;
    else field.value = value;
  }
  for (const [id, [left, top]] of scrolled) document.getElementById(id)?.scrollTo(left, top);
  if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
}
