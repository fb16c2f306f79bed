"use strict";

/* What the reader has chosen, for all charts at once. Whoever shows it listens. */

class View {
  constructor() {
    this.axis = "step";
    this.logarithmic = false;
    this.smoothing = 0;
    this.zoom = null;
    this.hidden = new Set();
    this.listeners = [];
    this.isDue = false;
  }

  listen(listener) {
    this.listeners.push(listener);
    listener();
  }

  change(values) {
    Object.assign(this, values);
    if (this.isDue) return;
    this.isDue = true;
    requestAnimationFrame(() => {
      this.isDue = false;
      this.listeners.forEach((listener) => listener());
    });
  }

  toggleRun(run) {
    const hidden = new Set(this.hidden);
    if (!hidden.delete(run)) hidden.add(run);
    this.change({ hidden });
  }
}
