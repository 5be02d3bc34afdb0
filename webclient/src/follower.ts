// Drives the logs of many conversations: live frames in, fetches out, by the rules of docs/PROTOCOL.md "What a client does".
import { ConversationLog, type LogEvent } from "./log.js";
import { changesMembership, conversationOf, isEntry, seqOf, tellsOfEntry, type Entry, type Gap, type HistoryMessage } from "./wire.js";

/** How old a hole gets before it is fetched: a frame that was overtaken mostly arrives. */
export const HOLE_MS = 1_000;
/** How often everything is asked for, whatever the connection says; up to a quarter longer, by chance, or as the server says. */
export const SYNC_EVERY_MS = 60_000;
/** The first and the longest wait after a fetch that failed. */
export const RETRY_MS = { first: 500, longest: 60_000 } as const;
/** Conversations in one call. */
export const CURSORS = 100;

/** `POST api/sync`: everything after each cursor. */
export interface SyncRequest {
  /** Of rooms, by their ids. */
  readonly cursors: Readonly<Record<string, number>>;
  /** Of direct conversations, by the other one: their ids do not tell who is in them. */
  readonly with?: Readonly<Record<string, number>>;
  readonly limit?: number;
}

export interface SyncAnswer {
  readonly conversations: Readonly<Record<string, ConversationAnswer>>;
  /** Something was left for another call. */
  readonly more: boolean;
  /** What to add to the minute until the next call, so that clients do not come all at once. */
  readonly jitter_ms: number;
}

export interface ConversationAnswer {
  readonly entries?: readonly Entry[];
  readonly gap?: Gap;
  readonly head?: { readonly seq: number; readonly number: number };
  /** The cursor that goes on, where the page is not the last. */
  readonly next?: number;
  /** The cursor is beyond the head: it is not of this log. */
  readonly ahead?: boolean;
  readonly error?: { readonly code: string; readonly message?: string };
}

/** The calls that the follower makes. A rejected promise is repeated later. */
export interface Api {
  sync(request: SyncRequest): Promise<SyncAnswer>;
}

/** Time, so that tests have their own. */
export interface Clock {
  now(): number;
  /** Runs the task later, once; the result takes it back. */
  after(ms: number, task: () => void): () => void;
}

/** Where live frames come from. */
export interface Connection {
  /** Starts telling; the result stops it. */
  listen(to: { frame(data: unknown): void; connected(): void }): () => void;
}

export type FollowerEvent =
  | ({ readonly conversation: string } & LogEvent)
  /** A live frame that is no entry of a followed conversation: an answer, typing, receipts, or one that nobody follows. */
  | { readonly kind: "frame"; readonly frame: object }
  /** The conversation cannot be read any more, and is followed no longer. */
  | { readonly kind: "lost"; readonly conversation: string; readonly code: string }
  /** The server's log is another one than what was followed: forget its state, read history. Following begins now. */
  | { readonly kind: "reset"; readonly conversation: string }
  /** Everything the server had at the last call is applied; so many messages its log counts. */
  | { readonly kind: "current"; readonly conversation: string; readonly number: number };

export interface FollowerOptions {
  readonly api: Api;
  readonly onEvent: (event: FollowerEvent) => void;
  readonly clock?: Clock;
  /** In [0, 1). */
  readonly random?: () => number;
  /** Entries a call may bring; the server has its own bound. */
  readonly limit?: number;
}

export interface FollowOptions {
  /** Everything up to here is known; 0 begins with the first entry. Without it following begins now: read history for what was. */
  readonly from?: number;
  /** The other one, where the conversation is a direct one. */
  readonly with?: string;
}

/** The cursor of somebody who wants the head alone: beyond every log. */
const NOWHERE = Number.MAX_SAFE_INTEGER;

const systemClock: Clock = {
  now: () => performance.now(),
  after: (ms, task) => {
    const timer = setTimeout(task, ms);
    return () => clearTimeout(timer);
  },
};

interface Followed {
  log: ConversationLog;
  readonly with: string | undefined;
  /** When it was last asked for, so that a hole that stays is not asked for at once again. */
  asked: number;
  /** Reads of history that wait until it is known where following begins. */
  waiting: (() => void)[];
}

/** Follows conversations over one connection after the other. */
export class Follower {
  readonly #options: FollowerOptions;
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #followed = new Map<string, Followed>();
  /** Conversations that the next calls ask for. */
  readonly #due = new Set<string>();
  readonly #outbox: FollowerEvent[] = [];
  #telling = false;
  #running = false;
  #stopped = false;
  #failures = 0;
  #jitterMs: number | undefined;
  /** Timers, each with what takes it back. */
  #cancel: { hole?: () => void; every?: () => void; retry?: () => void } = {};
  readonly #stops: (() => void)[] = [];

  constructor(options: FollowerOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#random = options.random ?? Math.random;
    this.#again();
  }

