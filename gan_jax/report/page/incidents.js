"use strict";

/* What went wrong or was out of the ordinary: where in training, and in a table. */

const TIMELINE = { width: 900, left: 20, right: 870, lane: 26 };

function incidentsSection(data, view) {
  const { rows, left_out: leftOut } = data.incidents;
  if (rows.length === 0) return section("incidents", "Incidents", element("p", {}, "None."));
  const note = leftOut
    ? element("p", { class: "note" }, `${formatNumber(leftOut)} in the middle are left out.`)
    : null;
  return section(
    "incidents",
    "Incidents",
    timeline(rows, data.runs),
    incidentTable(rows, data.runs, view),
    note,
  );
}

function timeline(rows, runs) {
  const placed = rows.filter((row) => row.step !== null);
  if (placed.length === 0) return null;
  const present = [...new Set(placed.map((row) => row.run))].sort((a, b) => a - b);
  const most = Math.max(...runs.map((run) => run.status.step), ...placed.map((row) => row.step), 1);
  const scale = new Scale([0, most], [TIMELINE.left, TIMELINE.right]);
  const height = TIMELINE.lane * present.length + 24;
  const plot = svg("svg", {
    viewBox: `0 0 ${TIMELINE.width} ${height}`,
    class: "timeline",
    role: "img",
    "aria-label": "incidents over the steps",
  });
  present.forEach((run, lane) =>
    plot.append(
      timelineLane(
        placed.filter((row) => row.run === run),
        lane,
        scale,
      ),
    ),
  );
  for (const value of scale.ticks(8)) {
    plot.append(
      svg(
        "text",
        { x: scale.place(value), y: height - 6, "text-anchor": "middle" },
        formatTick(value),
      ),
    );
  }
  return plot;
}

function timelineLane(rows, lane, scale) {
  const y = TIMELINE.lane * (lane + 0.5);
  const marks = rows.map((row) => {
    const title = svg("title", {}, `${row.kind} at step ${formatNumber(row.step)}: ${row.message}`);
    return svg(
      "circle",
      { cx: scale.place(row.step), cy: y, r: 5, class: isHarmless(row) ? "harmless" : "" },
      title,
    );
  });
  const base = svg("line", { x1: TIMELINE.left, x2: TIMELINE.right, y1: y, y2: y });
  return svg("g", { class: `line ${colourClass(rows[0].run)}` }, base, ...marks);
}

function isHarmless(row) {
  return row.kind === "resumed" || row.kind === "stopped";
}

function incidentTable(rows, runs, view) {
  const lines = rows.map((row) => {
    const kind = element("span", { class: `state ${isHarmless(row) ? "" : "diverged"}` }, row.kind);
    const line = element(
      "tr",
      {},
      element("th", { scope: "row" }, runTag(runs, row.run)),
      element("td", {}, row.time),
      element("td", { class: "number" }, formatNumber(row.step)),
      element("td", {}, kind),
      element("td", {}, row.message, incidentDetails(row.details)),
    );
    view.listen(() => (line.hidden = view.hidden.has(row.run)));
    return line;
  });
  const table = element(
    "table",
    {},
    headRow("run", "time", "step", "kind", "what"),
    element("tbody", {}, ...lines),
  );
  return element("div", { class: "scroll tall" }, table);
}

function incidentDetails(details) {
  if (details.length === 0) return null;
  return element("details", {}, element("summary", {}, "details"), termList(details));
}
