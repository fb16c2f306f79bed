"use strict";

/* Reading values off a chart, and zooming into it, by pointer or keyboard. */

class ChartPointer {
  constructor(chart) {
    Object.assign(this, { chart, dragFrom: null });
    const target = chart.svg;
    target.addEventListener("pointerdown", (event) => this.press(event));
    target.addEventListener("pointermove", (event) => this.move(event));
    target.addEventListener("pointerup", (event) => this.release(event));
    target.addEventListener("pointercancel", () => this.leave());
    target.addEventListener("pointerleave", () => this.leave());
    target.addEventListener("blur", () => this.leave());
    target.addEventListener("dblclick", () => this.showAll());
    target.addEventListener("keydown", (event) => this.type(event));
  }

  /* The place in the chart's own units, kept within its frame. */
  placeOf(event) {
    const box = this.chart.svg.getBoundingClientRect();
    const place = ((event.clientX - box.left) / box.width) * CHART.width;
    return Math.min(CHART.right, Math.max(CHART.left, place));
  }

  press(event) {
    if (event.button !== 0) return;
    this.dragFrom = this.placeOf(event);
    this.chart.svg.setPointerCapture(event.pointerId);
  }

  move(event) {
    const place = this.placeOf(event);
    this.read(this.chart.x.valueAt(place));
    if (this.dragFrom === null) return;
    const [from, to] = [Math.min(place, this.dragFrom), Math.max(place, this.dragFrom)];
    const area = { x: from, y: CHART.top, width: to - from, height: CHART.bottom - CHART.top };
    this.chart.overlay.append(svg("rect", { class: "selection", ...area }));
  }

  release(event) {
    if (this.dragFrom === null) return;
    const places = [this.dragFrom, this.placeOf(event)].sort((a, b) => a - b);
    this.dragFrom = null;
    if (places[1] - places[0] < 6) return;
    this.leave();
    this.chart.view.change({ zoom: places.map((place) => this.chart.x.valueAt(place)) });
  }

  leave() {
    this.dragFrom = null;
    this.chart.cursor = null;
    this.chart.overlay.replaceChildren();
    this.chart.readout.hidden = true;
  }

  showAll() {
    this.leave();
    this.chart.view.change({ zoom: null });
  }

  type(event) {
    const action = {
      ArrowLeft: () => this.stepBy(-1),
      ArrowRight: () => this.stepBy(1),
      Escape: () => this.showAll(),
      "+": () => this.zoomBy(0.5),
      "-": () => this.zoomBy(2),
    }[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  }

  /* To the next point of any curve. */
  stepBy(direction) {
    const { lines, x, cursor } = this.chart;
    const places = [...new Set(lines.flatMap((line) => line.points.map((point) => point.x)))]
      .filter((place) => place >= x.low && place <= x.high)
      .sort((a, b) => a - b);
    if (places.length === 0) return;
    const ahead =
      direction > 0
        ? places.find((place) => place > cursor)
        : places.findLast((place) => place < cursor);
    const edge = direction > 0 ? places.at(-1) : places[0];
    this.read(cursor === null ? places.at(-1) : (ahead ?? edge));
  }

  zoomBy(factor) {
    const { x, cursor } = this.chart;
    const middle = cursor ?? (x.low + x.high) / 2;
    this.chart.view.change({
      zoom: [middle - (middle - x.low) * factor, middle + (x.high - middle) * factor],
    });
  }

  /* Shows all curves at their points nearest to x = value. */
  read(value) {
    const { chart } = this;
    const found = chart.lines.map((line) => ({
      series: line.series,
      point: nearest(line.points, value),
    }));
    const present = found.filter(({ point }) => point !== null);
    chart.overlay.replaceChildren();
    chart.readout.hidden = present.length === 0;
    if (present.length === 0) return;
    const closest = nearest(
      present.map(({ point }) => point),
      value,
    );
    chart.cursor = closest.x;
    chart.overlay.append(this.cursorLine(closest.x), ...present.map((one) => this.mark(one)));
    chart.readout.replaceChildren(...this.readoutLines(closest, present));
  }

  cursorLine(value) {
    const x = this.chart.x.place(value);
    return svg("line", { class: "cursor", x1: x, x2: x, y1: CHART.top, y2: CHART.bottom });
  }

  mark({ series, point }) {
    return svg("g", { class: `line ${colourClass(series.run)}` }, this.chart.dot(point, 4));
  }

  readoutLines(closest, present) {
    const { axis, smoothing } = this.chart.view;
    const title = `step ${formatNumber(closest.step)}`;
    const place = axis === "step" ? "" : `, ${AXIS_NAMES[axis]} ${formatPosition(axis, closest.x)}`;
    const lines = present.map(({ series, point }) => {
      const name = [this.chart.runs[series.run].name, series.label].filter(Boolean).join(" · ");
      const range =
        point.low === null || point.high === null
          ? ""
          : ` [${formatNumber(point.low)}, ${formatNumber(point.high)}]`;
      const smooth = smoothing > 0 ? ` (smoothed ${formatNumber(point.smooth)})` : "";
      const other = point.step === closest.step ? "" : ` at step ${formatNumber(point.step)}`;
      const value = element("b", {}, formatNumber(point.y));
      return element(
        "div",
        {},
        swatch(series.run, series.variant),
        ` ${name} `,
        value,
        range + smooth + other,
      );
    });
    return [element("div", { class: "place" }, title + place), ...lines];
  }
}

/* The point nearest to x = value among those that have a y. */
function nearest(points, value) {
  let best = null;
  for (const point of points) {
    if (point.y === null) continue;
    if (best === null || Math.abs(point.x - value) < Math.abs(best.x - value)) best = point;
  }
  return best;
}
