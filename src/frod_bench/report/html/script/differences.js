// The settings in which two runs differ.
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

