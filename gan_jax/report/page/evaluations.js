"use strict";

/* A table for each protocol, and its charts. Values of two protocols never share a column. */

const FEW_ROWS = 12;

const WHY_SO_MANY_TABLES =
  "Only values of the same protocol, real data and number of samples can be compared; each has " +
  "a table of its own. ★ best of the column, ☆ best of its run.";

function evaluationsSection(data, view) {
  if (data.evaluations.length === 0)
    return section("evaluations", "Evaluations", element("p", {}, "There are no evaluations."));
  const why = element("p", { class: "note" }, WHY_SO_MANY_TABLES);
  return section(
    "evaluations",
    "Evaluations",
    why,
    ...data.evaluations.map((table) => protocolPanel(table, data.runs, view)),
  );
}

function protocolPanel(table, runs, view) {
  const charts = evaluationCharts(table)
    .filter(hasSeveralPoints)
    .map((chart) => new Chart(chart, runs, view).figure);
  const shared = table.shared.length ? termList(table.shared) : null;
  return element(
    "div",
    { class: "panel protocol" },
    element("h3", {}, ...protocolTitle(table)),
    protocolDetails(table),
    shared,
    warningsList(table.warnings),
    new EvaluationTable(table, runs, view).element,
    element("div", { class: "charts" }, ...charts),
  );
}

function hasSeveralPoints(chart) {
  return chart.series.some((series) => series.points.length > 1);
}

function protocolTitle(table) {
  const samples = table.samples === null ? "" : `, ${formatNumber(table.samples)} samples`;
  const badges = {
    true: ["verified", "weights verified"],
    false: ["unverified", "weights unverified"],
  };
  const [state, text] = badges[String(table.verified)] ?? ["", ""];
  const badge = text ? element("span", { class: `state ${state}` }, text) : null;
  const named = table.protocol ? ` · protocol ${table.protocol}` : "";
  const unstated = table.is_stated ? "" : " · no protocol stated";
  return [`${table.evaluator}${named}${unstated}${samples} `, badge];
}

function protocolDetails(table) {
  const real = table.real.map(([name, value]) => [`real ${name}`, value]);
  const protocol = table.details.map(([name, value]) => [name.replaceAll("_", " "), value]);
  return termList([...protocol, ...real]);
}

function warningsList(warnings) {
  if (warnings.length === 0) return null;
  const lines = warnings.map(([text, count]) =>
    element("li", {}, `${text} (${plural(count, "row", "rows")})`),
  );
  return element("ul", { class: "warnings" }, ...lines);
}

class EvaluationTable {
  constructor(table, runs, view) {
    Object.assign(this, { table, runs, view });
    this.all = table.rows.length <= FEW_ROWS;
    this.lines = table.rows.map((row) => ({ row, line: this.lineOf(row), isKey: this.isKey(row) }));
    const body = element("tbody", {}, ...this.lines.map(({ line }) => line));
    const grid = element("table", { class: "evaluations" }, this.headOf(), body);
    this.element = element("div", {}, this.choice(), element("div", { class: "scroll" }, grid));
    view.listen(() => this.show());
  }

  choice() {
    if (this.all) return null;
    const text = `all ${this.table.rows.length} rows (otherwise the last and the best of each run)`;
    const choose = (all) => {
      this.all = all;
      this.show();
    };
    return checkbox(text, false, choose);
  }

  show() {
    for (const { row, line, isKey } of this.lines) {
      line.hidden = this.view.hidden.has(row.run) || !(this.all || isKey);
    }
  }

  isKey(row) {
    const rows = this.table.rows.filter(
      (other) => other.run === row.run && other.label === row.label,
    );
    return row === rows.at(-1) || row.cells.some((cell) => cell?.best);
  }

  headOf() {
    const arrows = { lower: " ↓", higher: " ↑" };
    const metrics = this.table.metrics.map((metric) => metric.name + (arrows[metric.better] ?? ""));
    const warned = this.table.warnings.length ? ["warnings"] : [];
    return headRow("run", "step", ...this.table.columns, ...metrics, ...warned);
  }

  lineOf(row) {
    const warned = row.warnings.length ? `⚠ ${row.warnings.join("; ")}` : "";
    return element(
      "tr",
      {},
      element("th", { scope: "row" }, runTag(this.runs, row.run)),
      element("td", { class: "number" }, formatNumber(row.step)),
      ...row.fields.map((text) => element("td", {}, text ?? "–")),
      ...row.cells.map((cell) => this.metricCell(cell)),
      this.table.warnings.length ? element("td", { class: "warning" }, warned) : null,
    );
  }

  metricCell(cell) {
    if (cell === null) return element("td", { class: "number" }, "–");
    const mark = { all: "★ ", run: "☆ " }[cell.best] ?? "";
    const kind = cell.best === "all" ? "number best" : "number";
    const more = cell.more.map(([name, value]) => `${name} ${value}`).join(", ");
    const value = element("span", { class: "value" }, mark + formatNumber(cell.value));
    const range = element("span", { class: "range" }, rangeText(cell));
    return element(
      "td",
      { class: kind },
      value,
      range,
      more ? element("span", { class: "more" }, more) : null,
    );
  }
}

function rangeText(cell) {
  const deviation = cell.std === null ? "" : ` ± ${formatNumber(cell.std)}`;
  const interval =
    cell.low === null || cell.high === null
      ? ""
      : ` [${formatNumber(cell.low)}, ${formatNumber(cell.high)}]`;
  return deviation + interval;
}
