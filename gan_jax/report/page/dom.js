"use strict";

/* Elements are built from text nodes and attributes alone; nothing is ever parsed as HTML. */

const SVG_NAMESPACE = "http://www.w3.org/2000/svg";

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) node.setAttribute(name, "");
    else if (value !== false && value !== null) node.setAttribute(name, String(value));
  }
  node.append(...children.filter((child) => child !== null));
  return node;
}

function element(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG_NAMESPACE, tag), attributes, children);
}

function section(id, title, ...children) {
  return element("section", { id }, element("h2", {}, title), ...children);
}

function button(text, attributes, action) {
  const made = element("button", { type: "button", ...attributes }, text);
  made.addEventListener("click", action);
  return made;
}

function checkbox(text, checked, action) {
  const box = element("input", { type: "checkbox" });
  box.checked = checked;
  box.addEventListener("change", () => action(box.checked));
  return element("label", {}, box, ` ${text}`);
}

function searchField(text, action) {
  const field = element("input", { type: "search", placeholder: text, "aria-label": text });
  field.addEventListener("input", () => action(field.value.trim().toLowerCase()));
  return field;
}

function headRow(...titles) {
  const cells = titles.map((title) => element("th", { scope: "col" }, title));
  return element("thead", {}, element("tr", {}, ...cells));
}

/* A list of terms and their values, in one block that wraps. */
function termList(pairs) {
  const items = pairs.map(([name, value]) =>
    element("div", {}, element("dt", {}, name), element("dd", {}, value)),
  );
  return element("dl", { class: "terms" }, ...items);
}

/* The sign of a curve: its colour tells the run, its dashes what colours cannot. */
const COLOURS = 6;
const DASHES = ["", "2 3", "7 3", "9 3 2 3"];

function colourClass(run) {
  return `colour-${run % COLOURS}`;
}

function dashOf(run, variant = 0) {
  return DASHES[(Math.floor(run / COLOURS) + 2 * variant) % DASHES.length];
}

function swatch(run, variant = 0) {
  const line = svg("line", {
    x1: 1,
    y1: 5,
    x2: 25,
    y2: 5,
    "stroke-dasharray": dashOf(run, variant),
  });
  const attributes = {
    viewBox: "0 0 26 10",
    class: `swatch ${colourClass(run)}`,
    "aria-hidden": "true",
  };
  return svg("svg", attributes, line);
}

function runTag(runs, run) {
  return element("span", { class: "run" }, swatch(run), ` ${runs[run].name}`);
}
