import assert from "node:assert/strict";

import type { LogEvent } from "../src/log.js";
import { ConversationState } from "../src/state.js";
import type { ServerLog } from "./server.js";

/** Every `seq` from `first` to the head once and in order, as an entry or in a gap that retention made. */
export function assertOnceInOrder(events: readonly LogEvent[], log: ServerLog, first = 1): void {
  let next = first;
  for (const event of events) {
    if (event.kind === "entry") {
      assert.equal(event.entry.seq, next);
      assert.equal(event.entry.type, log.entries[next - 1]?.type);
      next += 1;
    } else if (event.kind === "gap") {
      assert.equal(event.gap.from, next);
      assert.ok(event.gap.to >= next && event.gap.to <= log.floor, `nothing but retention takes ${event.gap.to} away`);
      next = event.gap.to + 1;
    }
  }
  assert.equal(next, log.head + 1, "nothing is missing at the end");
}

/** What a screen shows, with the names behind reactions left out: history has the counts alone. */
export function shown(state: ConversationState, { floor, head }: Pick<ServerLog, "floor" | "head">): unknown {
  const messages = [...state.messages.values()]
    .filter((message) => message.seq > floor)
    .sort((a, b) => a.seq - b.seq)
    .map(({ reactions, knows_reactors: _how, ...rest }) => ({
      ...rest,
      reactions: Object.fromEntries(
        [...reactions].map(([emoji, { count }]) => [emoji, count] as const).sort(([a], [b]) => (a < b ? -1 : 1)),
      ),
    }));
  // Who has no entry cannot know how many there were.
  const count = floor < head ? state.count : undefined;
  return { messages, pins: state.pins.filter((seq) => seq > floor), count };
}

/** Who is there and what the room is called; a gap may hide it. */
export function shownRoom({ members, name, isDeleted }: ConversationState): unknown {
  return { members: [...members].sort(), name, isDeleted };
}

export function stateOf(events: readonly LogEvent[]): ConversationState {
  const state = new ConversationState();
  for (const event of events) state.apply(event);
  return state;
}
