"use strict";

/* The title, the runs at a glance, and what could not be read. */

function head(data) {
  const names = data.runs.map((run) => run.name).join(", ");
  document.title = `${names} – gan_jax report`;
  const title = data.runs.length === 1 ? names : `${data.runs.length} runs`;
  return element("header", {}, element("h1", {}, title), runsTable(data.runs), notes(data.runs));
}

function runsTable(runs) {
  const titles = ["run", "experiment", "status", "step", "images seen", "training time", "started"];
  const rows = runs.map((run, index) =>
    element(
      "tr",
      {},
      element("th", { scope: "row" }, runTag(runs, index)),
      element("td", {}, experimentName(run)),
      element("td", {}, element("span", { class: `state ${run.status.state}` }, run.status.state)),
      element("td", {}, progressOf(run.status)),
      element("td", {}, formatNumber(run.status.images)),
      element("td", {}, formatDuration(run.status.seconds)),
      element("td", {}, run.started === null ? "–" : String(run.started)),
    ),
  );
  return element(
    "div",
    { class: "scroll" },
    element("table", { class: "runs-table" }, headRow(...titles), element("tbody", {}, ...rows)),
  );
}

function experimentName(run) {
  return [run.experiment, run.argument].filter(Boolean).join(":") || "–";
}

function progressOf(status) {
  const total = status.total === null ? "" : ` of ${status.total}`;
  const share = status.share === null ? "" : ` (${Math.floor(status.share * 100)} %)`;
  return formatNumber(status.step) + total + share;
}

function notes(runs) {
  const lines = runs.flatMap((run, index) =>
    run.notes.map((note) => element("li", {}, runTag(runs, index), `: ${note}`)),
  );
  if (lines.length === 0) return null;
  return element(
    "aside",
    { class: "notes" },
    element("strong", {}, "Not all could be read"),
    element("ul", {}, ...lines),
  );
}

function contentsList(sections) {
  const links = sections.map((one) =>
    element("a", { href: `#${one.id}` }, one.querySelector("h2").textContent),
  );
  return element("nav", { "aria-label": "contents" }, ...links);
}
