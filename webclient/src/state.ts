// What entries make of a conversation. `changeMessage` is pure; `ConversationState` keeps what a screen shows.
import type { LogEvent } from "./log.js";
import type { Entry, HistoryMessage, MessageChange, MessageEntry, Role } from "./wire.js";

/** Who reacted with one emoji. */
export interface Reaction {
  readonly count: number;
  /** What entries told of single users. A message from history brings the count alone. */
  readonly users: ReadonlyMap<string, boolean>;
}

/** A message after the changes up to `as_of`. */
export interface Message {
  readonly seq: number;
  readonly number: number;
  readonly id: string;
  readonly sender: string;
  readonly sender_name?: string;
  readonly content: string;
  readonly timestamp: string;
  readonly sent_at?: string;
  readonly attachment_url?: string;
  readonly reply_to?: number;
  readonly edited_at?: string;
  readonly deleted_at?: string;
  /** By emoji. */
  readonly reactions: ReadonlyMap<string, Reaction>;
  /** Whether all who reacted are known by name, since every reaction came as an entry. */
  readonly knows_reactors: boolean;
  readonly as_of: number;
}

type Shared = "seq" | "number" | "id" | "sender" | "content" | "timestamp";
const OPTIONAL = ["sender_name", "sent_at", "attachment_url", "reply_to"] as const;

function written(entry: MessageEntry): Pick<Message, Shared | (typeof OPTIONAL)[number]> {
  const { seq, number, id, sender, content, timestamp } = entry;
  const optional = Object.fromEntries(
    OPTIONAL.filter((name) => entry[name] !== undefined).map((name) => [name, entry[name]]),
  );
  return { seq, number, id, sender, content, timestamp, ...optional };
}

/** A message as it was appended. */
export function newMessage(entry: MessageEntry): Message {
  return { ...written(entry), reactions: new Map(), knows_reactors: true, as_of: entry.seq };
}

/** A message as history tells it. */
export function messageOfHistory(told: HistoryMessage): Message {
  const counts = Object.entries(told.reactions ?? {});
  return {
    ...written(told),
    ...(told.edited_at !== undefined && { edited_at: told.edited_at }),
    ...(told.deleted_at !== undefined && { deleted_at: told.deleted_at }),
    reactions: new Map(counts.map(([emoji, count]) => [emoji, { count, users: new Map() }])),
    knows_reactors: told.as_of === undefined || told.as_of === told.seq,
    as_of: told.as_of ?? told.seq,
  };
}

/** The message after one more change. A change that it shows already leaves it as it is. */
export function changeMessage(message: Message, change: MessageChange): Message {
  if (change.target !== message.seq || change.seq <= message.as_of) return message;
  const changed = { ...message, as_of: change.seq };
  switch (change.type) {
    case "edit":
      return { ...changed, content: change.content, edited_at: change.timestamp };
    case "delete": {
      const { attachment_url: _gone, ...rest } = changed;
      const deleted_at = message.deleted_at ?? change.timestamp;
      return { ...rest, content: "", deleted_at, reactions: new Map(), knows_reactors: true };
    }
    case "reaction":
      return { ...changed, reactions: react(message, change.emoji, change.by, change.on) };
    case "pinned":
      return changed;
  }
}

/** Reactions are set, never toggled: one that is repeated counts once. */
function react(message: Message, emoji: string, by: string, on: boolean): Message["reactions"] {
  const { count, users } = message.reactions.get(emoji) ?? { count: 0, users: new Map<string, boolean>() };
  const was = users.get(by) ?? (message.knows_reactors ? false : !on);
  const after = was === on ? count : count + (on ? 1 : -1);
  const reactions = new Map(message.reactions);
  if (after > 0) reactions.set(emoji, { count: after, users: new Map(users).set(by, on) });
  else reactions.delete(emoji);
  return reactions;
}

/** Whether an entry shapes a message; joins and room changes do not. */
export function isMessageChange(entry: Entry): entry is MessageChange {
  return entry.type === "edit" || entry.type === "delete" || entry.type === "reaction" || entry.type === "pinned";
}

/** Everything a client knows of one conversation, brought up to date event by event. */
export class ConversationState {
  /** By `seq`. Older ones join them as history is read. */
  readonly messages = new Map<number, Message>();
  /** As far as the log told; after a gap, or when following did not begin with the first entry, ask the member list. */
  readonly members = new Map<string, Role>();
  /** `seq` of the pinned messages, in the order of pinning. */
  pins: readonly number[] = [];
  name: string | undefined;
  description: string | undefined;
  isDeleted = false;
  /** How many messages the log holds: unread is this minus the `number` of one's read mark. */
  count = 0;
  /** What is not above it is gone: the end of the last gap. */
  #floor = 0;

  apply(event: LogEvent): void {
    switch (event.kind) {
      case "message": {
        // What entries made of it is as new, and knows the names behind the counts.
        const known = this.messages.get(event.message.seq);
        if (!known || known.as_of < event.message.as_of) this.messages.set(event.message.seq, event.message);
        break;
      }
      case "gap":
        // What is older than a gap is gone at the server too, and may have changed within the gap.
        this.#floor = event.gap.to;
        for (const seq of this.messages.keys()) if (seq <= this.#floor) this.messages.delete(seq);
        this.pins = this.pins.filter((seq) => seq > this.#floor);
        break;
      case "entry":
        this.count = event.entry.number;
        this.#applyEntry(event.entry, event.covered);
        break;
    }
  }

  #applyEntry(entry: Entry, covered: boolean): void {
    switch (entry.type) {
      case "message":
        if (!covered) this.messages.set(entry.seq, newMessage(entry));
        break;
      case "pinned":
        if (!entry.on) this.#unpin(entry.target);
        // An entry that is left may name a message that is not.
        else if (entry.target > this.#floor && !this.pins.includes(entry.target)) this.pins = [...this.pins, entry.target];
        this.#change(entry);
        break;
      case "delete":
        this.#unpin(entry.target);
        this.#change(entry);
        break;
      case "edit":
      case "reaction":
        this.#change(entry);
        break;
      case "joined":
      case "role_changed":
        this.members.set(entry.user, entry.role);
        this.isDeleted = false;
        break;
      case "left":
        this.members.delete(entry.user);
        break;
      case "room_changed":
        this.name = entry.name;
        this.description = entry.description;
        break;
      case "room_deleted":
        this.members.clear();
        this.isDeleted = true;
        break;
      case "sanctioned":
        break;
    }
  }

  #unpin(target: number): void {
    this.pins = this.pins.filter((seq) => seq !== target);
  }

  /** A message that is not here is older than what was read; history will bring it with this change. */
  #change(change: MessageChange): void {
    const message = this.messages.get(change.target);
    if (message) this.messages.set(change.target, changeMessage(message, change));
  }
}
