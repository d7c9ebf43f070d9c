// A clock that stands still until it is told to go on, and then runs what is due in
// its order.
export class Clock {
  #now = Date.UTC(2026, 0, 1);
  #timers = new Map();
  #last = 0;

  now() {
    return this.#now;
  }

  setTimeout(run, ms) {
    const timer = ++this.#last;
    this.#timers.set(timer, { run, at: this.#now + Math.max(0, ms) });
    return timer;
  }

  clearTimeout(timer) {
    this.#timers.delete(timer);
  }

  /** How many timers are set. */
  get size() {
    return this.#timers.size;
  }

  async advance(ms) {
    const end = this.#now + ms;
    await settle();
    for (;;) {
      let due, at = end;
      for (const [timer, t] of this.#timers) if (t.at <= at && (due === undefined || t.at < at)) [due, at] = [timer, t.at];
      if (due === undefined) break;
      this.#now = at;
      const { run } = this.#timers.get(due);
      this.#timers.delete(due);
      run();
      await settle();
    }
    this.#now = end;
  }
}

/** Lets promises come to rest. */
export const settle = () => new Promise((resolve) => setImmediate(resolve));

/** A small generator of numbers from 0 to less than 1 (mulberry32). */
export function seeded(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
