"use strict";

/* Curves as lists of points {step, images, seconds, value, low, high}, wherever they come from. */

function metricCharts(data) {
  return data.charts.map((chart) => ({
    name: chart.name,
    group: chart.group,
    series: chart.series.map((series) => ({
      ...series,
      label: "",
      variant: 0,
      points: metricPoints(series, data.axes[series.run]),
    })),
  }));
}

function metricPoints(series, axes) {
  return series.rows.map((row, index) => ({
    step: axes.step[row],
    images: axes.images[row],
    seconds: axes.seconds[row],
    value: series.values[index],
    low: null,
    high: null,
  }));
}

/* A chart for each metric of a table; runs and settings of the generator are its curves. Of several
   rows at one step the newest counts, as the table shows them all. */
function evaluationCharts(table) {
  const labels = [...new Set(table.rows.map((row) => row.label))].sort();
  return table.metrics.map((metric, column) => ({
    name: metric.name,
    series: evaluationSeries(
      table.rows.filter((row) => row.cells[column]),
      column,
      labels,
    ),
  }));
}

function evaluationSeries(rows, column, labels) {
  const found = new Map();
  for (const row of [...rows].sort((a, b) => a.step - b.step)) {
    const key = `${row.run} ${row.label}`;
    const fresh = {
      run: row.run,
      label: row.label,
      variant: labels.indexOf(row.label),
      missing: 0,
      points: [],
    };
    if (!found.has(key)) found.set(key, fresh);
    const points = found.get(key).points;
    if (points.at(-1)?.step === row.step) points.pop();
    points.push(evaluationPoint(row, row.cells[column]));
  }
  return [...found.values()].sort((a, b) => a.run - b.run || a.variant - b.variant);
}

function evaluationPoint(row, cell) {
  const [low, high] = intervalOf(cell);
  return { step: row.step, images: row.images, seconds: row.seconds, value: cell.value, low, high };
}

function intervalOf(cell) {
  if (cell.low !== null && cell.high !== null) return [cell.low, cell.high];
  if (cell.std !== null && cell.value !== null)
    return [cell.value - cell.std, cell.value + cell.std];
  return [null, null];
}

/* What a chart draws of a series: x and y, null where there is a gap or a logarithm has none. */
function lineOf(series, view) {
  const drawable = (value) => (value === null || (view.logarithmic && value <= 0) ? null : value);
  const points = series.points.filter((point) => point[view.axis] !== null);
  const line = points.map((point) => ({
    x: point[view.axis],
    y: drawable(point.value),
    low: drawable(point.low),
    high: drawable(point.high),
    step: point.step,
  }));
  const smooth = smoothed(
    line.map((point) => point.y),
    view.smoothing,
  );
  return line.map((point, index) => ({ ...point, smooth: smooth[index] }));
}

/* Exponential moving average without the pull towards zero at its start. */
function smoothed(values, weight) {
  let average = 0;
  let mass = 0;
  return values.map((value) => {
    if (value === null) return null;
    average = weight * average + (1 - weight) * value;
    mass = weight * mass + (1 - weight);
    return average / mass;
  });
}
