"use strict";

/* The controls that every chart obeys; they stay in sight. */

function toolbar(data, view) {
  return element(
    "div",
    { class: "toolbar", role: "toolbar", "aria-label": "controls of all charts" },
    legend(data.runs, view),
    axisChoice(view),
    checkbox("log y", false, (logarithmic) => view.change({ logarithmic })),
    smoothingSlider(view),
    resetButton(view),
  );
}

function legend(runs, view) {
  const buttons = runs.map((run, index) => {
    const made = button("", { class: "legend", title: "show or hide this run" }, () =>
      view.toggleRun(index),
    );
    made.append(swatch(index), ` ${run.name}`);
    view.listen(() => made.setAttribute("aria-pressed", String(!view.hidden.has(index))));
    return made;
  });
  return element("div", { class: "runs" }, ...buttons);
}

function axisChoice(view) {
  const options = Object.entries(AXIS_NAMES).map(([value, name]) =>
    element("option", { value }, name),
  );
  const select = element("select", { id: "axis" }, ...options);
  select.addEventListener("change", () => view.change({ axis: select.value, zoom: null }));
  return element("label", {}, "x ", select);
}

function smoothingSlider(view) {
  const slider = element("input", {
    type: "range",
    min: 0,
    max: 0.99,
    step: 0.01,
    value: 0,
    id: "smoothing",
  });
  const shown = element("output", {}, "0");
  slider.addEventListener("input", () => {
    shown.textContent = slider.value;
    view.change({ smoothing: Number(slider.value) });
  });
  const title = "weight of the past in an exponential moving average over the points shown";
  return element("label", { title }, "smoothing ", slider, " ", shown);
}

function resetButton(view) {
  const made = button("reset zoom", { id: "reset" }, () => view.change({ zoom: null }));
  view.listen(() => (made.disabled = view.zoom === null));
  return made;
}
