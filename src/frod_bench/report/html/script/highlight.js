// Which methods are in colour: those that the report picked, until a reader picks others.
const MOST_SERIES = 200; // of a chart, the best ones
const picked = new Map(); // method: whether the reader wants it in colour
const redraw = [];
const isLit = (row) => picked.get(row.method) ?? row.lit;
const toDraw = (rows) => [...rows].sort((a, b) => isLit(b) - isLit(a) || b.score - a.score).slice(0, MOST_SERIES);

const toggle = (row) => {
  picked.set(row.method, !isLit(row));
  redraw.forEach((draw) => draw());
};
// colour a method in these figures while it is pointed at
const point = (figures, method, on) => figures.forEach((figure) =>
  figure.querySelectorAll(".series").forEach((group) => {
    group.classList.toggle("pointed", on && group.dataset.method === method);
  }));

const legend = (box, rows, figures) => {
  const focused = box.contains(document.activeElement) ? document.activeElement.dataset.method : null;
  const buttons = toDraw(rows).map((row) => {
    const {colour, dash, marker} = look(row.method);
    const button = element("button", {type: "button", "aria-pressed": String(isLit(row))});
    button.dataset.method = row.method;
    button.style.setProperty("--colour", colour);
    button.style.setProperty("--dash", dash);
    const key = shape("svg", {viewBox: "0 0 30 12", "aria-hidden": "true"});
    key.append(shape("path", {class: "line", d: "M0,6H30"}), shape("path", {class: "dot", d: marker, transform: "translate(15,6)"}));
    button.append(key, element("span", {}, row.method));
    button.addEventListener("click", () => toggle(row));
    for (const [event, on] of [["pointerenter", true], ["pointerleave", false], ["focus", true], ["blur", false]])
      button.addEventListener(event, () => point(figures, row.method, on));
    return button;
  });
  box.replaceChildren(...buttons);
  if (focused !== null) buttons.find((button) => button.dataset.method === focused)?.focus();
  for (const group of figures.flatMap((figure) => [...figure.querySelectorAll(".series")])) {
    const method = group.dataset.method;
    group.addEventListener("pointerenter", () => point(figures, method, true));
    group.addEventListener("pointerleave", () => point(figures, method, false));
    group.addEventListener("click", () => toggle(rows.find((row) => row.method === method)));
  }
};

// the choice of a block and a task above a group of charts
const choices = (prefix, draw, withMean) => {
  const block = byId(`${prefix}-block`), task = byId(`${prefix}-task`);
  const tasks = () => {
    const {tasks: rows, means} = data.blocks[block.value], names = Object.keys(rows);
    const mean = withMean && means.length ? [`mean of ${names.length} tasks`] : [];
    fill(task, [...mean, ...names], [...mean.map(() => ""), ...names]);
  };
  const show = () => {
    const chosen = data.blocks[block.value];
    draw(chosen, task.value === "" ? chosen.means : chosen.tasks[task.value], task.selectedOptions[0].textContent);
  };
  fill(block, data.blocks.map((each) => each.name));
  tasks();
  block.addEventListener("change", () => { tasks(); show(); });
  task.addEventListener("change", show);
  redraw.push(show);
  show();
};
