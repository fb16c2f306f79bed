"use strict";

/* One chart: a caption with the last values, and an SVG, drawn anew when the view changes. */

const CHART = { width: 460, height: 250, left: 54, right: 438, top: 10, bottom: 214 };
const MOST_DOTS = 40;
let chartsMade = 0;

class Chart {
  constructor(chart, runs, view) {
    Object.assign(this, { chart, runs, view, cursor: null });
    this.clip = `clip-${(chartsMade += 1)}`;
    this.svg = svg("svg", {
      viewBox: `0 0 ${CHART.width} ${CHART.height}`,
      class: "plot",
      tabindex: 0,
      role: "img",
      "aria-label": `${chart.name}. Arrow keys read values, + and - zoom, Escape shows all.`,
    });
    this.key = element("div", { class: "key" });
    this.readout = element("div", { class: "readout", role: "status", hidden: true });
    const caption = element("figcaption", {}, element("strong", {}, chart.name), this.key);
    this.figure = element("figure", { class: "chart" }, caption, this.svg, this.readout);
    new ChartPointer(this);
    view.listen(() => this.draw());
  }

  draw() {
    const series = this.chart.series.filter((one) => !this.view.hidden.has(one.run));
    this.lines = series.map((one) => ({ series: one, points: lineOf(one, this.view) }));
    this.x = new Scale(this.xRange(), [CHART.left, CHART.right]);
    this.y = new Scale(this.yRange(), [CHART.bottom, CHART.top], this.view.logarithmic);
    this.overlay = svg("g", { class: "overlay" });
    const lines = svg(
      "g",
      { "clip-path": `url(#${this.clip})` },
      ...this.lines.map((line) => this.drawLine(line)),
    );
    this.svg.replaceChildren(this.clipPath(), this.drawAxes(), lines, this.overlay);
    this.key.replaceChildren(...this.lines.map((line) => this.keyOf(line)));
  }

  xRange() {
    if (this.view.zoom) return this.view.zoom;
    return extent(this.lines.flatMap((line) => line.points.map((point) => point.x)));
  }

  yRange() {
    const [low, high] = [this.x.low, this.x.high];
    const points = this.lines
      .flatMap((line) => line.points)
      .filter((point) => point.x >= low && point.x <= high);
    const values = points
      .flatMap((point) => [point.y, point.low, point.high])
      .filter((value) => value !== null);
    if (this.view.logarithmic && values.length === 0) return [0.1, 1];
    const [least, most] = wideEnough(extent(values));
    return padded(
      [this.view.logarithmic && least <= 0 ? most / 10 : least, most],
      this.view.logarithmic,
    );
  }

  clipPath() {
    const { left, right, top, bottom } = CHART;
    // Room for the dots at the edges.
    const box = { x: left - 3, y: top, width: right - left + 6, height: bottom - top };
    const area = svg("rect", box);
    return svg("clipPath", { id: this.clip }, area);
  }

  drawAxes() {
    const { left, right, top, bottom } = CHART;
    const axes = svg("g", { class: "axes" });
    for (const [value, text] of formatTicks(this.y.ticks(6))) {
      const y = this.y.place(value);
      axes.append(svg("line", { x1: left, x2: right, y1: y, y2: y }));
      axes.append(svg("text", { x: left - 6, y: y + 4, "text-anchor": "end" }, text));
    }
    for (const [value, text] of formatTicks(this.x.ticks(5))) {
      const x = this.x.place(value);
      axes.append(svg("line", { x1: x, x2: x, y1: top, y2: bottom }));
      axes.append(svg("text", { x, y: bottom + 15, "text-anchor": "middle" }, text));
    }
    axes.append(
      svg("text", { x: right, y: bottom + 30, "text-anchor": "end" }, AXIS_NAMES[this.view.axis]),
    );
    return axes;
  }

  drawLine({ series, points }) {
    const group = svg("g", { class: `line ${colourClass(series.run)}` });
    const dashes = dashOf(series.run, series.variant);
    if (this.view.smoothing > 0)
      group.append(svg("path", { class: "faint", d: this.pathOf(points, "y") }));
    group.append(svg("path", { d: this.pathOf(points, "smooth"), "stroke-dasharray": dashes }));
    group.append(
      ...points
        .filter((point) => point.low !== null && point.high !== null)
        .map((point) => this.intervalBar(point)),
    );
    if (points.length <= MOST_DOTS) {
      group.append(
        ...points.filter((point) => point.smooth !== null).map((point) => this.dot(point, 2.5)),
      );
    }
    return group;
  }

  pathOf(points, name) {
    let pen = "M";
    const parts = [];
    for (const point of points) {
      if (point[name] === null) {
        pen = "M";
        continue;
      }
      parts.push(
        `${pen}${this.x.place(point.x).toFixed(1)} ${this.y.place(point[name]).toFixed(1)}`,
      );
      pen = "L";
    }
    return parts.join("");
  }

  dot(point, radius) {
    return svg("circle", { cx: this.x.place(point.x), cy: this.y.place(point.smooth), r: radius });
  }

  intervalBar(point) {
    const x = this.x.place(point.x);
    return svg("line", {
      class: "interval",
      x1: x,
      x2: x,
      y1: this.y.place(point.low),
      y2: this.y.place(point.high),
    });
  }

  keyOf({ series, points }) {
    const last = points.findLast((point) => point.y !== null);
    const name = [this.runs.length > 1 ? this.runs[series.run].name : "", series.label]
      .filter(Boolean)
      .join(" · ");
    const missing = series.missing
      ? ` (${formatNumber(series.missing)} of ${formatNumber(series.logged)} not finite)`
      : "";
    const value = last ? formatNumber(last.y) : "no value";
    return element(
      "span",
      {},
      swatch(series.run, series.variant),
      ` ${name} `,
      element("b", {}, value),
      missing,
    );
  }
}
