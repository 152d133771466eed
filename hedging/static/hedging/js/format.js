// Figures as people in India read them; what is unknown is said in words. The same rules as hedging/templatetags/hedging_format.py.

const UNKNOWN = "unknown";
const IST = { timeZone: "Asia/Kolkata", hour12: false };
const clock = new Intl.DateTimeFormat("en-GB", { ...IST, hour: "2-digit", minute: "2-digit", second: "2-digit" });
const minutes = new Intl.DateTimeFormat("en-GB", { ...IST, hour: "2-digit", minute: "2-digit" });

function number(value) {
  if (value === null || value === undefined || value === "") return null;
  const read = Number(value);
  return Number.isFinite(read) ? read : null;
}

// Half up, as the server rounds: 50.05 is a little less in binary, and toFixed would take it down.
function fixed(size, places) {
  const plain = String(size);
  return (plain.includes("e") ? size : Number(`${Math.round(Number(`${plain}e${places}`))}e-${places}`)).toFixed(places);
}

export function grouped(value, places = 0) {
  const read = number(value);
  if (read === null) return UNKNOWN;
  const [whole, rest] = fixed(Math.abs(read), places).split(".");
  const head = whole.slice(0, -3), tail = whole.slice(-3);
  const text = (head ? head.replace(/\B(?=(\d{2})+$)/g, ",") + "," : "") + tail + (rest ? "." + rest : "");
  return (read < 0 && Number(text.replace(/[,.]/g, "")) ? "−" : "") + text;
}

export function rupees(value, places = 0) {
  const text = grouped(value, places);
  if (text === UNKNOWN) return text;
  return text.startsWith("−") ? "−₹" + text.slice(1) : "₹" + text;
}

// ₹12.3 L, ₹1.5 Cr: for axes, where there is no room for every digit.
export function short(value) {
  const read = number(value);
  if (read === null) return UNKNOWN;
  const size = Math.abs(read), sign = read < 0 ? "−" : "";
  if (size >= 1e7) return `${sign}₹${fixed(size / 1e7, 2)} Cr`;
  if (size >= 1e5) return `${sign}₹${fixed(size / 1e5, 2)} L`;
  return rupees(read);
}

export function percent(value) {
  const read = number(value);
  return read === null ? UNKNOWN : `${read < 0 ? "-" : ""}${fixed(Math.abs(read), 1)} %`;
}

export function duration(seconds) {
  const read = number(seconds);
  if (read === null) return UNKNOWN;
  const total = Math.trunc(read);
  if (total < 60) return `${total} s`;
  const inMinutes = Math.trunc(total / 60);
  if (inMinutes < 60) return `${inMinutes} min`;
  return `${Math.trunc(inMinutes / 60)} h ${String(inMinutes % 60).padStart(2, "0")} min`;
}

export const time = (at) => clock.format(new Date(at));
export const minute = (at) => minutes.format(new Date(at));
export const words = (code) => String(code).replaceAll("_", " ");
