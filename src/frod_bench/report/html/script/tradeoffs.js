// Trade-offs: the reported score against what a method takes, with its interval over the seeds.
const drawTradeoffs = (block, rows, task) => {
  const figures = [];
  for (const [id, key, text] of [["parameters", "trainable", "trainable parameters"],
    ["time", "s_per_epoch", "seconds per epoch"], ["memory", "peak_mib", "peak memory (MiB)"]]) {
    const series = toDraw(rows).filter((row) => known(row[key]) && row[key] > 0).map((row) => ({
      name: row.method, lit: isLit(row), label: row.method.split(", ")[0], points: [[row[key], row.score, ...(row.interval || [])]],
      say: () => `${row.method}: ${row.score.toFixed(2)} %` +
        (row.interval ? ` (95 % over seeds: ${row.interval[0].toFixed(1)} to ${row.interval[1].toFixed(1)})` : "") +
        ` at ${short(row[key])} ${text}`,
    }));
    const figure = byId(`tradeoffs-${id}`);
    chart(figure, series, {x: text, title: `${block.reported} (%) against ${text}: ${task}, ${seedsInWords(rows)}`, logX: true});
    figures.push(figure);
  }
  legend(byId("tradeoffs-legend"), rows, figures);
};
