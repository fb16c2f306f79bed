"use strict";

/* The curves of metrics.jsonl, grouped by the prefixes of their names. */

const HOW_TO_READ =
  "Drag to zoom all charts, double-click to see everything. " +
  "With the keyboard: arrow keys read values, + and - zoom, Escape shows everything.";

function curvesSection(data, view) {
  const charts = metricCharts(data).map((chart) => ({
    group: chart.group,
    name: chart.name,
    figure: new Chart(chart, data.runs, view).figure,
  }));
  if (charts.length === 0)
    return section("curves", "Curves", element("p", {}, "No metrics were logged."));
  const groups = [...new Set(charts.map((chart) => chart.group))].map((name) =>
    curveGroup(name, charts),
  );
  const search = searchField("filter metrics", (words) => filterCharts(charts, groups, words));
  const help = element("p", { class: "note" }, HOW_TO_READ);
  return section("curves", "Curves", search, help, ...groups.map((group) => group.element));
}

function curveGroup(name, charts) {
  const figures = charts.filter((chart) => chart.group === name).map((chart) => chart.figure);
  const summary = element(
    "summary",
    {},
    name,
    element("span", { class: "note" }, ` ${plural(figures.length, "chart", "charts")}`),
  );
  return {
    name,
    element: element(
      "details",
      { open: true, class: "group" },
      summary,
      element("div", { class: "charts" }, ...figures),
    ),
  };
}

function filterCharts(charts, groups, words) {
  for (const chart of charts) chart.figure.hidden = !chart.name.toLowerCase().includes(words);
  for (const group of groups) {
    group.element.hidden = charts.every(
      (chart) => chart.group !== group.name || chart.figure.hidden,
    );
  }
}
