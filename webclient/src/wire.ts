// What the server says, as values. Names are those of the wire (docs/PROTOCOL.md).

/** Where every entry stands, whatever it says. */
interface Place {
  /** Position in the conversation's log: 1, 2, 3 … without gaps, over all kinds of entry. */
  readonly seq: number;
  /** How many messages the log holds up to here; a message's own number, therefore. */
  readonly number: number;
  readonly timestamp: string;
  /** One of the two says which conversation. */
  readonly room_id?: string;
  readonly conversation?: string;
  readonly room_name?: string;
  readonly to?: string;
}

export type Role = "member" | "moderator" | "owner";

/** A message as its sender wrote it. */
export interface MessageEntry extends Place {
  readonly type: "message";
  readonly id: string;
  readonly sender: string;
  readonly sender_name?: string;
  readonly content: string;
  readonly sent_at?: string;
  readonly attachment_url?: string;
  /** `seq` of the message this one answers. */
  readonly reply_to?: number;
}

/** What changes a message. `target` is its `seq`. */
export type MessageChange =
  | (Place & { readonly type: "edit"; readonly target: number; readonly content: string; readonly by: string })
  | (Place & { readonly type: "delete"; readonly target: number; readonly by: string; readonly reason?: string })
  | (Place & {
      readonly type: "reaction";
      readonly target: number;
      readonly emoji: string;
      readonly by: string;
      readonly on: boolean;
    })
  | (Place & { readonly type: "pinned"; readonly target: number; readonly by: string; readonly on: boolean });

/** What changes the room or who is in it. */
export type RoomChange =
  | (Place & { readonly type: "joined"; readonly user: string; readonly role: Role })
  | (Place & { readonly type: "left"; readonly user: string; readonly by?: string })
  | (Place & { readonly type: "role_changed"; readonly user: string; readonly role: Role; readonly by: string })
  | (Place & {
      readonly type: "sanctioned";
      readonly user: string;
      readonly kind: string;
      readonly on: boolean;
      readonly by: string;
      readonly until?: string;
      readonly reason?: string;
    })
  | (Place & { readonly type: "room_changed"; readonly name: string; readonly description: string; readonly by: string })
  | (Place & { readonly type: "room_deleted"; readonly by: string });

/** One immutable line of a conversation's log. A kind that is not listed here is one of a later server: keep its place, ignore it. */
export type Entry = MessageEntry | MessageChange | RoomChange;

/** A message as it stands now, as history tells it. */
export interface HistoryMessage extends MessageEntry {
  /** `seq` of the last entry that shaped it; absent while nothing did. */
  readonly as_of?: number;
  readonly edited_at?: string;
  readonly deleted_at?: string;
  /** How many users reacted, by emoji. */
  readonly reactions?: Readonly<Record<string, number>>;
}

/** Entries that are gone for everybody, both ends inclusive. */
export interface Gap {
  readonly from: number;
  readonly to: number;
}

const KINDS: ReadonlySet<unknown> = new Set<Entry["type"]>([
  "message",
  "edit",
  "delete",
  "reaction",
  "pinned",
  "joined",
  "left",
  "role_changed",
  "sanctioned",
  "room_changed",
  "room_deleted",
]);

/** Which conversation a frame is about, if it says so. */
export function conversationOf(frame: object): string | undefined {
  const { room_id, conversation } = frame as { room_id?: unknown; conversation?: unknown };
  const id = room_id ?? conversation;
  return typeof id === "string" ? id : undefined;
}

/** The `seq` that a frame names, entry or not: an answer such as `sent` tells of an entry without being one. */
export function seqOf(frame: object): number | undefined {
  const { seq } = frame as { seq?: unknown };
  return typeof seq === "number" && Number.isSafeInteger(seq) && seq > 0 ? seq : undefined;
}

/** Whether a live frame is an entry of a log. An unknown kind is not taken for one: if it is, it comes with the next fetch. */
export function isEntry(frame: object): frame is Entry {
  return KINDS.has((frame as { type?: unknown }).type) && seqOf(frame) !== undefined;
}

const ANSWERS: ReadonlySet<unknown> = new Set(["sent", "edited", "deleted", "reacted", "pins_changed"]);

/** Whether a frame answers a request by the `seq` of the entry that it made. */
export function tellsOfEntry(frame: object): boolean {
  return ANSWERS.has((frame as { type?: unknown }).type);
}

/** Whether a frame answers that one has joined or left: an entry, too, but these answers do not name it. */
export function changesMembership(frame: object): boolean {
  const { type } = frame as { type?: unknown };
  return type === "room_joined" || type === "room_left";
}
