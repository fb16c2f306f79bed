"use strict";

/* Pictures over time: a slider for each kind, all runs side by side at the same step. */

function picturesSection(data, view) {
  const { kinds, reals } = data.pictures;
  if (kinds.length === 0 && reals.length === 0)
    return section("pictures", "Samples", element("p", {}, "There are no pictures."));
  const panels = kinds.map((kind) => new Panel(kind, data, view).element);
  return section("pictures", "Samples", ...panels, realsPanel(data, view));
}

function realsPanel(data, view) {
  const { images, reals } = data.pictures;
  if (reals.length === 0) return null;
  const figures = reals.map((real) => {
    const figure = element("figure", { class: "picture" });
    const tags = real.runs.map((run) => runTag(data.runs, run));
    figure.append(
      element("figcaption", {}, ...tags),
      picture(images[real.image], "real pictures of the data"),
    );
    view.listen(() => (figure.hidden = real.runs.every((run) => view.hidden.has(run))));
    return figure;
  });
  return element(
    "div",
    { class: "panel" },
    element("h3", {}, "real data"),
    element("div", { class: "pictures" }, ...figures),
  );
}

/* Small pictures are enlarged without blurring their pixels. */
function picture(address, text) {
  const image = element("img", { alt: text, src: address });
  image.addEventListener("load", () => image.classList.toggle("small", image.naturalWidth < 256));
  return image;
}

class Panel {
  constructor(kind, data, view) {
    Object.assign(this, {
      kind,
      images: data.pictures.images,
      runs: data.runs,
      view,
      raw: false,
      timer: null,
    });
    this.place = kind.steps.length - 1;
    this.slider = element("input", {
      type: "range",
      min: 0,
      max: this.place,
      step: 1,
      "aria-label": `step of ${kind.name}`,
    });
    this.slider.value = this.place;
    this.slider.addEventListener("input", () => this.show(Number(this.slider.value)));
    this.output = element("output", {});
    this.playButton = button("play", { class: "play" }, () => this.playOrPause());
    const present = [...new Set(kind.frames.map((frame) => frame.run))].sort((a, b) => a - b);
    this.figures = present.map((run) => this.makeFigure(run));
    this.element = this.assemble();
    view.listen(() =>
      this.figures.forEach(({ figure, run }) => (figure.hidden = view.hidden.has(run))),
    );
    this.show(this.place);
  }

  makeFigure(run) {
    const note = element("span", { class: "note" });
    const image = picture("data:,", "");
    const figure = element(
      "figure",
      { class: "picture" },
      element("figcaption", {}, runTag(this.runs, run), note),
      image,
    );
    return { run, figure, image, note };
  }

  assemble() {
    const several = this.kind.steps.length > 1;
    const timeControls = several ? [this.playButton, this.slider] : [];
    const controls = element(
      "div",
      { class: "controls" },
      ...timeControls,
      this.output,
      this.weightsChoice(),
    );
    const figures = this.figures.map(({ figure }) => figure);
    const parts = [
      controls,
      element("div", { class: "pictures" }, ...figures),
      element("p", { class: "note" }, this.howMany()),
    ];
    return element("div", { class: "panel" }, element("h3", {}, this.kind.name), ...parts);
  }

  howMany() {
    const { steps, steps_there_are: all, largest_side: side } = this.kind;
    const left = steps.length < all ? "; the others are left out to keep the file small" : "";
    const shown = `${steps.length} of ${plural(all, "step", "steps")} shown${left}.`;
    const quality = `At most ${formatNumber(side)} pixels a side, possibly compressed.`;
    return `${shown} ${quality}`;
  }

  /* Nothing to choose where no run keeps an average. */
  weightsChoice() {
    if (!this.kind.frames.some((frame) => frame.raw)) return null;
    const radios = [
      ["EMA", false],
      ["raw", true],
    ].map(([text, raw]) => {
      const radio = element("input", {
        type: "radio",
        name: `weights of ${this.kind.name}`,
        value: text,
      });
      radio.checked = raw === this.raw;
      radio.addEventListener("change", () => this.choose(raw));
      return element("label", {}, radio, ` ${text}`);
    });
    return element("fieldset", {}, element("legend", {}, "weights"), ...radios);
  }

  choose(raw) {
    this.raw = raw;
    this.show(this.place);
  }

  show(place) {
    this.place = place;
    this.slider.value = place;
    const step = this.kind.steps[place];
    this.output.textContent = `step ${formatNumber(step)}`;
    this.figures.forEach((one) => this.showIn(one, step));
  }

  showIn({ run, image, note }, step) {
    const frame = this.frameOf(run, step);
    image.hidden = frame === null;
    note.textContent = frame === null ? " not yet" : this.remark(frame, step);
    if (frame === null) return;
    image.src = this.images[frame.image];
    image.alt = `${this.kind.name} of ${this.runs[run].name} at step ${frame.step}`;
  }

  /* The last one at or before the step; the other weights where the wanted ones were not drawn. */
  frameOf(run, step) {
    const past = this.kind.frames.filter((frame) => frame.run === run && frame.step <= step);
    const wanted = past.filter((frame) => frame.raw === this.raw);
    return (wanted.length ? wanted : past).at(-1) ?? null;
  }

  remark(frame, step) {
    const weights = frame.raw === this.raw ? "" : frame.raw ? " raw weights" : " its only weights";
    return weights + (frame.step === step ? "" : ` of step ${formatNumber(frame.step)}`);
  }

  playOrPause() {
    if (this.timer === null) {
      if (this.place === this.kind.steps.length - 1) this.show(0);
      this.timer = setInterval(() => this.advance(), 300);
    } else {
      clearInterval(this.timer);
      this.timer = null;
    }
    this.playButton.textContent = this.timer === null ? "play" : "pause";
  }

  advance() {
    if (this.place < this.kind.steps.length - 1) this.show(this.place + 1);
    else this.playOrPause();
  }
}
