// One conversation's order: entries in, in any order and any number of times; events out, each once and in order.
// Pure: no timers, no I/O, time is an argument.
import { changeMessage, isMessageChange, messageOfHistory, type Message } from "./state.js";
import type { Entry, Gap, HistoryMessage, MessageChange } from "./wire.js";

/** What happened, in the order in which it is to be shown. */
export type LogEvent =
  /** The next entry. `covered`: a message state that was given before shows what it does to its message. */
  | { readonly kind: "entry"; readonly entry: Entry; readonly covered: boolean }
  /** Entries that nobody can have any more. */
  | { readonly kind: "gap"; readonly gap: Gap }
  /** A message as history told it, brought up to everything that was applied. Not in the order of the log. */
  | { readonly kind: "message"; readonly message: Message };

/** What the server answers about one conversation to "everything after". */
export interface Page {
  /** Ascending, without holes but for `gap`. */
  readonly entries: readonly Entry[];
  readonly gap?: Gap | undefined;
}

/** A read of history under way: what is applied meanwhile may be missing in its answer. */
export interface HistoryRead {
  readonly changes: MessageChange[];
}

/**
 * Keeps a contiguous mark and the set above it, applies in the order of `seq`, drops only what it has applied, and says
 * since when there is a hole.
 */
export class ConversationLog {
  #mark: number | undefined;
  /** Entries above the mark that wait for those before them. */
  readonly #above = new Map<number, Entry>();
  /** When each `seq` above the mark was first heard of, be its entry here or not. */
  readonly #heard = new Map<number, number>();
  /** Messages whose state is ahead of the mark: up to which entry. */
  readonly #ahead = new Map<number, number>();
  readonly #reads = new Set<HistoryRead>();

  /** `mark`: everything up to here is applied; 0 follows from the first entry on. Without it nothing is applied before {@link place}. */
  constructor(mark?: number) {
    this.#mark = mark;
  }

  /** Everything up to here was applied or declared missing. */
  get mark(): number | undefined {
    return this.#mark;
  }

  /** Says where to begin, once that is known. What came meanwhile and lies behind is in the history. */
  place(mark: number): LogEvent[] {
    if (this.#mark === undefined) this.#jump(mark);
    return this.#drain();
  }

  /** A live frame. */
  add(entry: Entry, now: number): LogEvent[] {
    this.#hold(entry, now);
    return this.#drain();
  }

  /** An entry is known to exist, by an answer or a head that names it. */
  hear(seq: number, now: number): void {
    if (seq > (this.#mark ?? 0) && !this.#heard.has(seq)) this.#heard.set(seq, now);
  }

  /**
   * A page of what follows `after`, which must not lie above the mark. It is complete up to its last entry, so what is in
   * neither the page nor here is gone, whether the page's gap says so or arithmetic does.
   */
  addPage(after: number, page: Page, now: number): LogEvent[] {
    if (this.#mark === undefined || after > this.#mark) return [];
    for (const entry of page.entries) this.#hold(entry, now);
    const end = page.entries.at(-1)?.seq ?? page.gap?.to ?? 0;
    return [...this.#drain(), ...this.#passTo(end)];
  }

  /** Since when an entry below one that is known of is missing. */
  get holeSince(): number | undefined {
    // What was heard of first stands first.
    for (const at of this.#heard.values()) return at;
    return undefined;
  }

  /** To be called before history is asked for, so that nothing is missed between question and answer. */
  beginHistory(): HistoryRead {
    const read = { changes: [] };
    this.#reads.add(read);
    return read;
  }

  /** The answer of history; none if it failed. */
  endHistory(read: HistoryRead, messages: readonly HistoryMessage[] = []): LogEvent[] {
    this.#reads.delete(read);
    const events: LogEvent[] = [];
    for (const told of messages) {
      const message = read.changes.reduce(changeMessage, messageOfHistory(told));
      // Of two reads at once the older may come last.
      if (message.as_of < (this.#ahead.get(message.seq) ?? 0)) continue;
      if (message.as_of > (this.#mark ?? 0)) this.#ahead.set(message.seq, message.as_of);
      events.push({ kind: "message", message });
    }
    return events;
  }

  #hold(entry: Entry, now: number): void {
    if (entry.seq <= (this.#mark ?? 0)) return;
    if (!this.#above.has(entry.seq)) this.#above.set(entry.seq, entry);
    this.hear(entry.seq, now);
  }

  /** Applies what follows the mark without a hole. */
  #drain(): LogEvent[] {
    const events: LogEvent[] = [];
    if (this.#mark === undefined) return events;
    for (;;) {
      const entry = this.#above.get(this.#mark + 1);
      if (!entry) return events;
      this.#mark = entry.seq;
      this.#above.delete(entry.seq);
      this.#heard.delete(entry.seq);
      events.push(this.#applied(entry));
    }
  }

  /** Applies all that is here up to `end`, and declares the rest of it missing. */
  #passTo(end: number): LogEvent[] {
    const events: LogEvent[] = [];
    while (this.#mark !== undefined && this.#mark < end) {
      let next = end + 1;
      for (const seq of this.#above.keys()) if (seq < next) next = seq;
      events.push({ kind: "gap", gap: { from: this.#mark + 1, to: next - 1 } });
      this.#jump(next - 1);
      events.push(...this.#drain());
    }
    return events;
  }

  #applied(entry: Entry): LogEvent {
    const message = isMessageChange(entry) ? entry.target : entry.seq;
    if (isMessageChange(entry)) for (const read of this.#reads) read.changes.push(entry);
    const asOf = this.#ahead.get(message) ?? 0;
    if (asOf === entry.seq) this.#ahead.delete(message);
    return { kind: "entry", entry, covered: entry.seq <= asOf };
  }

  /** Moves the mark over what is not here; nothing at or below it is kept. */
  #jump(mark: number): void {
    this.#mark = mark;
    for (const seq of this.#above.keys()) if (seq <= mark) this.#above.delete(seq);
    for (const seq of this.#heard.keys()) if (seq <= mark) this.#heard.delete(seq);
    for (const [message, asOf] of this.#ahead) if (asOf <= mark) this.#ahead.delete(message);
  }
}
