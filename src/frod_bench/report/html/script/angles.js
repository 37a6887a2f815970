// tan alpha of one run: by epoch, and by layer after one epoch.
const angled = data.runs.filter((run) => run.epochs.some((e) => e.angle && known(e.angle[0])));
const runLabel = (run) => `${run.task}, ${run.method}, seed ${run.seed}` +
  (data.blocks.length > 1 ? ` (${data.blocks[run.block].name})` : "");
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
  const say = (p) => `tan α ${short(p[1])} after epoch ${p[0]}`;
  const title = `tan α of ${run.method} on ${run.task}, seed ${run.seed}`;
  chart(byId("angles-chart"), [{name: run.method, lit: true, line: true, points, say}], {x: "epoch", title, whole: true});
  drawLayers(run, +byId("angles-epoch").value);
};
const chooseRun = () => {
  const epochs = angled[byId("angles-run").value].epochs.map((e) => e.epoch), select = byId("angles-epoch");
  fill(select, epochs, epochs);
  select.selectedIndex = epochs.length - 1;
  drawAngles();
};
const startAngles = () => {
  byId("angles").hidden = !angled.length;
  if (!angled.length) return;
  fill(byId("angles-run"), angled.map(runLabel));
  byId("angles-run").addEventListener("change", chooseRun);
  byId("angles-epoch").addEventListener("change", drawAngles);
  redraw.push(drawAngles);
  chooseRun();
};
