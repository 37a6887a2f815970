// One chart: axes, and series of which the highlighted ones are in colour and the others grey.
const ticks = (low, high, log) => {
  if (log) {
    const found = [];
    for (let e = Math.floor(Math.log10(low)); e <= Math.ceil(Math.log10(high)); e++)
      for (const m of [1, 2, 5]) found.push(m * 10 ** e);
    const inside = found.filter((v) => v >= low && v <= high);
    return inside.length > 6 ? inside.filter((v) => /^1(0*|e.*)$/.test(String(v)) || String(v).match(/^0\.0*1$/)) : inside;
  }
  const raw = (high - low) / 5 || 1;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= raw);
  const found = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i++) found.push(+(i * step).toPrecision(12));
  return found;
};
const padded = (values, log) => {
  const low = least(values), high = most(values);
  if (log) return [low / 1.4, high * 1.4];
  const room = (high - low) * 0.07 || Math.abs(high) * 0.05 || 1;
  return [low - room, high + room];
};

// the plane of a chart: its svg and how a value becomes a place
const plane = (figure, across, up, {x, title, logX = false, whole = false}) => {
  const width = Math.max(260, figure.clientWidth), height = Math.min(300, Math.max(210, width * 0.6));
  const left = 44, right = width - 14, top = 8, bottom = height - 38;
  logX = logX && most(across) > 4 * least(across); // a short stretch reads better evenly
  const [x0, x1] = padded(across, logX), [y0, y1] = padded(up);
  const scale = (v) => (logX ? Math.log10(v) : v);
  const px = (v) => left + (scale(v) - scale(x0)) / (scale(x1) - scale(x0)) * (right - left);
  const py = (v) => bottom - (v - y0) / (y1 - y0) * (bottom - top);
  const svg = shape("svg", {viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `${title}, against ${x}`});
  for (const v of ticks(y0, y1)) {
    svg.append(shape("line", {class: "grid", x1: left, x2: right, y1: py(v), y2: py(v)}));
    svg.append(shape("text", {class: "tick", x: left - 7, y: py(v) + 4, "text-anchor": "end"}, short(v)));
  }
  let last = -Infinity;
  for (const v of ticks(x0, x1, logX).filter((t) => !whole || Number.isInteger(t))) {
    if (px(v) - last < 36) continue;
    last = px(v);
    svg.append(shape("line", {class: "axis", x1: px(v), x2: px(v), y1: bottom, y2: bottom + 4}));
    svg.append(shape("text", {class: "tick", x: px(v), y: bottom + 16, "text-anchor": "middle"}, short(v)));
  }
  svg.append(shape("line", {class: "axis", x1: left, x2: right, y1: bottom, y2: bottom}));
  svg.append(shape("text", {x: (left + right) / 2, y: height - 4, "text-anchor": "middle"}, x));
  return {svg, px, py, left, right, top, bottom};
};

// series: {name, lit, points: [[x, y, low, high]], line, whisker, label?: text, say: (point) => text}
const chart = (figure, series, options) => {
  const points = series.flatMap((s) => s.points);
  const caption = element("figcaption", {}, options.title);
  if (!points.length) {
    figure.replaceChildren(caption, element("p", {class: "note"}, "Nothing was measured here."));
    return;
  }
  const up = series.flatMap((s) => s.points.flatMap((p) => (s.line && !s.lit ? [p[1]] : p.slice(1, 4)))).filter(known);
  const at = plane(figure, points.map((p) => p[0]), up, options); // a grey line shows no band
  const groups = [...series].sort((a, b) => a.lit - b.lit).map((s) => drawSeries(s, at));
  at.svg.append(...groups);
  figure.replaceChildren(caption, at.svg);
  if (series.some((s) => s.label)) putLabels(series, at);
};

const drawSeries = (s, {px, py}) => {
  const {colour, dash, marker} = look(s.name);
  const group = shape("g", {class: s.lit ? "series lit" : "series"});
  group.dataset.method = s.name;
  group.style.setProperty("--colour", colour);
  group.style.setProperty("--dash", dash);
  const place = (x, y) => `${px(x).toFixed(1)},${py(y).toFixed(1)}`;
  const path = (points) => `M${points.map((p) => place(p[0], p[1])).join("L")}`;
  const banded = s.points.filter((p) => known(p[2]) && known(p[3]));
  if (s.line) {
    if (banded.length > 1) {
      const [low, high] = [2, 3].map((k) => banded.map((p) => place(p[0], p[k])));
      group.append(shape("path", {class: "band", d: `M${low.join("L")}L${high.reverse().join("L")}Z`}));
    }
    group.append(shape("path", {class: "hit", d: path(s.points)}), shape("path", {class: "line", d: path(s.points)}));
  } else {
    for (const p of banded) group.append(shape("path", {class: "whisker", d: `M${place(p[0], p[2])}L${place(p[0], p[3])}`}));
  }
  for (const p of s.points) {
    const dot = shape("path", {class: "dot", d: marker, transform: `translate(${place(p[0], p[1])})`});
    dot.append(shape("title", {}, s.say(p)));
    group.append(dot);
  }
  return group;
};

// the names of highlighted points beside them, where there is room
const putLabels = (series, {svg, px, py, left, right, top, bottom}) => {
  const taken = series.filter((s) => s.lit).flatMap((s) => s.points.map((p) => ({x: px(p[0]) - 5, y: py(p[1]) - 5, w: 10, h: 10})));
  const free = (box) => box.x >= left && box.x + box.w <= right && box.y >= top - 6 && box.y + box.h <= bottom &&
    !taken.some((o) => box.x < o.x + o.w && o.x < box.x + box.w && box.y < o.y + o.h && o.y < box.y + box.h);
  for (const s of series) {
    const text = shape("text", {class: "name"}, s.label), [p] = s.points;
    svg.querySelector(`[data-method="${CSS.escape(s.name)}"]`).append(text);
    const w = text.getComputedTextLength() + 2, h = 13, x = px(p[0]), y = py(p[1]);
    const boxes = [[8, -6], [-w - 8, -6], [8, -17], [-w - 8, -17], [8, 6], [-w - 8, 6], [-w / 2, -21], [-w / 2, 9]];
    const box = boxes.map(([dx, dy]) => ({x: x + dx, y: y + dy, w, h})).find(free);
    if (s.lit && box) taken.push(box);
    const put = box || {x: Math.min(x + 8, right - w), y: y - 17};
    attributed(text, {x: put.x, y: put.y + 10});
    if (!box) text.classList.add("crowded"); // shown only while its method is pointed at
  }
};
