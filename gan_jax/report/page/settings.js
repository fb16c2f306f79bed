"use strict";

/* Config and environment: a column for each run, differences set off. */

function settingsSection(id, title, rows, data, view) {
  if (rows.length === 0) return section(id, title, element("p", {}, "Nothing was recorded."));
  const table = new SettingsTable(rows, data.runs, view);
  const differing = rows.filter((row) => row.differs).length;
  const only =
    data.runs.length > 1
      ? checkbox(`only the ${formatNumber(differing)} that differ`, false, (value) =>
          table.choose({ onlyDifferences: value }),
        )
      : null;
  const search = searchField(`search ${title.toLowerCase()}`, (words) => table.choose({ words }));
  return section(id, title, element("div", { class: "controls" }, search, only), table.element);
}

class SettingsTable {
  constructor(rows, runs, view) {
    Object.assign(this, { runs, view, words: "", onlyDifferences: false });
    this.lines = rows.map((row) => ({ row, line: this.lineOf(row) }));
    const table = element(
      "table",
      { class: "settings" },
      this.headOf(),
      element("tbody", {}, ...this.lines.map(({ line }) => line)),
    );
    this.element = element("div", { class: "scroll" }, table);
    view.listen(() => this.showColumns());
  }

  headOf() {
    const names = this.runs.map((_, run) =>
      element("th", { scope: "col", "data-run": run }, runTag(this.runs, run)),
    );
    return element(
      "thead",
      {},
      element("tr", {}, element("th", { scope: "col" }, "key"), ...names),
    );
  }

  lineOf(row) {
    const values = row.values.map((text, run) =>
      element("td", { "data-run": run, class: text === null ? "absent" : "" }, text ?? "absent"),
    );
    return element(
      "tr",
      { class: row.differs ? "differs" : "" },
      element("th", { scope: "row" }, row.key),
      ...values,
    );
  }

  choose(values) {
    Object.assign(this, values);
    for (const { row, line } of this.lines) line.hidden = !this.isWanted(row);
  }

  isWanted(row) {
    const text = [row.key, ...row.values.map((value) => value ?? "")].join("\n").toLowerCase();
    return text.includes(this.words) && (row.differs || !this.onlyDifferences);
  }

  showColumns() {
    for (const cell of this.element.querySelectorAll("[data-run]")) {
      cell.hidden = this.view.hidden.has(Number(cell.dataset.run));
    }
  }
}

function sourcesSection(data) {
  const sources = data.runs.map((run, index) => ({ run, index })).filter(({ run }) => run.source);
  const blocks = sources.map(({ run, index }) =>
    element(
      "details",
      {},
      element("summary", {}, runTag(data.runs, index), " experiment.py"),
      element("pre", {}, run.source),
    ),
  );
  return section(
    "source",
    "Experiment file",
    ...(blocks.length ? blocks : [element("p", {}, "It is missing.")]),
  );
}
