// Learning curves: score and training loss by epoch.
const drawCurves = (block, rows, task) => {
  const figures = [];
  for (const [key, label] of [["score", rows[0].curve], ["loss", "training loss"]]) {
    const series = toDraw(rows).filter((row) => row.curves[key].length).map((row) => ({
      name: row.method, lit: isLit(row), line: true, points: row.curves[key],
      say: (p) => `${row.method}: ${short(p[1])} after epoch ${p[0]}`,
    }));
    const figure = byId(`curves-${key}`);
    chart(figure, series, {x: "epoch", title: `${label} on ${task}, ${seedsInWords(rows)}`, whole: true});
    figures.push(figure);
  }
  legend(byId("curves-legend"), rows, figures);
};
