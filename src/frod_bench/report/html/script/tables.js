// Tables: methods with their colour, headings that sort, and a box that filters all of them.
const tables = [...document.querySelectorAll("table.sortable")];
const columnsNamed = (table, names) =>
  [...table.tHead.rows[0].cells].flatMap((head, i) => (names.includes(head.textContent.trim()) ? [i] : []));

const sortBy = (table, head, column) => {
  const numeric = head.classList.contains("number"), was = head.getAttribute("aria-sort");
  const down = was ? was === "ascending" : numeric; // numbers start with the largest
  table.querySelectorAll("thead th").forEach((other) => other.removeAttribute("aria-sort"));
  head.setAttribute("aria-sort", down ? "descending" : "ascending");
  const value = (row) => row.cells[column].dataset.value;
  const order = (a, b) => {
    if (value(a) === "" || value(b) === "") return (value(a) === "") - (value(b) === ""); // absent ones stay last
    const way = numeric ? value(a) - value(b) : value(a).localeCompare(value(b));
    return down ? -way : way;
  };
  table.tBodies[0].append(...[...table.tBodies[0].rows].sort(order));
};

for (const table of tables) {
  table.querySelectorAll("thead th").forEach((head, column) => {
    head.querySelector("button").addEventListener("click", () => sortBy(table, head, column));
  });
  for (const column of columnsNamed(table, ["method", "baseline"]))
    for (const row of table.tBodies[0].rows) {
      const cell = row.cells[column];
      if (looks.has(cell.dataset.value)) cell.replaceChildren(named(cell.dataset.value));
    }
}

const filter = byId("filter");
let timer;
filter.addEventListener("input", () => {
  clearTimeout(timer);
  timer = setTimeout(filterTables, 80);
});
const filterTables = () => {
  const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0, all = 0;
  for (const table of tables) {
    let here = 0;
    for (const row of table.tBodies[0].rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
      here += !row.hidden;
      all += 1;
    }
    shown += here;
    const box = table.closest("details");
    if (box) box.classList.toggle("empty", here === 0);
  }
  byId("filter-count").textContent = words.length ? `${shown.toLocaleString("en")} of ${all.toLocaleString("en")} rows` : "";
};
