import assert from "node:assert/strict";
import { test } from "node:test";

import { isMessageChange } from "../src/state.js";
import { ConversationLog, type HistoryRead, type LogEvent } from "../src/log.js";
import type { Entry, HistoryMessage } from "../src/wire.js";
import { Chance } from "./chance.js";
import { assertOnceInOrder, shown, shownRoom, stateOf } from "./checks.js";
import { ServerLog } from "./server.js";

const RUNS = Number(process.env["RUNS"] ?? 500);

/** What is under way between client and server. */
interface Fetch {
  readonly after: number;
  page?: ReturnType<ServerLog["page"]>;
}
interface Reading {
  readonly read: HistoryRead;
  messages?: HistoryMessage[];
}

/** One client and one conversation, where everything that is under way may happen next. */
function play(chance: Chance, { retention = false, before = 0 }): { server: ServerLog; events: LogEvent[] } {
  const server = new ServerLog("tea");
  while (server.head < before) server.append(chance);
  const log = new ConversationLog(before);
  const events: LogEvent[] = [];
  let frames: Entry[] = [];
  let fetches: Fetch[] = [];
  let readings: Reading[] = [];
  let now = 0;
  const drops = chance.next() * 0.6;

  const append = (): void => {
    const entry = server.append(chance);
    const copies = chance.of(drops) ? 0 : chance.of(0.2) ? 2 : 1;
    // An unknown kind is no entry until a fetch says so.
    if ((entry.type as string) !== "coloured") for (let n = 0; n < copies; n++) frames.push(entry);
  };
  const deliver = (): void => {
    // Mostly in order, sometimes any of them.
    const [frame] = frames.splice(chance.of(0.7) ? 0 : chance.below(frames.length), 1);
    if (frame) events.push(...log.add(frame, now));
  };
  const fetch = (): void => {
    const under = chance.pick([...fetches, undefined]);
    if (!under) {
      if (fetches.length < 3) fetches.push({ after: log.mark ?? 0 });
    } else if (!under.page) {
      under.page = server.page(under.after, 1 + chance.below(9));
    } else {
      fetches = fetches.filter((other) => other !== under);
      // Some answers never come.
      if (chance.of(0.8)) events.push(...log.addPage(under.after, under.page, now));
    }
  };
  const history = (): void => {
    const under = chance.pick([...readings, undefined]);
    if (!under) {
      if (readings.length < 3) readings.push({ read: log.beginHistory() });
    } else if (!under.messages) {
      under.messages = server.history(1 + chance.below(20));
    } else {
      readings = readings.filter((other) => other !== under);
      events.push(...log.endHistory(under.read, chance.of(0.8) ? under.messages : []));
    }
  };
  for (let step = 0; step < 120; step++) {
    now += chance.below(400);
    const dice = chance.below(100);
    if (dice < 35) append();
    else if (dice < 65) deliver();
    else if (dice < 80) fetch();
    else if (dice < 95) history();
    else if (dice < 98) frames = []; // a new connection: what was under way is lost
    else if (retention) server.floor = Math.max(server.floor, chance.below(server.head + 1));
  }
  while (readings.length > 0) history();
  while ((log.mark ?? 0) < server.head) events.push(...log.addPage(log.mark ?? 0, server.page(log.mark ?? 0, 5), now));
  assert.equal(log.holeSince, undefined);
  return { server, events };
}

/**
 * A listener that trusts the log: it takes every state it is given, and every entry that is not covered by one. No message
 * ever goes back to what it was.
 */
function contentsOf(events: readonly LogEvent[]): Map<number, string> {
  const contents = new Map<number, string>();
  const versions = new Map<number, number>();
  for (const event of events) {
    if (event.kind === "message") {
      const { seq, as_of, content } = event.message;
      assert.ok(as_of >= (versions.get(seq) ?? 0), `message ${seq} goes back`);
      versions.set(seq, as_of);
      contents.set(seq, content);
    }
    if (event.kind !== "entry") continue;
    const { entry, covered } = event;
    const message = isMessageChange(entry) ? entry.target : entry.type === "message" ? entry.seq : undefined;
    if (message === undefined) continue;
    assert.equal(covered, entry.seq <= (versions.get(message) ?? 0), `entry ${entry.seq}`);
    if (covered) continue;
    if (entry.type === "message") contents.set(message, entry.content);
    else if (!contents.has(message)) continue;
    versions.set(message, entry.seq);
    if (entry.type === "edit") contents.set(message, entry.content);
    if (entry.type === "delete") contents.set(message, "");
  }
  return contents;
}

/** As one sees it who was never there before. */
function fresh(server: ServerLog): LogEvent[] {
  return new ConversationLog(0).addPage(0, server.page(0, Infinity), 0);
}

test("every entry once and in order, and the state of a fresh replay, whatever the connection does", () => {
  for (let seed = 1; seed <= RUNS; seed++) {
    const { server, events } = play(new Chance(seed), {});
    try {
      assertOnceInOrder(events, server);
      assert.ok(!events.some((event) => event.kind === "gap"));
      const [mine, theirs] = [stateOf(events), stateOf(fresh(server))];
      assert.deepEqual(shown(mine, server), shown(theirs, server));
      assert.deepEqual(shownRoom(mine), shownRoom(theirs));
      const log = new ConversationLog(0);
      const told = stateOf(log.endHistory(log.beginHistory(), server.history(Infinity)));
      assert.deepEqual((shown(mine, server) as { messages: unknown }).messages, (shown(told, server) as { messages: unknown }).messages);
    } catch (error) {
      throw new Error(`seed ${seed}: ${String(error)}`, { cause: error });
    }
  }
});

