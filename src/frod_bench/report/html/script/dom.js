// Elements, numbers, and the look of a method.
const data = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id);
const attributed = (node, attributes, text) => {
  Object.entries(attributes).forEach(([key, value]) => node.setAttribute(key, value));
  if (text !== undefined) node.textContent = text;
  return node;
};
const element = (name, attributes = {}, text) => attributed(document.createElement(name), attributes, text);
const shape = (name, attributes = {}, text) =>
  attributed(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, text);

const unique = (values) => [...new Set(values)];
const least = (values) => values.reduce((a, b) => Math.min(a, b), Infinity); // Math.min(...values) has a limit
const most = (values) => values.reduce((a, b) => Math.max(a, b), -Infinity);
const known = (value) => value !== null && value !== undefined;
const short = (value) => {
  const size = Math.abs(value);
  if (size >= 1e6) return `${+(value / 1e6).toPrecision(3)}M`;
  if (size >= 1e4) return `${+(value / 1e3).toPrecision(3)}k`;
  return String(+value.toPrecision(4));
};
const seedsInWords = (rows) => {
  const counts = rows.map((row) => row.seeds), low = least(counts), high = most(counts);
  return low === high ? `${low} seed${low === 1 ? "" : "s"}` : `${low} to ${high} seeds`;
};
const fill = (select, labels, values = labels.map((_, i) => i)) => {
  const before = select.value;
  select.replaceChildren(...labels.map((label, i) => element("option", {value: values[i]}, label)));
  if (values.map(String).includes(before)) select.value = before;
};

const DASHES = ["none", "7 3", "7 3 1.5 3", "1.5 3", "9 2 2 2 2 2"];
const MARKERS = ["M-4,0a4,4 0 1,0 8,0a4,4 0 1,0 -8,0", "M-3.5,-3.5h7v7h-7z", "M0,-4.5L4.5,3.5H-4.5z",
  "M0,-5L5,0L0,5L-5,0z", "M0,4.5L4.5,-3.5H-4.5z", "M-1.5,-4.5h3v3h3v3h-3v3h-3v-3h-3v-3h3z",
  "M-4,-2.5L-2.5,-4L0,-1.5L2.5,-4L4,-2.5L1.5,0L4,2.5L2.5,4L0,1.5L-2.5,4L-4,2.5L-1.5,0z"];
const looks = new Map(Object.entries(data.looks));
const look = (method) => {
  const i = looks.get(method) ?? 0;
  return {colour: data.colours[i % data.colours.length], dash: DASHES[i % DASHES.length], marker: MARKERS[i % MARKERS.length]};
};
const named = (method) => { // the method, and its settings in small print
  const [name, ...settings] = method.split(", ");
  const box = element("span", {class: "method"}), dot = element("i", {"aria-hidden": "true"});
  dot.style.background = look(method).colour;
  box.append(dot, name);
  if (settings.length) box.append(" ", element("small", {}, settings.join(", ")));
  return box;
};
