// A server that is nothing but its logs: what the real one promises about entries, history, sync and retention.
import type { ConversationAnswer, SyncAnswer, SyncRequest } from "../src/follower.js";
import type { Entry, Gap, HistoryMessage, MessageEntry } from "../src/wire.js";
import type { Chance } from "./chance.js";

const USERS = ["ann", "bob", "cat", "dan"];
const EMOJI = ["👍", "☕", "__proto__"];

interface Row {
  readonly message: MessageEntry;
  content: string;
  asOf: number;
  editedAt?: string;
  deletedAt?: string;
  readonly reactions: Map<string, Set<string>>;
}

/** One conversation. */
export class ServerLog {
  readonly entries: Entry[] = [];
  floor = 0;
  readonly #rows = new Map<number, Row>();
  #count = 0;
  constructor(readonly id: string) {}

  get head(): number {
    return this.entries.length;
  }

  /** Appends something that may happen now. */
  append(chance: Chance): Entry {
    const place = { seq: this.head + 1, number: this.#count, room_id: this.id, timestamp: `t${this.head + 1}` };
    const living = [...this.#rows.values()].filter((row) => row.deletedAt === undefined && row.message.seq > this.floor);
    const by = chance.pick(USERS);
    const kind = living.length === 0 ? 0 : chance.below(12);
    let entry: Entry;
    if (kind < 4) {
      this.#count += 1;
      const message: MessageEntry = {
        ...place,
        type: "message",
        number: this.#count,
        id: `m${place.seq}`,
        sender: by,
        content: `text ${place.seq}`,
        ...(chance.of(0.3) && { attachment_url: `https://files.example/${place.seq}` }),
      };
      this.#rows.set(place.seq, { message, content: message.content, asOf: place.seq, reactions: new Map() });
      entry = message;
    } else if (kind < 9) {
      const row = chance.pick(living);
      row.asOf = place.seq;
      const on = { ...place, target: row.message.seq, by };
      if (kind === 4) {
        row.content = `edit ${place.seq}`;
        row.editedAt = place.timestamp;
        entry = { ...on, type: "edit", content: row.content };
      } else if (kind === 5) {
        row.content = "";
        row.deletedAt = place.timestamp;
        row.reactions.clear();
        entry = { ...on, type: "delete" };
        this.#blank(row.message.seq);
      } else if (kind === 6) {
        entry = { ...on, type: "pinned", on: chance.of(0.7) };
      } else {
        const emoji = chance.pick(EMOJI);
        const users = row.reactions.get(emoji) ?? new Set();
        row.reactions.set(emoji, users);
        entry = { ...on, type: "reaction", emoji, on: !users.has(by) };
        if (entry.on) users.add(by);
        else users.delete(by);
      }
    } else {
      const room: readonly Entry[] = [
        { ...place, type: "joined", user: by, role: "member" },
        { ...place, type: "left", user: by },
        { ...place, type: "role_changed", user: by, role: "moderator", by: "ann" },
        { ...place, type: "sanctioned", user: by, kind: "mute", on: true, by: "ann" },
        { ...place, type: "room_changed", name: `name ${place.seq}`, description: "", by },
        { ...place, type: "room_deleted", by },
        // Of a server of next year.
        { ...place, type: "coloured", colour: "red" } as unknown as Entry,
      ];
      entry = chance.pick(room);
    }
    this.entries.push(entry);
    return entry;
  }

  #blank(target: number): void {
    for (const [index, entry] of this.entries.entries()) {
      if (entry.type === "message" && entry.seq === target) {
        const { attachment_url: _gone, ...rest } = entry;
        this.entries[index] = { ...rest, content: "" };
      } else if (entry.type === "edit" && entry.target === target) {
        this.entries[index] = { ...entry, content: "" };
      }
    }
  }

  page(after: number, limit: number): { entries: Entry[]; gap?: Gap; next?: number } {
    const entries = this.entries.slice(Math.max(after, this.floor)).slice(0, limit);
    const reached = entries.at(-1)?.seq ?? Math.max(after, this.floor);
    return {
      entries,
      ...(after < this.floor && { gap: { from: after + 1, to: this.floor } }),
      ...(reached < this.head && { next: reached }),
    };
  }

  /** Present state of the newest messages. */
  history(limit: number): HistoryMessage[] {
    const rows = [...this.#rows.values()].filter((row) => row.message.seq > this.floor).slice(-limit);
    return rows.map(({ message, content, asOf, editedAt, deletedAt, reactions }) => {
      const { attachment_url, ...rest } = message;
      const counts = [...reactions].filter(([, users]) => users.size > 0);
      return {
        ...rest,
        content,
        ...(attachment_url !== undefined && deletedAt === undefined && { attachment_url }),
        ...(asOf !== message.seq && { as_of: asOf }),
        ...(editedAt !== undefined && { edited_at: editedAt }),
        ...(deletedAt !== undefined && { deleted_at: deletedAt }),
        ...(counts.length > 0 && {
          reactions: Object.fromEntries(counts.map(([emoji, users]) => [emoji, users.size])),
        }),
      };
    });
  }
}

/** Many conversations behind `POST sync`. */
export class Server {
  readonly logs = new Map<string, ServerLog>();
  readonly calls: SyncRequest[] = [];
  /** Entries in one answer. */
  budget = 7;
  jitterMs = 0;

  log(id: string): ServerLog {
    const log = this.logs.get(id) ?? new ServerLog(id);
    this.logs.set(id, log);
    return log;
  }

  sync(request: SyncRequest): SyncAnswer {
    this.calls.push(request);
    let left = Math.min(this.budget, request.limit ?? this.budget);
    const direct = Object.entries(request.with ?? {}).map(([user, after]) => [`d_${user}`, after] as const);
    const conversations: [string, ConversationAnswer][] = [...Object.entries(request.cursors), ...direct].map(([id, after]) => {
      const log = this.logs.get(id);
      if (!log) return [id, { entries: [], error: { code: "room_not_found", message: "There is no such room." } }];
      const page = log.page(after, left);
      left -= page.entries.length;
      const head = { seq: log.head, number: log.entries.at(-1)?.number ?? 0 };
      return [id, { ...page, head, ...(after > log.head && { ahead: true }) }];
    });
    const more = conversations.some(([, { next }]) => next !== undefined);
    return { conversations: Object.fromEntries(conversations), more, jitter_ms: this.jitterMs };
  }
}