test("what retention took is declared, once and exactly, and nothing else is", () => {
  let gaps = 0;
  for (let seed = 1; seed <= RUNS; seed++) {
    const { server, events } = play(new Chance(seed), { retention: true });
    try {
      assertOnceInOrder(events, server);
      gaps += events.filter((event) => event.kind === "gap").length;
      assert.deepEqual(shown(stateOf(events), server), shown(stateOf(fresh(server)), server));
    } catch (error) {
      throw new Error(`seed ${seed}: ${String(error)}`, { cause: error });
    }
  }
  assert.ok(gaps > 0, "the game had gaps");
});

test("who begins in the middle has of every message it was told of what history says of it", () => {
  for (let seed = 1; seed <= RUNS; seed++) {
    const before = 40;
    const { server, events } = play(new Chance(seed), { before });
    try {
      assertOnceInOrder(events, server, before + 1);
      const now = new Map(server.history(Infinity).map((message) => [message.seq, message]));
      for (const [seq, content] of contentsOf(events)) assert.equal(content, now.get(seq)?.content, `message ${seq}`);
      for (const [seq, { as_of, content }] of stateOf(events).messages) {
        assert.deepEqual({ as_of, content }, { as_of: now.get(seq)?.as_of ?? seq, content: now.get(seq)?.content });
      }
    } catch (error) {
      throw new Error(`seed ${seed}: ${String(error)}`, { cause: error });
    }
  }
});

/** All orders of two sequences. */
function* interleavings<T>(one: readonly T[], other: readonly T[]): Generator<T[]> {
  const [a, ...restOne] = one;
  const [b, ...restOther] = other;
  if (a === undefined || b === undefined) return yield [...one, ...other];
  for (const rest of interleavings(restOne, other)) yield [a, ...rest];
  for (const rest of interleavings(one, restOther)) yield [b, ...rest];
}

/** Applies one order of steps and says whether everything arrived. */
function arrives(steps: readonly string[]): boolean {
  const server = new ServerLog("tea");
  const log = new ConversationLog(0);
  const chance = new Chance(1);
  const events: LogEvent[] = [];
  const frames: Entry[] = [];
  let page: ReturnType<ServerLog["page"]> = { entries: [] };
  let isSubscribed = false;
  for (const step of steps) {
    if (step === "append") {
      const entry = server.append(chance);
      if (isSubscribed) frames.push(entry);
    } else if (step === "hear") events.push(...frames.splice(0, 1).flatMap((frame) => log.add(frame, 0)));
    else if (step === "subscribe") isSubscribed = true;
    else if (step === "read") page = server.page(0, Infinity);
    else events.push(...log.addPage(0, page, 0));
  }
  events.push(...frames.flatMap((frame) => log.add(frame, 0)));
  return log.mark === server.head && events.every((event, index) => event.kind === "entry" && event.entry.seq === index + 1);
}

test("subscribe, then fetch: no order of steps leaves a window", () => {
  const world = ["append", "append", "hear", "append", "hear", "append", "hear", "append"];
  const client = (first: string, second: string): string[] => [first, second, "answer"];
  for (const steps of interleavings(world, client("subscribe", "read"))) assert.ok(arrives(steps), steps.join(" "));
  const others = [...interleavings(world, client("read", "subscribe"))];
  assert.ok(others.some((steps) => !arrives(steps)), "the other way round there is one, and this game finds it");
});

test("what is heard of by its number alone is a hole, from the first time on", () => {
  const server = new ServerLog("tea");
  const chance = new Chance(1);
  const [one, two, three] = [server.append(chance), server.append(chance), server.append(chance)];
  const log = new ConversationLog(0);
  log.hear(1, 10);
  log.hear(1, 20);
  assert.equal(log.holeSince, 10);
  log.add(three, 30);
  log.add(one, 40);
  assert.equal(log.holeSince, 30);
  assert.deepEqual(log.add(two, 50).map((event) => event.kind === "entry" && event.entry.seq), [2, 3]);
  assert.equal(log.holeSince, undefined);
});

test("a log without a place keeps what comes, and begins where it is put", () => {
  const server = new ServerLog("tea");
  const chance = new Chance(1);
  const entries = Array.from({ length: 6 }, () => server.append(chance));
  const log = new ConversationLog();
  assert.deepEqual(entries.slice(2).flatMap((entry) => log.add(entry, 0)), []);
  assert.deepEqual(log.place(4).map((event) => event.kind === "entry" && event.entry.seq), [5, 6]);
  assert.deepEqual(log.place(1), [], "it has its place");
  assert.equal(log.mark, 6);
});

test("a pin of a message that retention took is none, also when its entry stands behind the gap", () => {
  const place = { number: 9, room_id: "tea", timestamp: "t" };
  const pin = (seq: number, target: number): LogEvent => {
    return { kind: "entry", covered: false, entry: { ...place, type: "pinned", seq, target, by: "ann", on: true } };
  };
  const before = [pin(3, 1), pin(4, 2)];
  const gap: LogEvent = { kind: "gap", gap: { from: 5, to: 10 } };
  const state = stateOf([...before, gap, pin(11, 2), pin(12, 10), pin(13, 11)]);
  assert.deepEqual(state.pins, [11]);
});

test("a message that is deleted has no reactions, as history tells it", () => {
  const place = { number: 1, room_id: "tea", timestamp: "t" };
  const entries: Entry[] = [
    { ...place, type: "message", seq: 1, id: "m", sender: "ann", content: "hi" },
    { ...place, type: "reaction", seq: 2, target: 1, emoji: "☕", by: "bob", on: true },
    { ...place, type: "delete", seq: 3, target: 1, by: "ann" },
  ];
  const state = stateOf(entries.map((entry) => ({ kind: "entry", covered: false, entry })));
  assert.equal(state.messages.get(1)?.reactions.size, 0);
});
