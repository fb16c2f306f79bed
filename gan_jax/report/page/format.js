"use strict";

/* How numbers and times are written. */

const AXIS_NAMES = { step: "step", images: "images seen", seconds: "seconds of training" };

function formatNumber(value) {
  if (value === null || value === undefined) return "–";
  const size = Math.abs(value);
  if (Number.isInteger(value) && size < 1e9) return value.toLocaleString("en-US");
  if (size >= 1e7 || (size < 1e-3 && value !== 0)) return exponential(value, 4);
  return String(Number(value.toPrecision(5)));
}

/* Short enough for an axis: 20k, 1.5M, 1e-4. */
function formatTick(value, digits = 4) {
  const size = Math.abs(value);
  if (size >= 1e12 || (size < 1e-3 && value !== 0)) return exponential(value, digits - 1);
  for (const [unit, sign] of [
    [1e9, "G"],
    [1e6, "M"],
    [1e4, "k"],
  ]) {
    const divisor = sign === "k" ? 1e3 : unit;
    if (size >= unit) return `${Number((value / divisor).toPrecision(digits))}${sign}`;
  }
  return String(Number(value.toPrecision(digits)));
}

/* Each value with its text, of as many digits as it takes to tell them apart. */
function formatTicks(values) {
  const texts = (digits) => values.map((value) => formatTick(value, digits));
  const digits = [4, 5, 6, 7].find((count) => new Set(texts(count)).size === values.length) ?? 8;
  return texts(digits).map((text, index) => [values[index], text]);
}

function exponential(value, digits) {
  return Number(value.toPrecision(digits)).toExponential().replace("e+", "e");
}

function formatDuration(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds < 120) return `${Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 120) return `${minutes} min`;
  return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, "0")} min`;
}

function formatPosition(axis, value) {
  return axis === "seconds" ? formatDuration(value) : formatNumber(value);
}

function plural(count, one, many) {
  return `${formatNumber(count)} ${count === 1 ? one : many}`;
}
