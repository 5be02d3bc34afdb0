import type { Clock } from "../src/follower.js";

/** Time that stands still until it is told to pass. */
export class TestClock implements Clock {
  #now = 0;
  #next = 0;
  readonly #tasks = new Map<number, { at: number; task: () => void }>();

  now = (): number => this.#now;

  after = (ms: number, task: () => void): (() => void) => {
    const id = this.#next++;
    this.#tasks.set(id, { at: this.#now + ms, task });
    return () => this.#tasks.delete(id);
  };

  get isIdle(): boolean {
    return this.#tasks.size === 0;
  }

  /** Lets time pass, task by task, and after each lets everything settle that it caused. */
  async pass(ms: number): Promise<void> {
    const end = this.#now + ms;
    await settle();
    for (;;) {
      const [id, next] = [...this.#tasks].reduce<[number, { at: number; task: () => void }] | []>(
        (first, [id, entry]) => (first[1] && first[1].at <= entry.at ? first : [id, entry]),
        [],
      );
      if (id === undefined || next === undefined || next.at > end) break;
      this.#tasks.delete(id);
      this.#now = Math.max(this.#now, next.at);
      next.task();
      await settle();
    }
    this.#now = end;
  }
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
}
