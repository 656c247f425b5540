// Pages say everything without this. It puts instants into the reader's own zone, and tells beside a chart what its table says of
// the day under the pointer, or of the one chosen with the arrow keys.
"use strict";
for (const time of document.querySelectorAll("time[data-at]")) {
  const at = new Date(time.dateTime);
  const full = at.toLocaleString(undefined, { weekday: "short", day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit" });
  const there = time.title;
  time.title = full + " in your zone; " + there;
  if (time.dataset.at === "exact") {
    time.textContent = at.toLocaleString(undefined, { weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
  }
}
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
for (const place of document.querySelectorAll("[data-zone]")) {
  place.textContent = "your zone (" + zone + ")";
}
for (const figure of document.querySelectorAll("figure.chart")) {
  const plots = figure.querySelectorAll("g[data-first]");
  const rows = [...figure.querySelectorAll(".data tbody tr")].map(row => [...row.cells].map(cell => cell.textContent));
  const details = figure.querySelector("details");
  if (!plots.length || rows.length < 2) continue;
  const heads = [...figure.querySelectorAll(".data thead th")].map(head => head.textContent);
  const said = document.createElement("p");
  said.className = "said";
  said.setAttribute("role", "status");
  details.before(said);
  let chosen = rows.length - 1;
  for (const plot of plots) {
    const drawing = plot.ownerSVGElement;
    const at = name => Number(plot.dataset[name]);
    const line = document.createElementNS("http://www.w3.org/2000/svg", "line");
    line.setAttribute("class", "pointed");
    const tell = day => {
      chosen = Math.min(rows.length - 1, Math.max(0, day));
      const [name, ...cells] = rows[chosen];
      said.textContent = name + ": " + cells.map((cell, place) => cell && heads[place + 1].toLowerCase() + " " + cell).filter(Boolean).join(", ");
      const x = at("first") + (at("last") - at("first")) * chosen / (rows.length - 1);
      for (const [end, y] of [["1", at("top")], ["2", at("bottom")]]) {
        line.setAttribute("x" + end, x);
        line.setAttribute("y" + end, y);
      }
      plot.append(line);
    };
    const forget = () => { line.remove(); said.textContent = ""; };
    drawing.setAttribute("tabindex", "0");
    drawing.addEventListener("pointermove", event => {
      const x = (event.clientX - drawing.getBoundingClientRect().left) * drawing.viewBox.baseVal.width / drawing.clientWidth;
      tell(Math.round((x - at("first")) / (at("last") - at("first")) * (rows.length - 1)));
    });
    drawing.addEventListener("pointerleave", forget);
    drawing.addEventListener("focus", () => tell(chosen));
    drawing.addEventListener("blur", forget);
    drawing.addEventListener("keydown", event => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (step) { tell(chosen + step); event.preventDefault(); }
    });
  }
}
