"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const SVG = "http://www.w3.org/2000/svg";
  const DASHES = ["", "7 3", "7 3 1.5 3", "1.5 3", "9 2 2 2 2 2"];
  const MARKERS = ["M-4,0a4,4 0 1,0 8,0a4,4 0 1,0 -8,0", "M-3.5,-3.5h7v7h-7z", "M0,-4.5L4.5,3.5H-4.5z",
    "M0,-5L5,0L0,5L-5,0z", "M0,4.5L4.5,-3.5H-4.5z", "M-1.5,-4.5h3v3h3v3h-3v3h-3v-3h-3v-3h3z",
    "M-4,-2.5L-2.5,-4L0,-1.5L2.5,-4L4,-2.5L1.5,0L4,2.5L2.5,4L0,1.5L-2.5,4L-4,2.5L-1.5,0z"];
  const look = (method) => {
    const i = data.looks[method] ?? 0;
    return {colour: data.colours[i % data.colours.length], dash: DASHES[i % DASHES.length], marker: MARKERS[i % MARKERS.length]};
  };
  const hidden = new Set(data.methods.slice(30)); // so many curves can be told apart at most; the legend shows the others
  const redraw = [];

  // ---- small helpers
  const byId = (id) => document.getElementById(id);
  const element = (name, attributes = {}, text) => {
    const node = document.createElement(name);
    Object.entries(attributes).forEach(([key, value]) => node.setAttribute(key, value));
    if (text !== undefined) node.textContent = text;
    return node;
  };
  const shape = (name, attributes = {}, text) => {
    const node = document.createElementNS(SVG, name);
    Object.entries(attributes).forEach(([key, value]) => node.setAttribute(key, value));
    if (text !== undefined) node.textContent = text;
    return node;
  };
  const unique = (values) => [...new Set(values)];
  const least = (values) => values.reduce((a, b) => Math.min(a, b), Infinity); // Math.min(...values) has a limit
  const most = (values) => values.reduce((a, b) => Math.max(a, b), -Infinity);
  const mean = (values) => values.reduce((a, b) => a + b, 0) / values.length;
  const known = (value) => value !== null && value !== undefined;
  const short = (value) => {
    const size = Math.abs(value);
    if (size >= 1e6) return `${+(value / 1e6).toPrecision(3)}M`;
    if (size >= 1e4) return `${+(value / 1e3).toPrecision(3)}k`;
    return String(+value.toPrecision(4));
  };
  const fill = (select, labels, values = labels.map((_, i) => i)) => {
    const before = select.value;
    select.replaceChildren(...labels.map((label, i) => element("option", {value: values[i]}, label)));
    if (values.map(String).includes(before)) select.value = before;
  };

  // ---- tables that sort
  document.querySelectorAll("table.sortable").forEach((table) => {
    table.querySelectorAll("thead th").forEach((head, column) => {
      head.querySelector("button").addEventListener("click", () => {
        const numeric = head.classList.contains("number");
        const was = head.getAttribute("aria-sort");
        const down = was ? was === "ascending" : numeric; // numbers start with the largest
        table.querySelectorAll("thead th").forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        const value = (row) => row.cells[column].dataset.value;
        const order = (a, b) => {
          if (value(a) === "" || value(b) === "") return (value(a) === "") - (value(b) === ""); // absent ones stay last
          const way = numeric ? value(a) - value(b) : value(a).localeCompare(value(b));
          return down ? -way : way;
        };
        const body = table.tBodies[0];
        body.append(...[...body.rows].sort(order));
      });
    });
  });

  // ---- axes
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
    let low = least(values), high = most(values);
    if (log) return [low / 1.25, high * 1.25];
    const room = (high - low) * 0.06 || Math.abs(high) * 0.05 || 1;
    return [low - room, high + room];
  };

  // series: {name, points: [[x, y, low?, high?, title?]], line: bool, marker: bool, front?: bool}
  const chart = (figure, series, {x: xLabel, y: yLabel, logX = false, whole = false}) => {
    const all = series.flatMap((s) => s.points);
    if (!all.length) {
      figure.replaceChildren(element("p", {class: "note"}, "Nothing was measured here."));
      return;
    }
    const width = Math.max(260, figure.clientWidth), height = Math.min(320, Math.max(220, width * 0.62));
    const margin = {left: 52, right: 12, top: 10, bottom: 38};
    const across = all.map((p) => p[0]);
    logX = logX && most(across) > 4 * least(across); // a short stretch reads better evenly
    const [x0, x1] = padded(across, logX);
    const [y0, y1] = padded(all.flatMap((p) => [p[1], p[2], p[3]].filter(known)));
    const scale = (v) => (logX ? Math.log10(v) : v);
    const px = (v) => margin.left + (scale(v) - scale(x0)) / (scale(x1) - scale(x0)) * (width - margin.left - margin.right);
    const py = (v) => height - margin.bottom - (v - y0) / (y1 - y0) * (height - margin.top - margin.bottom);
    const svg = shape("svg", {viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `${yLabel} against ${xLabel}`});
    for (const v of ticks(y0, y1)) {
      svg.append(shape("line", {class: "grid", x1: margin.left, x2: width - margin.right, y1: py(v), y2: py(v)}));
      svg.append(shape("text", {x: margin.left - 6, y: py(v) + 4, "text-anchor": "end"}, short(v)));
    }
    let last = -Infinity;
    for (const v of ticks(x0, x1, logX).filter((t) => !whole || Number.isInteger(t))) {
      if (px(v) - last < 34) continue;
      last = px(v);
      svg.append(shape("line", {class: "grid", x1: px(v), x2: px(v), y1: margin.top, y2: height - margin.bottom}));
      svg.append(shape("text", {x: px(v), y: height - margin.bottom + 15, "text-anchor": "middle"}, short(v)));
    }
    const bottom = height - margin.bottom;
    svg.append(shape("path", {class: "axis", fill: "none", d: `M${margin.left},${margin.top}V${bottom}H${width - margin.right}`}));
    svg.append(shape("text", {x: (margin.left + width - margin.right) / 2, y: height - 5, "text-anchor": "middle"}, xLabel));
    const middle = (margin.top + bottom) / 2;
    svg.append(shape("text", {x: 12, y: middle, "text-anchor": "middle", transform: `rotate(-90 12 ${middle})`}, yLabel));
    for (const s of series) {
      const {colour, dash, marker} = s.look || look(s.name);
      const at = (p) => `${px(p[0]).toFixed(1)},${py(p[1]).toFixed(1)}`;
      const banded = s.points.filter((p) => known(p[2]) && known(p[3]));
      if (banded.length > 1) {
        const edge = (points, k) => points.map((p) => at([p[0], p[k]])).join("L");
        svg.append(shape("path", {d: `M${edge(banded, 2)}L${edge([...banded].reverse(), 3)}Z`, fill: colour, opacity: 0.16}));
      }
      if (s.line) svg.append(shape("path", {d: `M${s.points.map(at).join("L")}`, fill: "none", stroke: colour,
        "stroke-width": s.thin ? 1.2 : 2, "stroke-dasharray": dash}));
      if (!s.marker) continue;
      for (const p of s.points) {
        const dot = shape("path", {d: marker, transform: `translate(${at(p)})`, fill: colour, stroke: "#fff", "stroke-width": 0.8});
        dot.append(shape("title", {}, p[4] || `${s.name}: ${short(p[1])} at ${short(p[0])}`));
        svg.append(dot);
      }
    }
    figure.replaceChildren(svg);
  };

  const legend = (figure, names) => {
    const box = element("div", {class: "legend"});
    for (const name of names) {
      const {colour, dash, marker} = look(name);
      const button = element("button", {type: "button", "aria-pressed": String(!hidden.has(name))});
      const key = shape("svg", {viewBox: "0 0 34 12", "aria-hidden": "true"});
      key.append(shape("path", {d: "M0,6H34", stroke: colour, "stroke-width": 2, "stroke-dasharray": dash}));
      key.append(shape("path", {d: marker, transform: "translate(17,6)", fill: colour, stroke: "#fff", "stroke-width": 0.8}));
      button.append(key, element("span", {}, name));
      button.addEventListener("click", () => {
        hidden.has(name) ? hidden.delete(name) : hidden.add(name);
        redraw.forEach((draw) => draw());
      });
      box.append(button);
    }
    figure.append(box);
  };

  // ---- choices of setting and task
  const choices = (prefix, draw, whole) => {
    const section = byId(`${prefix}-section`), task = byId(`${prefix}-task`);
    const tasks = () => {
      const found = unique(data.sections[section.value].rows.map((row) => row.task));
      const names = whole && found.length > 1 ? [whole, ...found] : found;
      fill(task, names, names);
    };
    fill(section, data.sections.map((s) => s.name));
    tasks();
    const show = () => draw(+section.value, task.value);
    section.addEventListener("change", () => { tasks(); show(); });
    task.addEventListener("change", show);
    redraw.push(show);
    show();
  };

  // ---- learning curves
  const drawCurves = (section, task) => {
    const rows = data.sections[section].rows.filter((row) => row.task === task);
    const methods = rows.map((row) => row.method).sort();
    for (const [key, label] of [["score", rows[0].curve], ["loss", "training loss"]]) {
      const shown = rows.filter((row) => !hidden.has(row.method));
      const series = shown.map((row) => ({name: row.method, line: true, marker: true, points: row.curves[key]}));
      const figure = byId(`curves-${key}`);
      chart(figure, series, {x: "epoch", y: label, whole: true});
      legend(figure, methods);
    }
  };

  // ---- tan alpha
  const angled = data.runs.filter((run) => run.epochs.some((e) => e.angle && known(e.angle[0])));
  const label = (run) => `${run.task}, ${run.method}, seed ${run.seed}` +
    (data.sections.length > 1 ? ` (${data.sections[run.section].name})` : "");
  const place = (layer) => {
    const parts = layer.split("."), at = parts.findIndex((part) => /^\d+$/.test(part));
    return at < 0 ? ["", layer] : [parts.slice(0, at + 1).join("."), parts.slice(at + 1).join(".")];
  };
  const shade = (share) => { // from white to the first blue of the palette
    const [r, g, b] = [1, 3, 5].map((i) => parseInt(data.colours[0].slice(i, i + 2), 16));
    return `rgb(${[r, g, b].map((c) => Math.round(255 + share * 0.85 * (c - 255))).join(",")})`;
  };
  const drawLayers = (run, epoch) => {
    const table = byId("angles-layers"), line = run.epochs.find((e) => e.epoch === epoch);
    const cells = new Map(run.layers.map((name, i) => [place(name).join("|"), line.layers[i]]));
    const blocks = unique(run.layers.map((name) => place(name)[0])), kinds = unique(run.layers.map((name) => place(name)[1]));
    const values = run.epochs.flatMap((e) => e.layers).filter(known);
    const low = least(values), high = most(values);
    const head = element("tr");
    head.append(element("th", {scope: "col"}, "block"), ...kinds.map((kind) => element("th", {scope: "col"}, kind)));
    const rows = blocks.map((block) => {
      const row = element("tr");
      row.append(element("th", {scope: "row"}, block.split(".").pop() || "none"));
      for (const kind of kinds) {
        const value = cells.get(`${block}|${kind}`);
        const share = known(value) && high > low ? (value - low) / (high - low) : 0;
        const style = known(value) ? `background:${shade(share)};color:${share > 0.6 ? "#fff" : "#1c2330"}` : "";
        row.append(element("td", {style}, known(value) ? value.toPrecision(3) : "—"));
      }
      return row;
    });
    const top = element("thead"), body = element("tbody");
    top.append(head);
    body.append(...rows);
    table.replaceChildren(...(run.layers.length ? [top, body] : []));
  };
  const drawAngles = () => {
    const run = angled[byId("angles-run").value];
    const points = run.epochs.filter((e) => e.angle && known(e.angle[0])).map((e) => [e.epoch, ...e.angle]);
    chart(byId("angles-chart"), [{name: run.method, line: true, marker: true, points}], {x: "epoch", y: "tan α", whole: true});
    drawLayers(run, +byId("angles-epoch").value);
  };
  const chooseRun = () => {
    const epochs = angled[byId("angles-run").value].epochs.map((e) => e.epoch), select = byId("angles-epoch");
    fill(select, epochs, epochs);
    select.selectedIndex = epochs.length - 1;
    drawAngles();
  };
  if (angled.length) {
    fill(byId("angles-run"), angled.map(label));
    byId("angles-run").addEventListener("change", chooseRun);
    byId("angles-epoch").addEventListener("change", drawAngles);
    redraw.push(drawAngles);
    chooseRun();
  } else {
    byId("angles").hidden = true;
  }

  // ---- trade-offs
  const ALL = "mean over all tasks";
  const drawTradeoffs = (section, task) => {
    const rows = data.sections[section].rows, count = unique(rows.map((row) => row.task)).length;
    const methods = unique(rows.map((row) => row.method)).sort();
    const of = (method) => rows.filter((row) => row.method === method && (task === ALL || row.task === task));
    const whole = methods.filter((method) => of(method).length === (task === ALL ? count : 1));
    const shown = whole.filter((method) => !hidden.has(method));
    for (const [id, key, text] of [["parameters", "trainable", "trainable parameters"],
      ["time", "s_per_epoch", "seconds an epoch"], ["memory", "peak_mib", "peak memory (MiB)"]]) {
      const points = shown.filter((name) => of(name).every((row) => known(row[key]) && row[key] > 0)).map((name) => ({
        name, x: mean(of(name).map((row) => row[key])), y: mean(of(name).map((row) => row.best)),
      }));
      const front = points.filter((p) => !points.some((q) => q !== p && q.x <= p.x && q.y >= p.y && (q.x < p.x || q.y > p.y)));
      front.sort((a, b) => a.x - b.x);
      const series = [{name: "front", line: true, thin: true, look: {colour: "#5b6576", dash: "", marker: ""}, points: front.map((p) => [p.x, p.y])}]
        .concat(points.map((p) => ({name: p.name, marker: true, points: [[p.x, p.y, null, null, `${p.name}: ${p.y.toFixed(2)} % at ${short(p.x)}`]]})));
      const figure = byId(`tradeoffs-${id}`);
      chart(figure, points.length ? series : [], {x: text, y: "best (%)", logX: true});
      legend(figure, whole);
    }
  };

  // ---- differences
  const drawDifferences = () => {
    const [a, b] = ["a", "b"].map((side) => data.runs[byId(`differences-${side}`).value]);
    const keys = unique([...Object.keys(a.config), ...Object.keys(b.config)]).sort();
    const rows = keys.filter((key) => a.config[key] !== b.config[key]).map((key) => {
      const row = element("tr");
      row.append(element("th", {scope: "row"}, key));
      row.append(...[a, b].map((run) => element("td", {class: "value"}, run.config[key] ?? "—")));
      return row;
    });
    const body = element("tbody");
    body.append(...(rows.length ? rows : [element("tr")]));
    if (!rows.length) body.rows[0].append(element("td", {}, "The two configurations are the same."));
    byId("differences-table").replaceChildren(body);
  };

  // ---- begin
  if (data.runs.length) {
    choices("curves", drawCurves);
    choices("tradeoffs", drawTradeoffs, ALL);
    for (const side of ["a", "b"]) {
      fill(byId(`differences-${side}`), data.runs.map(label));
      byId(`differences-${side}`).addEventListener("change", drawDifferences);
    }
    byId("differences-b").selectedIndex = data.runs.length > 1 ? 1 : 0;
    drawDifferences();
  }
  let width = window.innerWidth;
  window.addEventListener("resize", () => {
    if (window.innerWidth !== width) {
      width = window.innerWidth;
      redraw.forEach((draw) => draw());
    }
  });
})();
