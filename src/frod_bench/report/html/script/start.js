// Everything is drawn once, and anew when the width changes.
if (data.runs.length) {
  choices("curves", drawCurves, false);
  choices("tradeoffs", drawTradeoffs, true);
  for (const side of ["a", "b"]) {
    fill(byId(`differences-${side}`), data.runs.map(runLabel));
    byId(`differences-${side}`).addEventListener("change", drawDifferences);
  }
  byId("differences-b").selectedIndex = data.runs.length > 1 ? 1 : 0;
  drawDifferences();
  startAngles();
} else {
  for (const id of ["curves", "tradeoffs", "angles", "differences"]) byId(id).hidden = true;
}
let width = window.innerWidth;
window.addEventListener("resize", () => {
  if (window.innerWidth !== width) {
    width = window.innerWidth;
    redraw.forEach((draw) => draw());
  }
});