  /** Takes frames from a connection, until the follower is stopped. */
  listen(connection: Connection): void {
    this.#stops.push(
      connection.listen({ frame: (data) => this.frame(data), connected: () => this.connected() }),
    );
  }

  /** Follows a conversation whose live frames this client gets from here on: subscribe first, then follow. */
  follow(conversation: string, { from, with: other }: FollowOptions = {}): void {
    if (this.#followed.has(conversation)) return;
    this.#followed.set(conversation, { log: new ConversationLog(from), with: other, asked: -Infinity, waiting: [] });
    this.#fetch([conversation]);
  }

  unfollow(conversation: string): void {
    const followed = this.#followed.get(conversation);
    this.#followed.delete(conversation);
    this.#due.delete(conversation);
    if (followed) release(followed);
  }

  /** How far a conversation is applied: what to keep, and to give as `from` after a restart. */
  mark(conversation: string): number | undefined {
    return this.#followed.get(conversation)?.log.mark;
  }

  /** A live frame, or the answer to a request of one's own. */
  frame(data: unknown): void {
    if (this.#stopped || typeof data !== "object" || data === null) return;
    const conversation = conversationOf(data);
    const followed = conversation === undefined ? undefined : this.#followed.get(conversation);
    if (conversation !== undefined && followed && isEntry(data)) {
      this.#tell(conversation, followed.log.add(data, this.#clock.now()));
    } else {
      if (conversation !== undefined && followed) this.#answered(conversation, followed, data);
      this.#emit({ kind: "frame", frame: data });
    }
    if (followed?.log.holeSince !== undefined) this.#watchHoles();
  }

  /** The connection that asked gets an answer, and no copy of its entry, which nothing but a fetch brings. */
  #answered(conversation: string, { log }: Followed, answer: object): void {
    if (changesMembership(answer)) return this.#fetchSoon(conversation);
    const seq = tellsOfEntry(answer) ? seqOf(answer) : undefined;
    if (seq === undefined || seq <= (log.mark ?? 0)) return;
    log.hear(seq, this.#clock.now());
    this.#fetchSoon(conversation);
  }

  /** A new connection is open; what was said while there was none is fetched. */
  connected(): void {
    this.sync();
  }

  /** The user looks at it again: timers of a page in the background may have slept. */
  focused(): void {
    this.sync();
  }

  /** Asks for everything that is new. */
  sync(): void {
    this.#fetch(this.#followed.keys());
  }

  /**
   * Reads history so that nothing falls between it and the live frames: `read` asks the server, its messages come as
   * events, brought up to what was applied meanwhile. Where following begins now, history is read behind that moment: what
   * came before it is in the history alone.
   */
  async history<P extends { readonly messages: readonly HistoryMessage[] }>(
    conversation: string,
    read: () => Promise<P>,
  ): Promise<P> {
    await this.#placed(conversation);
    const log = this.#followed.get(conversation)?.log;
    const reading = log?.beginHistory();
    let messages: readonly HistoryMessage[] = [];
    try {
      const page = await read();
      messages = page.messages;
      return page;
    } finally {
      if (log && reading) this.#tell(conversation, log.endHistory(reading, messages));
    }
  }

  /** Until a conversation that is followed has its mark. */
  async #placed(conversation: string): Promise<void> {
    for (;;) {
      const followed = this.#followed.get(conversation);
      if (!followed || followed.log.mark !== undefined || this.#stopped) return;
      await new Promise<void>((resolve) => followed.waiting.push(resolve));
    }
  }

  stop(): void {
    this.#stopped = true;
    for (const followed of this.#followed.values()) release(followed);
    for (const cancel of Object.values(this.#cancel)) cancel?.();
    for (const stop of this.#stops) stop();
    this.#due.clear();
  }

  #again(): void {
    const jitter = this.#jitterMs ?? (SYNC_EVERY_MS / 4) * this.#random();
    this.#cancel.every = this.#clock.after(SYNC_EVERY_MS + jitter, () => {
      this.#again();
      this.sync();
    });
  }

  /** Sets the timer for the first hole that gets too old. A later hole is never due before it. */
  #watchHoles(): void {
    if (this.#cancel.hole || this.#stopped) return;
    let first = Infinity;
    // What is due anyhow is asked for already, or waits for a retry.
    for (const [id, followed] of this.#followed) if (!this.#due.has(id)) first = Math.min(first, dueAt(followed));
    if (first === Infinity) return;
    this.#cancel.hole = this.#clock.after(Math.max(0, first - this.#clock.now()), () => {
      delete this.#cancel.hole;
      const now = this.#clock.now();
      this.#fetch([...this.#followed].filter(([, followed]) => dueAt(followed) <= now).map(([id]) => id));
      this.#watchHoles();
    });
  }

  #fetch(conversations: Iterable<string>): void {
    if (this.#stopped) return;
    for (const conversation of conversations) this.#due.add(conversation);
    this.#cancel.retry?.();
    if (!this.#running) void this.#run();
  }

  /** At once, but not before its time while calls fail. */
  #fetchSoon(conversation: string): void {
    if (this.#failures > 0) this.#due.add(conversation);
    else this.#fetch([conversation]);
  }

  /** One call after the other, until nothing is due. */
  async #run(): Promise<void> {
    this.#running = true;
    try {
      while (this.#due.size > 0 && !this.#stopped) await this.#call();
      this.#failures = 0;
    } catch {
      this.#failures += 1;
      const wait = Math.min(RETRY_MS.longest, RETRY_MS.first * 2 ** (this.#failures - 1));
      this.#cancel.retry = this.#clock.after(wait * (0.5 + this.#random()), () => this.#fetch([]));
    } finally {
      this.#running = false;
    }
    this.#watchHoles();
  }

  async #call(): Promise<void> {
    const asked = new Map<string, { followed: Followed; after: number }>();
    for (const conversation of this.#due) {
      const followed = this.#followed.get(conversation);
      if (followed) asked.set(conversation, { followed, after: followed.log.mark ?? NOWHERE });
      // Due again if anything happens from here on.
      this.#due.delete(conversation);
      if (asked.size === CURSORS) break;
    }
    if (asked.size === 0) return;
    let answer: SyncAnswer;
    try {
      answer = await this.#options.api.sync(this.#request(asked));
    } catch (failed) {
      for (const conversation of asked.keys()) this.#due.add(conversation);
      throw failed;
    }
    if (this.#stopped) return;
    this.#jitterMs = answer.jitter_ms;
    let isProgress = false;
    for (const [conversation, { followed, after }] of asked) {
      // An id may be any word, `__proto__` too.
      const part = Object.hasOwn(answer.conversations, conversation) ? answer.conversations[conversation] : undefined;
      if (this.#followed.get(conversation) !== followed) isProgress = true;
      else if (!part || isTemporary(part)) this.#due.add(conversation);
      else {
        this.#take(conversation, followed, after, part);
        if (part.next !== undefined) this.#due.add(conversation);
        isProgress ||= part.next === undefined || (followed.log.mark ?? 0) > after;
      }
    }
    if (!isProgress) throw new Error("the server has nothing to say at the moment");
  }

  #request(asked: ReadonlyMap<string, { followed: Followed; after: number }>): SyncRequest {
    const cursors: [string, number][] = [];
    const others: [string, number][] = [];
    for (const [id, { followed, after }] of asked) {
      if (followed.with === undefined) cursors.push([id, after]);
      else others.push([followed.with, after]);
    }
    return {
      cursors: Object.fromEntries(cursors),
      ...(others.length > 0 && { with: Object.fromEntries(others) }),
      ...(this.#options.limit !== undefined && { limit: this.#options.limit }),
    };
  }

  /** Works in what was answered for one conversation. */
  #take(conversation: string, followed: Followed, after: number, part: ConversationAnswer): void {
    if (part.error) {
      this.unfollow(conversation);
      this.#emit({ kind: "lost", conversation, code: part.error.code });
      return;
    }
    const now = this.#clock.now();
    const head = part.head?.seq ?? 0;
    followed.asked = now;
    if (part.ahead && followed.log.mark === after) {
      followed.log = new ConversationLog();
      this.#emit({ kind: "reset", conversation });
    }
    const { log } = followed;
    if (log.mark === undefined) {
      this.#tell(conversation, log.place(head));
      release(followed);
    } else {
      this.#tell(conversation, log.addPage(after, { entries: part.entries ?? [], gap: part.gap }, now));
      if (part.next === undefined) log.hear(head, now);
    }
    if (log.mark !== undefined && log.mark >= head) {
      this.#emit({ kind: "current", conversation, number: part.head?.number ?? 0 });
    }
  }

  #tell(conversation: string, events: readonly LogEvent[]): void {
    for (const event of events) this.#emit({ conversation, ...event });
  }

  /** Listeners hear one event after the other, also when they cause the next; one that throws stops nothing. */
  #emit(event: FollowerEvent): void {
    this.#outbox.push(event);
    if (this.#telling) return;
    this.#telling = true;
    for (let next = this.#outbox.shift(); next; next = this.#outbox.shift()) {
      try {
        this.#options.onEvent(next);
      } catch (error) {
        queueMicrotask(() => {
          throw error;
        });
      }
    }
    this.#telling = false;
  }
}

function release(followed: Followed): void {
  for (const go of followed.waiting.splice(0)) go();
}

/** When the hole of a conversation is to be fetched. */
function dueAt({ log, asked }: Followed): number {
  const since = log.holeSince;
  return since === undefined || log.mark === undefined ? Infinity : Math.max(since, asked) + HOLE_MS;
}

/** Whether the same question may be answered later. */
function isTemporary({ error }: ConversationAnswer): boolean {
  return error !== undefined && error.code.endsWith("unavailable");
}
