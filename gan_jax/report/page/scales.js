"use strict";

/* From values to places on a chart, and the round values in between. */

function niceStep(range, count) {
  const rough = range / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const factor = [1, 2, 5, 10].find((candidate) => candidate * power >= rough * 0.999);
  return factor * power;
}

function linearTicks(low, high, count) {
  const step = niceStep(high - low, count);
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  return Array.from(
    { length: Math.max(0, last - first + 1) },
    (_, index) => (first + index) * step,
  );
}

/* Powers of ten; with fewer than two of them in sight, 1, 2 and 5 times those. */
function logTicks(low, high) {
  const powers = [];
  const stride = Math.max(1, Math.ceil(Math.log10(high / low) / 6));
  for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power += stride) {
    powers.push(10 ** power);
  }
  const within = (value) => value >= low * 0.999 && value <= high * 1.001;
  if (powers.filter(within).length > 1) return powers.filter(within);
  const finer = powers.flatMap((power) => [power, 2 * power, 5 * power]).filter(within);
  return finer.length > 1 ? finer : linearTicks(low, high, 4);
}

class Scale {
  constructor([low, high], [from, to], logarithmic = false) {
    Object.assign(this, { low, high, from, to, logarithmic });
  }

  warp(value) {
    return this.logarithmic ? Math.log(value) : value;
  }

  place(value) {
    const low = this.warp(this.low);
    const share = (this.warp(value) - low) / (this.warp(this.high) - low);
    return this.from + share * (this.to - this.from);
  }

  valueAt(place) {
    const share = (place - this.from) / (this.to - this.from);
    return this.low + share * (this.high - this.low);
  }

  ticks(count) {
    return this.logarithmic
      ? logTicks(this.low, this.high)
      : linearTicks(this.low, this.high, count);
  }
}

/* Smallest and largest of the values, and room around a single one. */
function extent(values) {
  let low = Infinity;
  let high = -Infinity;
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  if (low > high) return [0, 1];
  if (low < high) return [low, high];
  const room = Math.abs(low) * 0.1 || 1;
  return [low - room, high + room];
}

/* Values that differ in their last digits only lie in one place, not all over the chart. */
function wideEnough([low, high]) {
  const least = 1e-4 * Math.max(Math.abs(low), Math.abs(high));
  if (high - low >= least) return [low, high];
  const middle = (low + high) / 2;
  return [middle - least, middle + least];
}

function padded([low, high], logarithmic) {
  if (logarithmic) {
    const factor = (high / Math.max(low, Number.MIN_VALUE)) ** 0.05;
    return [low / factor, high * factor];
  }
  const room = (high - low) * 0.05;
  return [low - room, high + room];
}
